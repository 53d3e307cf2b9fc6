"""Builds the request of an item from the arguments of its step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.assets import Asset
from rivya_flows.language.expressions.resolve import evaluate
from rivya_flows.language.expressions.values import memory_of
from rivya_flows.language.workflow import Step
from rivya_flows.steps.arguments import Arguments, Stage, World
from rivya_flows.steps.branding import Branding
from rivya_flows.steps.kind import Kind
from rivya_flows.steps.registry import kind_of_step
from rivya_flows.steps.request import (
    MAX_PLAN_BYTES,
    MAX_REQUEST_BYTES,
    ItemRequest,
    ItemRequestError,
    PlanTooLargeError,
)


def build_request(
    step: Step,
    scope: Mapping[str, Any],
    catalogue: Catalogue,
    service: str,
    files: Mapping[str, Asset],
    room: int = MAX_PLAN_BYTES,
    branding: Branding | None = None,
) -> ItemRequest:
    """The request of one item.

    `room` is what is left of `MAX_PLAN_BYTES`; `branding` is what its spec adds.

    Raises:
        UsesNull: An argument is null, from a skipped or failed step.
        ExpressionError: An argument cannot be evaluated.
        ItemRequestError: The evaluated arguments do not fit the model.
    """
    arguments: dict[str, Any] = {}
    size = 0
    for name, value in written_arguments(step).items():
        if value is not None:
            arguments[name] = evaluate(value, scope)
            size += memory_of(arguments[name])
            _refuse_size(name, size, room)
    given = given_of(step, arguments, scope, "complete")
    kind = kind_of_step(step)
    request = examine(kind, given, World(catalogue, service, files, branding or Branding()))
    given.refuse()
    if request is None:
        raise ItemRequestError("the request cannot be made")
    if kind.takes_brand:
        size = 0
        for name, value in request.arguments.items():
            size += memory_of(value)
            _refuse_size(name, size, room)
    return replace(request, size=size)


def examine(kind: Kind, given: Arguments, world: World) -> ItemRequest | None:
    """The request of a kind of step; whatever is wrong is among the problems of `given`."""
    try:
        return kind.request(given, world)
    except ItemRequestError as error:
        given.problem("bad-arguments", str(error), None)
        return None


def given_of(
    step: Step, arguments: Mapping[str, Any], scope: Mapping[str, Any], stage: Stage
) -> Arguments:
    """The arguments of a step, with what its kind evaluates itself."""
    kind = kind_of_step(step)
    own = {name: getattr(step.with_, name) for name in kind.evaluates}
    return Arguments(kind.takes, arguments, stage=stage, written=own, scope=scope)


def alternatives_of(step: Step) -> tuple[Step, ...]:
    """The step as written, then with each `fallback` in place; what one leaves out stays."""
    found = [step]
    for fallback in step.fallback:
        given = {name: value for name, value in fallback if value is not None}
        changed = step.with_.model_copy(update=given)
        found.append(step.model_copy(update={"with_": changed, "fallback": ()}))
    return tuple(found)


def fallback_of(number: int) -> str:
    """How messages begin about an alternative, counted from 1; "" for the request as written."""
    return f"fallback {number}: " if number else ""


def check_kind(model: str | None, media: str, written: str | None) -> None:
    """Checks that an alternative makes the media that the request as written makes, if it is known.

    Raises:
        ItemRequestError: It makes others.
    """
    if written is not None and media != written:
        raise ItemRequestError(f"{model!r} makes {media}, and the step {written}")


def written_arguments(step: Step) -> dict[str, Any]:
    """The arguments of a step; where a brand may fill in what is not written, without defaults.

    Without those that its kind evaluates itself.
    """
    kind = kind_of_step(step)
    return step.with_.model_dump(
        by_alias=True, exclude_unset=kind.takes_brand, exclude=set(kind.evaluates)
    )


def _refuse_size(name: str, size: int, room: int) -> None:
    if size > MAX_REQUEST_BYTES:
        raise ItemRequestError(
            f"{name!r} is too large: the values of one item take more than"
            f" {MAX_REQUEST_BYTES:,} bytes"
        )
    if size > room:
        raise PlanTooLargeError(
            f"{name!r} does not fit: the values of all items of a run may take"
            f" {MAX_PLAN_BYTES:,} bytes; write shorter texts, or fewer items"
        )
