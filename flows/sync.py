"""Brings what is on a Prefect server to what is desired, and sends only what differs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

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
