"""Brings what is on the Prefect server of this process to what is desired, and sends only what differs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Generic, TypeVar

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import PrefectHTTPStatusError

from rivya_flows.errors import UsageError
from rivya_flows.flows.server.environment import health_problem, password_hint
from rivya_flows.store.shared_store_checks import shown_url

There = TypeVar("There")
Desired = TypeVar("Desired")


@dataclass(frozen=True)
class Resource(Generic[Desired, There]):
    """How one kind of thing is compared and changed on a server."""

    is_equal: Callable[[There, Desired], bool]
    is_active: Callable[[There], bool]
    create: Callable[[Desired], Awaitable[object]]
    update: Callable[[There, Desired], Awaitable[object]]
    switch_off: Callable[[There], Awaitable[object]]
    remove: Callable[[There], Awaitable[object]]


async def sync(
    desired: Mapping[str, Desired],
    there: Mapping[str, There],
    of: Resource[Desired, There],
    *,
    prune: bool = False,
    dry: bool = False,
) -> dict[str, str]:
    """Makes and changes things, and removes or switches off the others that are there; says what it did by name."""
    done: dict[str, str] = {}
    calls: list[Callable[[], Awaitable[object]]] = []
    for name, new in desired.items():
        old = there.get(name)
        if old is None:
            done[name] = "made"
            calls.append(partial(of.create, new))
        elif of.is_equal(old, new):
            done[name] = "unchanged"
        else:
            done[name] = "changed"
            calls.append(partial(of.update, old, new))
    for name, old in there.items():
        if name not in desired and (prune or of.is_active(old)):
            done[name] = "removed" if prune else "switched off"
            calls.append(partial(of.remove if prune else of.switch_off, old))
    for call in calls if not dry else ():
        await call()
    return done


@asynccontextmanager
async def connected(otherwise: str = "") -> AsyncIterator[PrefectClient]:
    """A client of the server; `UsageError`, whose hint ends so, if that does not answer or refuses a request."""
    with refusals("prefect"):
        async with get_client() as client:
            problem = await health_problem(client)
            if problem is None:
                try:
                    await (
                        client.api_version()
                    )  # its health asks for no password, and any page may answer
                except Exception as error:
                    problem = error
            if problem:
                url = shown_url(str(client.api_url).rstrip("/"))
                answer = getattr(problem, "response", None)
                if answer is None:
                    hint = (
                        f"start it, or set PREFECT_API_URL, which ends in /api, to one{otherwise}"
                    )
                    raise UsageError(f"no Prefect server answers at {url}", hint) from problem
                words, status = f"{url} answers with HTTP", answer.status_code
                raise UsageError(f"{words} {status}", password_hint(status) + otherwise)
            yield client


@contextmanager
def refusals(what: str, hint: str | None = None) -> Iterator[None]:
    """Turns the refusal of a server into a `UsageError`; `hint` is for one of what is asked, and not of who asks."""
    try:
        yield
    except PrefectHTTPStatusError as error:
        status, detail = error.response.status_code, ""
        with suppress(ValueError, AttributeError):
            body = error.response.json()
            detail = body.get("detail") or body.get("exception_detail") or ""
        of_caller = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        raise UsageError(
            f"{what}: request refused: HTTP {status}" + (f": {detail!s:.500}" if detail else ""),
            password_hint(status) if of_caller or hint is None or status >= 500 else hint,
        ) from error
