"""The request of an item: its evaluated arguments, references and price."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

from rivya_flows.assets import Asset
from rivya_flows.catalogue.catalogue import Catalogue, Model
from rivya_flows.catalogue.prices import Price, price
from rivya_flows.catalogue.request_checks import (
    check_chat,
    check_model,
    check_prompt,
    check_references,
    coerce_params,
)
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.brand import with_words
from rivya_flows.language.checks.step_arguments import EFFORTS, MODES
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, evaluate
from rivya_flows.language.expressions.values import as_text, memory_of, type_name
from rivya_flows.language.final_cut import CUT_STEPS
from rivya_flows.language.matrix import item_keys
from rivya_flows.language.step_functions import function_of
from rivya_flows.language.wording import an, shown
from rivya_flows.language.workflow import ChatWith, GenerateWith, PickWith, Step
from rivya_flows.planning.expansion.branding import House
from rivya_flows.planning.expansion.cut_requests import cut_request
from rivya_flows.planning.expansion.judge_messages import CANDIDATES, judge_message
from rivya_flows.planning.expansion.request_media import (
    ItemRequestError,
    Medium,
    content_hash,
    media_of,
    medium_of,
    named_file,
)
from rivya_flows.planning.names import canonical
from rivya_flows.planning.picking import Candidate, available, is_available
from rivya_flows.planning.structured_output import instruction

MAX_REQUEST_BYTES = 16 << 20
"""Evaluated arguments of one item, in bytes of memory."""

MAX_PLAN_BYTES = 128 << 20
"""Evaluated arguments of all items of a run together, in bytes of memory."""

UploadName = tuple[str, str, str | None]
"""(source, media, model): one upload for each in a run."""


class PlanTooLargeError(ItemRequestError):
    """The evaluated arguments of all items together do not fit `MAX_PLAN_BYTES`."""


@dataclass(frozen=True)
class PricedBy:
    """What the price of a request depends on: equal ones cost the same.

    Attributes:
        model: The model and all parameters that affect the price.
        length: Characters of its text if they are billed, else 0; more never cost less.
    """

    model: str = ""
    length: int = 0


class PriceClass(NamedTuple):
    """Requests of one class cost the same, and are held back by the same.

    Attributes:
        by: What the price depends on.
        min, max: By the catalogue; `max` is None where only the service knows it.
        is_function: A Python function, whose price the service does not decide.
    """

    by: PricedBy
    min: int
    max: int | None
    is_function: bool


@dataclass(frozen=True)
class ItemRequest:
    """What one item does.

    Attributes:
        uses: Kind of the step.
        arguments: All evaluated arguments, as JSON.
        model: Id of the model; None for free work.
        media: What its job makes; "" for chat and free work.
        uploads: References that must be uploaded first.
        price: Of one purchase, by the catalogue.
        priced_by: What that price depends on.
        size: Approximate bytes of memory of its arguments.
        request_hash: Equal for equal requests, whatever URLs their media have; "" if a medium is
            known by its URL alone, whose content may change.
        chats: Of a pick with a judge: the chats still to be had, each as the places of its
            candidates in `from`. `uploads` are those of the first.
    """

    uses: str
    arguments: Mapping[str, Any] = field(hash=False)
    model: str | None = None
    media: str = ""
    uploads: tuple[Medium, ...] = ()
    price: Price = field(default_factory=lambda: Price(0, 0, "free"))
    request_hash: str = ""
    priced_by: PricedBy = field(default_factory=PricedBy)
    size: int = 0
    chats: tuple[tuple[int, ...], ...] = ()

    @property
    def is_function(self) -> bool:
        """Whether it is a Python function with a price."""
        return self.model is not None and self.uses not in ("generate", "chat", "pick")

    @property
    def buys(self) -> bool:
        """Whether something is to be bought for it; a pick is free once its judge has answered."""
        return self.model is not None and (self.uses != "pick" or bool(self.chats))

    def judged(self) -> list[Candidate]:
        """The candidates of the first of `chats`."""
        return [self.arguments["from"][place] for place in self.chats[0]]

    @cached_property
    def price_class(self) -> PriceClass:
        """Its class among requests of one price."""
        return PriceClass(self.priced_by, self.price.min, self.price.max, self.is_function)

    def upload_names(self) -> tuple[UploadName, ...]:
        """Names of its uploads."""
        return tuple((medium.source, medium.media, self.model) for medium in self.uploads)


def build_request(
    step: Step,
    scope: Mapping[str, Any],
    catalogue: Catalogue,
    service: str,
    files: Mapping[str, Asset],
    room: int = MAX_PLAN_BYTES,
    house: House | None = None,
) -> ItemRequest:
    """The request of one item.

    `room` is what is left of `MAX_PLAN_BYTES`; `house` is what its spec adds.

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
    house = house or House()
    if step.uses in CUT_STEPS:
        arguments = house.drawn(arguments)
        size = memory_of(arguments)
        _refuse_size("captions", size, room)
    if isinstance(step.with_, PickWith):
        request = _pick(step.with_, arguments, scope, catalogue)
    else:
        request = _order(step, arguments, catalogue, service, files, house)
    return replace(request, size=size)


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

    Without `by` of a pick, which has a value for each candidate.
    """
    unset = step.uses in CUT_STEPS
    exclude = {"by"} if step.uses == "pick" else None
    return step.with_.model_dump(by_alias=True, exclude_unset=unset, exclude=exclude)


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


def _order(
    step: Step,
    arguments: dict[str, Any],
    catalogue: Catalogue,
    service: str,
    files: Mapping[str, Asset],
    house: House,
) -> ItemRequest:
    if isinstance(step.with_, GenerateWith):
        return _generation(arguments, catalogue, service, files, house)
    if isinstance(step.with_, ChatWith):
        return _chat(arguments, catalogue, service, files)
    if step.uses == "upload":
        if arguments["file"] is None:
            raise ItemRequestError("'file' is nothing; a condition with `if:` skips the step")
        arguments["file"] = named_file(arguments["file"], files)
        medium_of(arguments["file"], "image", files)  # raises on other values
    if step.uses in CUT_STEPS:
        arguments, request_hash = cut_request(step.uses, arguments, files)
        return ItemRequest(step.uses, arguments, request_hash=request_hash)
    if function := function_of(step.uses):
        found = (function.error_in(name, value) for name, value in arguments.items())
        if troubles := [one for one in found if one]:
            raise ItemRequestError("; ".join(troubles))
        if function.credits:
            own = Price(function.credits, function.credits, "the function's own price")
            return ItemRequest(step.uses, arguments, step.uses, price=own)
    return ItemRequest(step.uses, arguments)


def _generation(
    arguments: dict[str, Any],
    catalogue: Catalogue,
    service: str,
    files: Mapping[str, Asset],
    house: House,
) -> ItemRequest:
    model = model_of(arguments["model"], catalogue, "generate")
    given = arguments.get("params") or {}
    if not isinstance(given, Mapping):
        raise ItemRequestError(f"'params' must be a map, not a {type_name(given)}")
    params, troubles = coerce_params(model, given)
    prompt, words = arguments.get("prompt"), house.words_for(model, arguments.pop("brand", True))
    added = 0
    if prompt is not None:
        own = house.noted(model, as_text(prompt))
        prompt = with_words(own, words)
        added = len(prompt) - len(own)
    uploads = media_of(arguments.get("references"), "image", files)
    _refuse(troubles, check_prompt(model, prompt, added), check_media(model, uploads))
    arguments = {**arguments, "params": params, "prompt": prompt}
    identity = [service, model.id, prompt, params, [m.source for m in uploads]]
    return ItemRequest(
        "generate",
        arguments,
        model.id,
        model.category,
        uploads,
        price(model, params, prompt),
        content_hash(["generation", *identity], uploads),
        _priced_by(model, params, prompt),
    )


def _chat(
    arguments: dict[str, Any], catalogue: Catalogue, service: str, files: Mapping[str, Asset]
) -> ItemRequest:
    model = model_of(arguments["model"], catalogue, "chat")
    arguments["message"] = message = as_text(arguments["message"])
    full = message + (instruction(arguments["expect"]) if arguments.get("expect") else "")
    uploads = attached(arguments.get("attachments"), files)
    check_choice("reasoning_effort", arguments.get("reasoning_effort"), EFFORTS)
    if not isinstance(search := arguments.get("web_search"), bool | None):
        raise ItemRequestError(f"'web_search' must be true or false, not {search!r:.60}")
    _refuse(check_prompt(model, full), check_chat(model, arguments))
    told = {k: v for k, v in arguments.items() if k != "attachments"}
    return ItemRequest(
        "chat",
        arguments,
        model.id,
        "",
        uploads,
        price(model, {}, message),
        content_hash(["chat", service, told, [m.source for m in uploads]], uploads),
        _priced_by(model, {}, message),
    )


def _pick(
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
        _refuse(check_seen(model, one))
    return with_chats(request, chats_about(request), catalogue)


def check_seen(model: Model, candidate: Candidate) -> tuple[Diagnostic, ...]:
    """Whether a judge sees a candidate: its picture or its text.

    Raises:
        ItemRequestError: It is a video or a sound.
    """
    if not candidate.get("asset"):
        return ()
    medium = medium_of(candidate["asset"], "image", {})
    if medium.media != "image":
        raise ItemRequestError(
            f"a judge sees pictures and reads texts; candidate {candidate['key']!r:.60} is"
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
        uploads=media_of([one.get("asset") for one in seen], "image", {}),
        price=price(model, {}, message),
        priced_by=_priced_by(model, {}, message),
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
            raise ItemRequestError(f"'by' of candidate {one['key']!r:.60}: {error}") from error
        number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        if value is not None and (isinstance(value, bool) or not number):
            raise ItemRequestError(
                f"'by' of candidate {one['key']!r:.60} must be a number, not {shown(value)}"
            )
        values[str(one["key"])] = value
    return values


def _priced_by(model: Model, params: Mapping[str, Any], prompt: str | None) -> PricedBy:
    bearing = {param.key: params.get(param.key) for param in model.params if param.bears_price}
    counted = model.billing_type not in ("FIXED", "TOKEN_BASED")
    return PricedBy(canonical([model.id, bearing]), len(prompt or "") if counted else 0)


def model_of(named: Any, catalogue: Catalogue, route: Literal["generate", "chat"]) -> Model:
    model = catalogue.get(named) if isinstance(named, str) else None
    if model is None:
        raise ItemRequestError(f"unknown model {named!r}")
    _refuse(check_model(catalogue, model.id, route))
    return model


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value is not None and value not in choices:
        raise ItemRequestError(f"{name!r} cannot be {value!r:.60}; there are: {', '.join(choices)}")


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
            medium_of(asset, "image", {})  # raises on other values
    keys = item_keys(written, [one.get("key", i) for i, one in enumerate(written)])
    return [{**one, "key": key} for one, key in zip(written, keys, strict=True)]


def _refuse(*found: Sequence[Diagnostic]) -> None:
    messages = [one.message for diagnostics in found for one in diagnostics]
    if messages:
        raise ItemRequestError("; ".join(dict.fromkeys(messages)))


def check_media(model: Model, media: Sequence[Medium]) -> tuple[Diagnostic, ...]:
    return check_references(
        model,
        [medium.media for medium in media],
        [medium.asset.size_bytes if medium.asset else None for medium in media],
        [medium.mime_type for medium in media],
    )


def attached(value: Any, files: Mapping[str, Asset]) -> tuple[Medium, ...]:
    """The attachments of a chat."""
    media = media_of(value, "image", files)
    for kind in sorted({medium.media for medium in media} - {"image"}):
        raise ItemRequestError(f"a chat takes images as attachments, not {kind}")
    return media
