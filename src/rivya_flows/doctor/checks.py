"""One check of `doctor`, and those of what runs need: store, media, the service and what it offers, the receiver."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

from pydantic import ValidationError

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.differences import PARAM_FIELDS, differences
from rivya_client.catalogue.snapshot import from_wire, shipped
from rivya_client.client import RivyaClient
from rivya_client.retries import RetryPolicy
from rivya_client.types import ModelEntry
from rivya_flows.errors import APIConnectionError, APIError, APIStatusError, RivyaError, hint_of
from rivya_flows.extras import install, missing
from rivya_flows.money.live_guard import is_rehearsal
from rivya_flows.processes import registry
from rivya_flows.processes.ports import answers
from rivya_flows.receiver.app import WEBHOOK_PATH
from rivya_flows.runs.connect import chosen_service, serving
from rivya_flows.scratch import scratch
from rivya_flows.setting_mistakes import with_places
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.deployments import SeenDrift
from rivya_flows.store.journal import Journal
from rivya_flows.store.shared_store_checks import mask_password

_TRY = "use it once, as with `rivya-flows --verbose run`, to see what is wrong"


@dataclass(frozen=True)
class Check:
    """The result of one check: ``warning`` if something may fail, ``problem`` if something will."""

    name: str
    status: Literal["ok", "warning", "problem"]
    message: str
    hint: str | None = None


Checks = Iterable[Check] | AsyncIterator[Check]


def ok(message: str, *, name: str = "") -> Check:
    """A check that found nothing wrong; `run_checks` names it."""
    return Check(name, "ok", message)


def warning(message: str, hint: str, *, name: str = "") -> Check:
    return Check(name, "warning", message, hint)


def problem(message: str, hint: str | None, *, name: str = "") -> Check:
    return Check(name, "problem", message, hint)


def run_checks(name: str, checks: Callable[[], Checks]) -> list[Check]:
    """The results of these checks. The name is that of results without one; an error becomes a problem."""

    async def gather(found: AsyncIterator[Check]) -> list[Check]:
        return [one async for one in found]

    try:
        found = checks()
        results = asyncio.run(gather(found)) if isinstance(found, AsyncIterator) else found
        return [replace(one, name=one.name or name) for one in results]
    except RivyaError as error:
        hint = hint_of(error)
        return [problem(with_places(str(error), hint), hint, name=name)]
    except ValidationError as error:
        # The value is not shown: it may be a key in the wrong place.
        first = error.errors(include_input=False)[0]
        where = "_".join(str(part) for part in first["loc"]).upper()
        return [problem(f"{where}: {first['msg']}", "correct or unset it", name=name)]
    except OSError as error:
        return [problem(f"{error.strerror or error}", _TRY, name=name)]
    except Exception as error:  # one check that fails must not end the others
        return [problem(f"{type(error).__name__} during this check", _TRY, name=name)]


_ONCE = RetryPolicy(attempts=1)
_ANSWER_SECONDS, _LIST_SECONDS = 5.0, 10.0
_LOOK_SECONDS = 0.2
_NOTHING = "doctor-0"  # an id that does not exist: a key that may read gets 404
_WITHOUT = {  # what does not work; every run needs the other scopes
    "files:read": "no input can be the id of an upload",
    "chat:read": "perhaps no chat either, and no `mode: judge`",
    "webhooks:manage": "no webhooks, so runs poll",
}


def store(settings: Settings) -> Iterator[Check]:
    """The journal; opening it looks at its schema."""
    with closing(Journal(settings.store_url)):
        yield ok(f"{mask_password(settings.store_url)} is up to date")


def assets(settings: Settings) -> Iterator[Check]:
    """The media: one is written, read and removed."""
    with scratch() as folder:
        probe = folder / "probe"
        probe.write_bytes(b"rivya-flows doctor\n")
        media = AssetStore(settings.assets_url, folder / "copies")
        # The same content each time: the next check removes what a killed one left.
        digest = media.put(probe)
        # Another store: this one has verified what it wrote.
        AssetStore(settings.assets_url, folder / "read").local_path(digest)
        media.remove(digest)
    yield ok(f"{media.url} can be written, read and cleared")


async def service(settings: Settings) -> AsyncIterator[Check]:
    """The service that runs would use, and its key, tried with calls that cost nothing."""
    if settings.rivya_api_key is None or settings.rivya_flows_sandbox:
        url = serving(settings.data / "sandbox")
        where = f"serves at {url}" if url else "starts on demand"
        reason = "RIVYA_FLOWS_SANDBOX" if settings.rivya_flows_sandbox else "no RIVYA_API_KEY"
        if missing("sandbox"):
            yield problem(f"{reason}, and no local sandbox", install("sandbox"))
        else:
            yield ok(f"{reason}: the local sandbox {where}")
        return
    api_key = settings.rivya_api_key.get_secret_value()
    base_url = settings.rivya_base_url.rstrip("/")
    address = mask_password(base_url)
    async with RivyaClient(api_key, base_url, timeout=_ANSWER_SECONDS) as client:
        try:
            balance = (await client.credits.retrieve(retry=_ONCE)).current_credits
        except APIStatusError as error:
            if error.code != "api_scope_denied":
                hint = hint_of(error)
                yield problem(f"{address}: {with_places(str(error), hint)}", hint)
                return
            yield ok(f"{address} knows the key")
        else:
            message = f"{address} knows the key; {balance} credits"
            if is_rehearsal(base_url, settings):
                message += ", pretend: it is on this machine, and RIVYA_FLOWS_LIVE is not set"
            add = "add credits to the account: until then nothing can be bought"
            yield ok(message) if balance else warning(message, add)
        yield await _scopes(client)


async def _scopes(client: RivyaClient) -> Check:
    """Which scopes the key lacks, as far as calls that change nothing show it."""
    tried: dict[str, Callable[[], Awaitable[object]]] = {
        "credits:read": partial(client.credits.retrieve, retry=_ONCE),
        "generations:read": partial(client.generations.retrieve, _NOTHING, retry=_ONCE),
        "files:read": partial(client.files.retrieve, _NOTHING, retry=_ONCE),
        "chat:read": partial(client.chat.sessions.retrieve, _NOTHING, retry=_ONCE),
        "webhooks:manage": partial(client.webhooks.retrieve, _NOTHING, retry=_ONCE),
    }
    denied = []
    for scope, ask in tried.items():
        try:
            await ask()
        except APIStatusError as error:
            if error.code == "api_scope_denied":
                denied.append(scope)
        except APIConnectionError:  # the others would be as silent
            break
        except APIError:
            continue
    name, hint = "scopes", "make a key with these scopes in Settings, API Keys"
    if needed := [scope for scope in denied if scope not in _WITHOUT]:
        return problem(f"the key lacks {', '.join(needed)}: every run fails", hint, name=name)
    if denied:
        lacks = "; ".join(f"{scope}: {_WITHOUT[scope]}" for scope in denied)
        return warning(f"the key lacks {lacks}", f"where you want that, {hint}", name=name)
    return ok("the key may read; only a purchase shows whether it may buy", name=name)


async def webhooks(settings: Settings) -> AsyncIterator[Check]:
    """Whether the service's webhooks reach the receiver: it sends a test event through."""
    part = registry.read(settings.data).part("receiver")
    base_url = settings.rivya_flows_public_url or (part.url if part else None)
    if base_url is None:
        return
    if settings.rivya_api_key is None and serving(settings.data / "sandbox") is None:
        yield ok("the sandbox does not run; the next run starts it")
        return
    async with chosen_service(settings) as service:
        key = "" if service.api_key is None else service.api_key.get_secret_value()
        async with RivyaClient(key, service.base_url, timeout=_ANSWER_SECONDS) as client:
            yield await _try_endpoint(client, base_url.rstrip("/") + WEBHOOK_PATH)


async def _try_endpoint(client: RivyaClient, url: str) -> Check:
    """Whether a test event of the service reaches the endpoint of a URL."""
    address = mask_password(url)
    again = "`rivya-flows down`, then `rivya-flows up`; or `rivya-flows webhooks listen --register`"
    unused = ok(
        "not used: runs poll, and need nothing more; to use them, set RIVYA_FLOWS_PUBLIC_URL to"
        " an https:// address that leads to the receiver, then `rivya-flows down` and `up`"
    )
    registered = url.startswith("https://")  # `up` registers no other with a service
    try:
        endpoints = (await client.webhooks.list(retry=_ONCE)).data
        named = [one for one in endpoints if one.url == url and one.status != "revoked"]
        if not named:
            if not registered:
                return unused
            return warning(f"no endpoint of the service leads to {address}: runs poll", again)
        endpoint = named[0]
        if endpoint.status not in (None, "active"):
            return problem(
                f"the service has disabled the endpoint {endpoint.id}: runs poll",
                f"rivya-flows webhooks endpoints update {endpoint.id} --enable",
            )
        known = {
            one.id for one in (await client.webhooks.deliveries(endpoint.id, retry=_ONCE)).data
        }
        began = time.monotonic()
        await client.webhooks.test(endpoint.id, retry=_ONCE)
        error: str | None = "the service did not send it yet"
        while time.monotonic() - began < _ANSWER_SECONDS:
            await asyncio.sleep(_LOOK_SECONDS)
            sent = (await client.webhooks.deliveries(endpoint.id, retry=_ONCE)).data
            new = [one for one in sent if one.id not in known]
            if any(one.status == "succeeded" for one in new):
                took = time.monotonic() - began
                return ok(f"a test event came to {address} within {took:.1f} s")
            if tried := [one for one in new if one.error or one.response_status]:
                error = tried[0].error or f"the receiver answered {tried[0].response_status}"
                break
    except APIError as failed:
        wrong = warning(f"could not be tried: {failed}", hint_of(failed) or again)
        return wrong if registered else unused
    hint = f"let the proxy or tunnel pass {WEBHOOK_PATH} on to the receiver; else {again}"
    return problem(f"a test event did not reach {address}: {error}; runs poll", hint)


def public_url(settings: Settings) -> Iterator[Check]:
    """Where browsers find media, and whether the receiver answers there."""
    url = settings.rivya_flows_public_url
    if url is None:
        if settings.rivya_flows_webhooks:
            yield problem(
                "RIVYA_FLOWS_WEBHOOKS is on, but RIVYA_FLOWS_PUBLIC_URL is not set",
                "set it to an https:// address that leads to the receiver, then `rivya-flows down` and"
                " `up`, or `rivya-flows webhooks listen --register`",
            )
        else:
            yield ok("not set; `up` serves media from this machine")
        return
    if answers(f"{url.rstrip('/')}/healthz", timeout_seconds=_ANSWER_SECONDS):
        yield ok(f"the receiver answers at {url}")
    else:
        yield warning(
            f"no receiver answers at {url} from here",
            "start it with `rivya-flows webhooks listen` or `up`, or correct RIVYA_FLOWS_PUBLIC_URL",
        )


_PREFIX = "/api/v1"
_OF_RUNS = (
    "GET /models",
    "GET /credits",
    "POST /generations",
    "GET /generations/{}",
    "POST /files",
    "POST /chat/completions",
)
"""Routes without which runs fail, as `_routes` spells them."""

_REST = (
    "GET /files/{}",
    "POST /chat/completions/stream",
    "GET /chat/sessions",
    "GET /chat/sessions/{}",
    "GET /webhooks",
    "POST /webhooks",
    "GET /webhooks/{}",
    "PATCH /webhooks/{}",
    "DELETE /webhooks/{}",
    "POST /webhooks/{}/rotate-secret",
    "POST /webhooks/{}/test",
    "GET /webhooks/{}/deliveries",
    "GET /webhook-events",
    "GET /openapi.json",
)
_LIVE_LIST = "runs go by the service's list; `rivya-flows check --live` checks a spec against it"
_REPORT = "update rivya-flows, or report it"
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})


async def contract(settings: Settings) -> AsyncIterator[Check]:
    """Reads models, balance and OpenAPI document of the service, and compares; costs nothing."""
    if settings.rivya_api_key is None:
        hint = "set RIVYA_API_KEY, or write it into .env; docs/going-live.md says where it is made"
        yield problem("there is no key of the service to try", hint)
        return
    key = settings.rivya_api_key.get_secret_value()
    async with RivyaClient(key, settings.rivya_base_url, timeout=_LIST_SECONDS) as client:
        try:
            listed = await client.models.list(retry=_ONCE)
            for check in model_checks(listed.payload, shipped()):
                yield check
        except APIError as error:
            yield problem(str(error), hint_of(error) or _REPORT, name="models")
        with contextlib.suppress(APIError):  # the check of the service tells it
            credits = await client.credits.retrieve(retry=_ONCE)
            if names := ", ".join(sorted(credits.model_extra)):
                yield ok(f"new in the answer about credits: {names}", name="fields")
        try:
            for check in route_checks(await client.openapi(retry=_ONCE)):
                yield check
        except APIError as error:
            message = f"the OpenAPI document: {error}"
            yield problem(message, hint_of(error) or _REPORT, name="routes")


def model_checks(payload: Mapping[str, Any], ours: Catalogue) -> Iterator[Check]:
    """The list of models of a service against the shipped catalogue."""
    theirs = from_wire(payload, date="", source="live")
    if not theirs.models:
        yield problem("no readable model is in the service's list", _REPORT, name="models")
        return
    kinds = {"new": list[Check](), "changed": list[Check](), "gone": list[Check]()}
    for one in differences(theirs, ours):
        gone = "gone; " if one.kind == "gone" else ""
        found = warning(f"{one.model}: {gone}{one.text}", _LIVE_LIST, name="model")
        if one.kind == "new":
            found = ok(f"{one.model}: new ({one.text})", name="model")
        kinds[one.kind].append(found)
    counts = ", ".join(f"{len(checks)} {kind}" for kind, checks in kinds.items())
    since = f"since the shipped catalogue of {ours.date}: {counts}"
    yield ok(f"{len(theirs.models)}; {since}", name="models")
    yield from (check for checks in kinds.values() for check in checks)
    yield from _unknown_fields(payload)


def _unknown_fields(payload: Mapping[str, Any]) -> Iterator[Check]:
    entries = [one for one in payload.get("data") or () if isinstance(one, Mapping)]
    names, known = {str(key) for entry in entries for key in entry}, ModelEntry.model_fields.keys()
    if new := ", ".join(sorted(names - known)):
        yield ok(f"new in a model: {new}", name="fields")
    if lost := ", ".join(sorted(known - names)):
        yield warning(f"in no model any more: {lost}", _REPORT, name="fields")
    lists = [one for entry in entries if isinstance(one := entry.get("params"), list)]
    params = [one if isinstance(one, Mapping) else {} for params in lists for one in params]
    readable = [one for one in params if isinstance(one.get("key"), str)]
    if new := ", ".join(sorted({str(key) for one in readable for key in one} - PARAM_FIELDS)):
        yield ok(f"new in a parameter: {new}", name="fields")
    if unreadable := len(params) - len(readable):
        count = f"{unreadable} of {len(params)} parameters of models"
        yield warning(f"{count} have another form and are not checked", _REPORT, name="fields")


def route_checks(document: Mapping[str, Any]) -> Iterator[Check]:
    """The routes of an OpenAPI document against those that this version calls."""
    routes = _routes(document.get("paths"))
    if not routes:
        message = "the OpenAPI document names no route that can be read"
        yield problem(message, _REPORT, name="routes")
        return
    if missing := [one for one in _OF_RUNS if one not in routes]:
        yield problem(f"missing: {', '.join(missing)}", _REPORT, name="routes")
    if missing := [one for one in _REST if one not in routes]:
        yield warning(f"missing: {', '.join(missing)}", _REPORT, name="routes")
    new = sorted(routes - {*_OF_RUNS, *_REST})
    more = f"; new: {', '.join(new)}" if new else ""
    version = document.get("openapi") or "of an unknown version"
    yield ok(f"{len(routes)} in the OpenAPI {version} document{more}", name="routes")


def _routes(paths: Any) -> set[str]:
    """``GET /generations/{}`` and so on: without the prefix, and whatever a parameter is called."""
    return {
        f"{method.upper()} {re.sub(r'{[^/]*}', '{}', str(path).removeprefix(_PREFIX))}"
        for path, operations in (paths.items() if isinstance(paths, Mapping) else ())
        if isinstance(operations, Mapping)
        for method in operations
        if method in _METHODS
    }


_SILENT_SWEEPS = 4 / 3  # a sweep, and what it may take


def sweep_check(
    store: str, made: datetime | None, swept: float | None, now: float, every: timedelta
) -> Check:
    """The check of the waker's last sweep; `swept` and `now` in Unix seconds, None: it never swept."""
    begun = made.timestamp() if made else 0.0
    if now - max(begun, swept or 0.0) > _SILENT_SWEEPS * every.total_seconds():
        ago = f"{(now - swept) / 60:.0f} minutes ago" if swept else "never"
        return problem(
            f"its last sweep of this store: {ago}, and it sweeps every {every.seconds // 60} minutes",
            f"see its runs in Prefect; its workers need the store of this machine, {store}",
        )
    last = f"; last sweep {datetime.fromtimestamp(swept, UTC):%H:%M} UTC" if swept else ""
    return ok(f"deadlines of questions are enforced{last}")


def drift_check(
    versions: Mapping[str, str | None], seen: Mapping[str, SeenDrift], now: float, every: timedelta
) -> Check:
    """The check of what the last daily check found of deployments, by their versions now."""
    found = [one for name, one in seen.items() if versions.get(name) == one.version]
    hint = "`rivya-flows check --deployed` says more, as of now"
    if drifted := [one for one in found if one.status != "ok"]:
        drifted.sort(key=lambda one: (one.status != "broken", one.deployment))
        text = "; ".join(f"{one.deployment}: {one.sentence}" for one in drifted)
        return (problem if drifted[0].status == "broken" else warning)(text, hint)
    if (last := max((one.at for one in seen.values()), default=None)) is None:
        return ok("not checked yet; a worker does so once a day")
    if now - last > 2 * every.total_seconds():
        days = (now - last) / 86_400
        return warning(f"last checked {days:.0f} days ago, and a worker does so once a day", hint)
    return ok(f"{len(found)} of {len(versions)} are checked; they work for the price as deployed")
