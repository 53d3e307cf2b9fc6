"""Builds the request of an item from the arguments of its step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rivya_flows.assets import Asset, as_asset
from rivya_flows.catalogue.catalogue import Catalogue, Model
from rivya_flows.catalogue.prices import Price, price
from rivya_flows.catalogue.request_checks import (
    check_chat,
    check_prompt,
    check_references,
    coerce_params,
)
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.brand import with_words
from rivya_flows.language.canonical import digest
from rivya_flows.language.checks.step_arguments import EFFORTS
from rivya_flows.language.expressions.resolve import evaluate
from rivya_flows.language.expressions.values import as_text, memory_of, type_name
from rivya_flows.language.final_cut import CUT_STEPS
from rivya_flows.language.step_functions import function_of
from rivya_flows.language.wording import shown
from rivya_flows.language.workflow import ChatWith, GenerateWith, PickWith, Step
from rivya_flows.steps.answers import instruction
from rivya_flows.steps.cut import cut_request
from rivya_flows.steps.house import House
from rivya_flows.steps.pick import pick_request
from rivya_flows.steps.request import (
    MAX_PLAN_BYTES,
    MAX_REQUEST_BYTES,
    ItemRequest,
    ItemRequestError,
    Medium,
    PlanTooLargeError,
    check_choice,
    content_hash,
    media_of,
    medium_of,
    model_of,
    named_file,
    priced_by,
    refuse,
)


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
        request = pick_request(step.with_, arguments, scope, catalogue)
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
        check_upload(arguments, catalogue, files)
    if step.uses in CUT_STEPS:
        arguments, request_hash = cut_request(step.uses, arguments, files)
        return ItemRequest(step.uses, arguments, request_hash=request_hash)
    if function := function_of(step.uses):
        found = (function.error_in(name, value) for name, value in arguments.items())
        if troubles := [one for one in found if one]:
            raise ItemRequestError("; ".join(troubles))
        if function.credits:
            own = Price(function.credits, function.credits, "the function's own price")
            asked = digest([step.uses, _by_content(arguments)])
            return ItemRequest(step.uses, arguments, step.uses, price=own, request_hash=asked)
    return ItemRequest(step.uses, arguments)


def _by_content(value: Any) -> Any:
    """The value with the hash of each medium in its place: the same bytes are one medium."""
    if asset := as_asset(value):
        return asset.sha256
    if isinstance(value, Mapping):
        return {name: _by_content(one) for name, one in value.items()}
    return [_by_content(one) for one in value] if isinstance(value, list) else value


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
    uploads = media_of(arguments.get("references"), "image", files, "references")
    refuse(troubles, check_prompt(model, prompt, added), check_media(model, uploads))
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
        priced_by(model, params, prompt),
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
        raise ItemRequestError(f"'web_search' must be true or false, not {shown(search)}")
    refuse(check_prompt(model, full), check_chat(model, arguments))
    told = {k: v for k, v in arguments.items() if k != "attachments"}
    return ItemRequest(
        "chat",
        arguments,
        model.id,
        "",
        uploads,
        price(model, {}, message),
        content_hash(["chat", service, told, [m.source for m in uploads]], uploads),
        priced_by(model, {}, message),
    )


def check_media(model: Model, media: Sequence[Medium]) -> tuple[Diagnostic, ...]:
    return check_references(
        model,
        [medium.media for medium in media],
        [medium.asset.size_bytes if medium.asset else None for medium in media],
        [medium.mime_type for medium in media],
    )


def check_upload(
    arguments: Mapping[str, Any], catalogue: Catalogue, files: Mapping[str, Asset]
) -> None:
    """Checks that an upload has a medium, which the model that it is meant for takes.

    Raises:
        ItemRequestError: It has none, or the model takes no such file.
    """
    medium = medium_of(arguments["file"], "image", files, "file")
    model = catalogue.get(str(arguments.get("model")))
    if model is not None and model.category != "chat":
        refuse(check_media(model, [medium]))


def attached(value: Any, files: Mapping[str, Asset]) -> tuple[Medium, ...]:
    """The attachments of a chat."""
    media = media_of(value, "image", files, "attachments")
    for kind in sorted({medium.media for medium in media} - {"image"}):
        raise ItemRequestError(f"a chat takes images as attachments, not {kind}")
    return media
