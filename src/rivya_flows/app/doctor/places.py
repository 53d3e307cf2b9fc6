"""Checks of what runs need: store, media, service, and the URL of the receiver."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import closing
from functools import partial

from rivya_flows.app.doctor.checks import Check, ok, problem, warning
from rivya_flows.app.live_guard import is_rehearsal
from rivya_flows.app.local_sandbox import chosen_service, serving
from rivya_flows.app.processes import registry
from rivya_flows.app.processes.ports import answers
from rivya_flows.app.shared_store_checks import shown_url
from rivya_flows.client.client import RivyaClient
from rivya_flows.client.retries import RetryPolicy
from rivya_flows.errors import APIConnectionError, APIError, APIStatusError
from rivya_flows.receiver.app import WEBHOOK_PATH
from rivya_flows.scratch import scratch
from rivya_flows.setting_names import with_places
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal

_ONCE = RetryPolicy(attempts=1)
_ANSWER_SECONDS = 5.0
_LOOK_SECONDS = 0.2
_NOTHING = "doctor-0"
"""An id that does not exist: a key that may read gets 404."""

_WITHOUT = {
    "files:read": "no input can be the id of an upload",
    "chat:read": "perhaps no chat either, and no `mode: judge`",
    "webhooks:manage": "no webhooks, so runs poll",
}
"""What does not work without a scope; every run needs the others."""


def store(settings: Settings) -> Iterator[Check]:
    """The journal; opening it looks at its schema."""
    with closing(Journal(settings.store_url)):
        yield ok("store", f"{shown_url(settings.store_url)} is up to date")


def assets(settings: Settings) -> Iterator[Check]:
    """The media: one is written, read and removed."""
    with scratch() as folder:
        probe = folder / "probe"
        probe.write_bytes(b"rivya-flows doctor\n")
        kept = AssetStore(settings.assets_url, folder / "copies")
        # The same content each time: the next check removes what a killed one left.
        digest = kept.put(probe)
        # Another store: this one has verified what it wrote.
        AssetStore(settings.assets_url, folder / "read").local_path(digest)
        kept.remove(digest)
    yield ok("assets", f"{kept.url} can be written, read and cleared")


def service(
    settings: Settings, with_key: Callable[[Settings], Awaitable[Settings]]
) -> Iterable[Check]:
    """The service that runs would use, and its key, tried with calls that cost nothing.

    Args:
        settings: With a key or without.
        with_key: Adds a key from elsewhere, if there is one.
    """

    async def checks() -> list[Check]:
        found = await with_key(settings)
        if found.rivya_api_key is None or found.rivya_flows_sandbox:
            url = serving(settings.data / "sandbox")
            where = f"serves at {url}" if url else "starts on demand"
            reason = "RIVYA_FLOWS_SANDBOX" if found.rivya_flows_sandbox else "no RIVYA_API_KEY"
            return [ok("service", f"{reason}: the local sandbox {where}")]
        return [check async for check in _service(found, found.rivya_api_key.get_secret_value())]

    return asyncio.run(checks())


async def _service(settings: Settings, api_key: str) -> AsyncIterator[Check]:
    base_url = settings.rivya_base_url.rstrip("/")
    shown = shown_url(base_url)
    async with RivyaClient(api_key, base_url, timeout=_ANSWER_SECONDS) as client:
        try:
            balance = (await client.credits.retrieve(retry=_ONCE)).current_credits
        except APIStatusError as error:
            if error.code != "api_scope_denied":
                yield problem(
                    "service", f"{shown}: {with_places(str(error), error.hint)}", error.hint
                )
                return
            yield ok("service", f"{shown} knows the key")
        else:
            words = f"{shown} knows the key; {balance} credits"
            if is_rehearsal(base_url, settings):
                words += ", pretend: it is on this machine, and RIVYA_FLOWS_LIVE is not set"
            add = "add credits to the account: until then nothing can be bought"
            yield ok("service", words) if balance else warning("service", words, add)
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
    hint = "make a key with these scopes in Settings, API Keys"
    if needed := [scope for scope in denied if scope not in _WITHOUT]:
        return problem("scopes", f"the key lacks {', '.join(needed)}: every run fails", hint)
    if denied:
        words = "; ".join(f"{scope}: {_WITHOUT[scope]}" for scope in denied)
        return warning("scopes", f"the key lacks {words}", f"where you want that, {hint}")
    return ok("scopes", "the key may read; only a purchase shows whether it may buy")


def webhooks(
    settings: Settings, with_key: Callable[[Settings], Awaitable[Settings]]
) -> Iterable[Check]:
    """Whether the service's webhooks reach the receiver: it sends a test event through.

    Args:
        settings: With a key or without.
        with_key: Adds a key from elsewhere, if there is one.
    """
    part = registry.read(settings.data).part("receiver")
    base_url = settings.rivya_flows_public_url or (part.url if part else None)
    if base_url is None:
        return []
    url = base_url.rstrip("/") + WEBHOOK_PATH

    async def check() -> Check:
        found = await with_key(settings)
        is_local = found.rivya_api_key is None
        if is_local and serving(settings.data / "sandbox") is None:
            return ok("webhooks", "the sandbox does not run; the next run starts it")
        async with chosen_service(found) as service:
            key = "" if service.api_key is None else service.api_key.get_secret_value()
            async with RivyaClient(key, service.base_url, timeout=_ANSWER_SECONDS) as client:
                return await _sent_through(client, url)

    return [asyncio.run(check())]


async def _sent_through(client: RivyaClient, url: str) -> Check:
    """The check after a test event from the service to the endpoint of a URL."""
    shown = shown_url(url)
    again = "`rivya-flows down`, then `rivya-flows up`; or `rivya-flows webhooks listen --register`"
    unused = None
    if not url.startswith("https://"):  # `up` registers no other with a service
        unused = ok(
            "webhooks",
            "not used: runs poll, and need nothing more; to use them, set RIVYA_FLOWS_PUBLIC_URL to"
            " an https:// address that leads to the receiver, then `rivya-flows down` and `up`",
        )
    try:
        endpoints = (await client.webhooks.list(retry=_ONCE)).data
        named = [one for one in endpoints if one.url == url and one.status != "revoked"]
        if not named and unused:
            return unused
        if not named:
            words = f"no endpoint of the service leads to {shown}: runs poll"
            return warning("webhooks", words, again)
        if named[0].status not in (None, "active"):
            words = f"the service has disabled the endpoint {named[0].id}: runs poll"
            hint = f"rivya-flows webhooks endpoints update {named[0].id} --enable"
            return problem("webhooks", words, hint)
        known = {
            one.id for one in (await client.webhooks.deliveries(named[0].id, retry=_ONCE)).data
        }
        began = time.monotonic()
        await client.webhooks.test(named[0].id, retry=_ONCE)
        error: str | None = "the service did not send it yet"
        while time.monotonic() - began < _ANSWER_SECONDS:
            await asyncio.sleep(_LOOK_SECONDS)
            sent = (await client.webhooks.deliveries(named[0].id, retry=_ONCE)).data
            new = [one for one in sent if one.id not in known]
            if any(one.status == "succeeded" for one in new):
                took = time.monotonic() - began
                return ok("webhooks", f"a test event came to {shown} within {took:.1f} s")
            if tried := [one for one in new if one.error or one.response_status]:
                error = tried[0].error or f"the receiver answered {tried[0].response_status}"
                break
    except APIError as failed:
        return unused or warning("webhooks", f"could not be tried: {failed}", failed.hint or again)
    hint = f"let the proxy or tunnel pass {WEBHOOK_PATH} on to the receiver; else {again}"
    return problem("webhooks", f"a test event did not reach {shown}: {error}; runs poll", hint)


def public_url(settings: Settings) -> Iterator[Check]:
    """Where browsers find media, and whether the receiver answers there."""
    url = settings.rivya_flows_public_url
    if url is None:
        if settings.rivya_flows_webhooks:
            yield problem(
                "public url",
                "RIVYA_FLOWS_WEBHOOKS is on, but RIVYA_FLOWS_PUBLIC_URL is not set",
                "set it to an https:// address that leads to the receiver, then `rivya-flows down` and"
                " `up`, or `rivya-flows webhooks listen --register`",
            )
        else:
            yield ok("public url", "not set; `up` serves media from this machine")
        return
    if answers(f"{url.rstrip('/')}/healthz", timeout_seconds=_ANSWER_SECONDS):
        yield ok("public url", f"the receiver answers at {url}")
    else:
        yield warning(
            "public url",
            f"no receiver answers at {url} from here",
            "start it with `rivya-flows webhooks listen` or `up`, or correct RIVYA_FLOWS_PUBLIC_URL",
        )
