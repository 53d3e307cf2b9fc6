"""The request of a `pick`: its candidates, their values, and the chats of its judge."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rivya_flows.catalogue.catalogue import Catalogue, Model
from rivya_flows.catalogue.prices import price
from rivya_flows.catalogue.request_checks import check_chat
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.checks.step_arguments import MODES
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, evaluate
from rivya_flows.language.expressions.values import type_name
from rivya_flows.language.matrix import OwnKey, item_keys
from rivya_flows.language.wording import an, shown
from rivya_flows.language.workflow import PickWith
from rivya_flows.steps.candidates import Candidate, available, is_available
from rivya_flows.steps.judge import CANDIDATES, judge_message
from rivya_flows.steps.request import (
    ItemRequest,
    ItemRequestError,
    check_choice,
    media_of,
    medium_of,
    model_of,
    priced_by,
    refuse,
)


def pick_request(
    with_: PickWith,
    arguments: dict[str, Any],
    scope: Mapping[str, Any],
    catalogue: Catalogue,
) -> ItemRequest:
    mode, judge = arguments.get("mode"), arguments.get("judge")
    check_choice("mode", mode, MODES)
    arguments["from"] = _candidates(arguments["from"])
    if mode == "best":
        arguments["values"] = _values(with_.by, arguments["from"], scope)
    if mode == "judge" and judge is None:
        raise ItemRequestError("`mode: judge` needs `judge:`, which names a model and criteria")
    if judge is None or mode not in ("judge", "human"):
        return ItemRequest("pick", arguments)
    model = model_of(judge["model"], catalogue, "chat")
    request = ItemRequest("pick", arguments, model.id)
    judge_message(arguments, (), model.max_prompt_length)  # raises if it does not fit
    for one in available(arguments["from"]):
        refuse(check_seen(model, one))
    return with_chats(request, chats_about(request), catalogue)


def check_seen(model: Model, candidate: Candidate) -> tuple[Diagnostic, ...]:
    """Whether a judge sees a candidate: its picture or its text.

    Raises:
        ItemRequestError: It is a video or a sound.
    """
    if not candidate.get("asset"):
        return ()
    medium = medium_of(candidate["asset"], "image", {}, "from")
    if medium.media != "image":
        raise ItemRequestError(
            f"a judge sees pictures and reads texts; candidate {shown(candidate['key'])} is"
            f" {an(medium.media)}"
        )
    return check_chat(model, {"attachments": [candidate["asset"]]})


def chats_about(
    request: ItemRequest, judged: Container[str] = frozenset()
) -> tuple[tuple[int, ...], ...]:
    """The chats about the candidates of a pick, apart from those with these keys."""
    left = [
        place
        for place, one in enumerate(request.arguments["from"])
        if is_available(one) and one["key"] not in judged
    ]
    return tuple(tuple(left[at : at + CANDIDATES]) for at in range(0, len(left), CANDIDATES))


def with_chats(
    request: ItemRequest, chats: tuple[tuple[int, ...], ...], catalogue: Catalogue
) -> ItemRequest:
    """The request of a pick whose judge still has to be asked in these chats."""
    request = replace(request, chats=chats, uploads=())
    if not chats:
        return request
    model = catalogue.models[request.model or ""]
    seen = request.judged()
    message = judge_message(request.arguments, seen, model.max_prompt_length)
    return replace(
        request,
        uploads=media_of([one.get("asset") for one in seen], "image", {}, "from"),
        price=price(model, {}, message),
        priced_by=priced_by(model, {}, message),
    )


def _values(
    by: Any, candidates: Sequence[Candidate], scope: Mapping[str, Any]
) -> dict[str, float | None]:
    """What `by` says of each candidate that can be picked; None if it is not eligible.

    Raises:
        ItemRequestError: It is not a number.
    """
    if by is None:
        raise ItemRequestError("`mode: best` needs `by:`, a number for each candidate")
    values: dict[str, float | None] = {}
    for one in available(candidates):
        try:
            value = evaluate(by, {**scope, "item": one})
        except UsesNull:
            value = None
        except ExpressionError as error:
            raise ItemRequestError(f"'by' of candidate {shown(one['key'])}: {error}") from error
        number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        if value is not None and (isinstance(value, bool) or not number):
            raise ItemRequestError(
                f"'by' of candidate {shown(one['key'])} must be a number, not {shown(value)}"
            )
        values[str(one["key"])] = value
    return values


def _candidates(written: Any) -> Any:
    """The candidates of a pick, each with a unique key: a list that an expression built may hold
    items without a key, or the same item twice.
    """
    if not isinstance(written, list):
        raise ItemRequestError(f"'from' must be a list of items, not a {type_name(written)}")
    for one in written:
        if not isinstance(one, Mapping):
            raise ItemRequestError(
                f"'from' takes items, each with an `asset`, not a {type_name(one)}"
            )
        if asset := one.get("asset"):
            if not isinstance(asset, Mapping):
                raise ItemRequestError(f"a candidate's `asset` must not be a {type_name(asset)}")
            medium_of(asset, "image", {}, "from")  # raises on other values
    keys = item_keys(written, [one.get("key", i) for i, one in enumerate(written)])
    return [{**one, "key": OwnKey(key.text)} for one, key in zip(written, keys, strict=True)]
