"""Checks of `doctor --live`: what the real service says otherwise than this version expects."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from rivya_flows.app.doctor.checks import Check, ok, problem, warning
from rivya_flows.catalogue.catalogue import Catalogue
from rivya_flows.catalogue.differences import PARAM_FIELDS, ModelDifference, differences
from rivya_flows.catalogue.snapshot import from_wire, shipped
from rivya_flows.client.client import RivyaClient
from rivya_flows.client.retries import RetryPolicy
from rivya_flows.client.types import ModelEntry
from rivya_flows.errors import APIError
from rivya_flows.settings import Settings

_ONCE = RetryPolicy(attempts=1)
_ANSWER_SECONDS = 10.0  # for a long list
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

_OTHERS = (
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


def contract(
    settings: Settings, with_key: Callable[[Settings], Awaitable[Settings]]
) -> Iterable[Check]:
    """Reads models, balance and OpenAPI document of the service, and compares; costs nothing.

    Args:
        settings: With a key or without.
        with_key: Adds a key from elsewhere, if there is one.
    """

    async def checks() -> list[Check]:
        found = await with_key(settings)
        if found.rivya_api_key is None:
            hint = (
                "set RIVYA_API_KEY, or write it into .env; docs/going-live.md says where it is made"
            )
            return [problem("live", "there is no key of the service to try", hint)]
        key = found.rivya_api_key.get_secret_value()
        async with RivyaClient(key, found.rivya_base_url, timeout=_ANSWER_SECONDS) as client:
            return [check async for check in _compared(client)]

    return asyncio.run(checks())


async def _compared(client: RivyaClient) -> AsyncIterator[Check]:
    try:
        listed = await client.models.list(retry=_ONCE)
        for check in model_checks(listed.payload, shipped()):
            yield check
    except APIError as error:
        yield problem("models", str(error), error.hint or _REPORT)
    with contextlib.suppress(APIError):  # the check of the service tells it
        credits = await client.credits.retrieve(retry=_ONCE)
        if names := ", ".join(sorted(credits.model_extra)):
            yield ok("fields", f"new in the answer about credits: {names}")
    try:
        for check in route_checks(await client.openapi(retry=_ONCE)):
            yield check
    except APIError as error:
        yield problem("routes", f"the OpenAPI document: {error}", error.hint or _REPORT)


def model_checks(payload: Mapping[str, Any], ours: Catalogue) -> Iterator[Check]:
    """The list of models of a service against the shipped catalogue."""
    theirs = from_wire(payload, date="", source="live")
    if not theirs.models:
        yield problem("models", "no readable model is in the service's list", _REPORT)
        return
    found = [*differences(theirs, ours)]
    new, changed, gone = (
        [one for one in found if one.kind == kind] for kind in ("new", "changed", "gone")
    )
    counts = f"{len(new)} new, {len(changed)} changed, {len(gone)} gone"
    yield ok(
        "models", f"{len(theirs.models)}; since the shipped catalogue of {ours.date}: {counts}"
    )
    yield from (ok("model", f"{one.model}: new ({one.words})") for one in new)
    yield from (warning("model", _told(one), _LIVE_LIST) for one in (*changed, *gone))
    yield from _unknown_fields(payload)


def _told(one: ModelDifference) -> str:
    return f"{one.model}: gone; {one.words}" if one.kind == "gone" else f"{one.model}: {one.words}"


def _unknown_fields(payload: Mapping[str, Any]) -> Iterator[Check]:
    entries = [one for one in payload.get("data") or () if isinstance(one, Mapping)]
    names = {str(key) for entry in entries for key in entry}
    if new := ", ".join(sorted(names - ModelEntry.model_fields.keys())):
        yield ok("fields", f"new in a model: {new}")
    if lost := ", ".join(sorted(ModelEntry.model_fields.keys() - names)):
        yield warning("fields", f"in no model any more: {lost}", _REPORT)
    params = [param for entry in entries for param in _list(entry.get("params"))]
    readable = [
        one for one in params if isinstance(one, Mapping) and isinstance(one.get("key"), str)
    ]
    if new := ", ".join(sorted({str(key) for one in readable for key in one} - PARAM_FIELDS)):
        yield ok("fields", f"new in a parameter: {new}")
    if others := len(params) - len(readable):
        words = (
            f"{others} of {len(params)} parameters of models have another form and are not checked"
        )
        yield warning("fields", words, _REPORT)


def route_checks(document: Mapping[str, Any]) -> Iterator[Check]:
    """The routes of an OpenAPI document against those that this version calls."""
    routes = _routes(document.get("paths"))
    if not routes:
        yield problem("routes", "the OpenAPI document names no route that can be read", _REPORT)
        return
    if missing := [one for one in _OF_RUNS if one not in routes]:
        yield problem("routes", f"missing: {', '.join(missing)}", _REPORT)
    if missing := [one for one in _OTHERS if one not in routes]:
        yield warning("routes", f"missing: {', '.join(missing)}", _REPORT)
    new = sorted(routes - {*_OF_RUNS, *_OTHERS})
    more = f"; new: {', '.join(new)}" if new else ""
    version = document.get("openapi") or "of an unknown version"
    yield ok("routes", f"{len(routes)} in the OpenAPI {version} document{more}")


def _routes(paths: Any) -> set[str]:
    """``GET /generations/{}`` and so on: without the prefix, and whatever a parameter is called."""
    return {
        f"{method.upper()} {re.sub(r'{[^/]*}', '{}', str(path).removeprefix(_PREFIX))}"
        for path, operations in (paths.items() if isinstance(paths, Mapping) else ())
        if isinstance(operations, Mapping)
        for method in operations
        if method in _METHODS
    }


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
