"""The kinds of step: those of this package, and functions and kinds that other distributions register."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rivya_flows.language.workflow import Step
from rivya_flows.steps.chat import Chat
from rivya_flows.steps.connections import Include, Notify, Upload
from rivya_flows.steps.cut import Compose, Layout
from rivya_flows.steps.function import BrokenKindError, Function
from rivya_flows.steps.generate import Generate
from rivya_flows.steps.inspection import Inspect
from rivya_flows.steps.kind import Kind
from rivya_flows.steps.pick import Pick
from rivya_flows.steps.request import FUNCTION
from rivya_flows.steps.review import Review

GROUP = "rivya_flows.steps"

BUILT_IN: Mapping[str, Kind] = {
    kind.uses: kind
    for kind in (
        Upload(), Chat(), Generate(), Inspect(), Pick(), Review(), Compose(), Layout(), Notify(),
        Include(),
    )
}  # fmt: skip
"""The kinds of step of this package."""


def names() -> tuple[str, ...]:
    """All kinds of step, the built-in ones first."""
    return (*BUILT_IN, *(name for name in sorted(_entries()) if name not in BUILT_IN))


def kind_of(uses: Any) -> Kind | None:
    """The kind of step of that name, or None; raises a `BrokenKindError` for one that cannot be a step."""
    if not isinstance(uses, str):
        return None
    # Entry points are read only for kinds that are not built in.
    if (kind := BUILT_IN.get(uses)) is not None:
        return kind
    entry = _entries().get(uses)
    return None if entry is None else _load(uses, entry)


def known_kind(uses: Any) -> Kind | None:
    """As `kind_of`; None for a broken one, which is reported where it is used."""
    try:
        return kind_of(uses)
    except BrokenKindError:
        return None


def kind_of_step(step: Step) -> Kind:
    """The kind of a checked step."""
    kind = kind_of(step.uses)
    assert kind is not None, step.uses
    return kind


def installed_kinds() -> dict[str, Kind]:
    """All kinds of step that can be used, by name."""
    return {name: kind for name in names() if (kind := known_kind(name)) is not None}


def _entries() -> Mapping[str, EntryPoint]:
    """The registered entry points; cached, since reading every distribution takes a while."""
    return _entries_on(tuple(sys.path))


@functools.lru_cache(maxsize=8)
def _entries_on(path: tuple[str, ...]) -> Mapping[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


_ROUTES = {route.name: route for route in (FUNCTION, Chat.route, Generate.route)}


@functools.lru_cache(maxsize=256)
def _load(name: str, entry: EntryPoint) -> Kind:
    try:
        found = entry.load()
    except Exception as error:  # a foreign module can raise anything
        raise BrokenKindError(
            f"{entry.value} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if inspect.isclass(found) and issubclass(found, Kind):
        found = found()
    if not isinstance(found, Kind):
        return Function(name, found)
    if found.uses != name:
        raise BrokenKindError(f"it is registered as {name!r}, and its `uses` is {found.uses!r}")
    if found.credits < 0 or {"status", "credits", "key"} & set(found.outputs):
        raise BrokenKindError("its `credits` are less than 0, or an output has a reserved name")
    by_work = found.route in (None, FUNCTION)
    if by_work and type(found).work is Kind.work:
        raise BrokenKindError("it has no `work`, which makes an item")
    if found.route and (_ROUTES.get(found.route.name, found.route) != found.route):
        raise BrokenKindError(f"its route has the name {found.route.name!r} of another one")
    if found.route and found.route.send is None and not by_work:
        raise BrokenKindError("its route has no `send`, which buys")
    if found.row:
        raise BrokenKindError("it has a `row`, and receipts have no place for one")
    return found
