"""Checks partly known arguments: models, parameters, lengths, media."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rivya_flows.assets import Asset
from rivya_flows.catalogue.catalogue import Model
from rivya_flows.catalogue.request_checks import check_chat, check_prompt, coerce_params, of_brand
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.brand import with_words
from rivya_flows.language.checks.step_arguments import EFFORTS, MODES
from rivya_flows.language.expressions.values import Later, as_text
from rivya_flows.language.final_cut import CUT_STEPS
from rivya_flows.language.step_functions import function_of
from rivya_flows.language.workflow import GenerateWith, PickWith
from rivya_flows.planning.expansion.build_requests import attached, check_media, check_upload
from rivya_flows.planning.expansion.partial_evaluation import has_later, members
from rivya_flows.planning.plan import PlannedStep, candidates_step
from rivya_flows.planning.preflight.fan_out_validation import least_media
from rivya_flows.planning.queue.state import State, item_range
from rivya_flows.steps.answers import instruction
from rivya_flows.steps.cut import cut_mistakes
from rivya_flows.steps.judge import judge_message
from rivya_flows.steps.request import check_choice, media_of, model_of


def request_problems(
    state: State, planned: PlannedStep, arguments: dict[str, Any]
) -> Iterator[str]:
    """What is wrong with the arguments of an item.

    Raises:
        ItemRequestError, ExpressionError: An argument is invalid.
    """
    step, catalogue, files = planned.step, state.plan.catalogue, state.plan.files_of(planned)
    house = state.plan.house_of(planned)
    if step.uses in CUT_STEPS:
        arguments = house.drawn(arguments)
    known = {name: value for name, value in arguments.items() if not has_later(value)}
    if step.uses == "generate" and "model" in known:
        model = model_of(known["model"], catalogue, "generate")
        words = house.words_for(model, arguments.get("brand", True))
        yield from (one.sentence for one in _generation(model, arguments, files, words))
        yield from _too_many_references(model, least_media(state.plan, planned, "references"))
    elif step.uses == "chat" and "model" in known:
        model = model_of(known["model"], catalogue, "chat")
        yield from (one.sentence for one in _chat(model, arguments, known, files))
    elif step.uses == "pick":
        check_choice("mode", known.get("mode"), MODES)
        yield from _too_few(state, planned)
        yield from _judge(state, planned, arguments, known.get("mode"))
    elif step.uses in CUT_STEPS:
        yield from cut_mistakes(step.uses, arguments, files)
    elif step.uses == "upload" and known.get("file") is not None:
        check_upload(known, catalogue, files)  # raises
    elif function := function_of(step.uses):
        yield from filter(None, (function.error_in(name, one) for name, one in known.items()))


def _too_many_references(model: Model, count: int) -> Iterator[str]:
    limit = model.references.max_files if model.references else None
    if limit is not None and count > limit:
        yield f"{count} reference files; {model.id!r} takes {limit}"


def _generation(
    model: Model, arguments: Mapping[str, Any], files: Mapping[str, Asset], words: str
) -> Iterator[Diagnostic]:
    yield from _prompt(model, arguments.get("prompt"), words=words)
    params = arguments.get("params")
    if isinstance(params, Mapping):
        later = [key for key, value in params.items() if has_later(value)]
        yield from coerce_params(model, params, unknown=later)[1]
    # More files will follow; a problem with these stays one.
    media = media_of(members(arguments.get("references")), "image", files, "references")
    yield from check_media(model, media)


def _chat(
    model: Model, arguments: Mapping[str, Any], known: Mapping[str, Any], files: Mapping[str, Asset]
) -> Iterator[Diagnostic]:
    check_choice("reasoning_effort", known.get("reasoning_effort"), EFFORTS)
    message, expect = arguments.get("message"), arguments.get("expect")
    added = len(instruction(expect)) if expect and not has_later(expect) else 0
    yield from _prompt(model, message, added)
    yield from check_chat(model, known)
    attached(members(arguments.get("attachments")), files)


def _too_few(state: State, planned: PlannedStep) -> Iterator[str]:
    """Whether fewer items are made than a pick takes."""
    name, with_ = candidates_step(planned), planned.step.with_
    if name is not None and isinstance(with_, PickWith):
        most = item_range(state, name)[1]
        if most < with_.count:
            yield f"{with_.count} are to be picked, and {name} makes {most}"


def _judge(
    state: State, planned: PlannedStep, arguments: Mapping[str, Any], mode: Any
) -> Iterator[str]:
    """What is wrong with the judge of a pick, which is asked before a person is."""
    judge = arguments.get("judge")
    if judge is None or mode not in ("judge", "human"):
        return
    if not has_later([arguments.get("question"), judge["criteria"]]):
        judge_message(arguments, (), None)  # raises if there is no room for candidates
    if has_later(judge["model"]):
        return
    model, made = model_of(judge["model"], state.plan.catalogue, "chat"), _made_by(state, planned)
    if made in ("video", "audio"):
        yield f"a judge sees pictures and reads texts, and its candidates are {made}"
    elif made == "image":
        yield from (one.sentence for one in check_chat(model, {"attachments": [made]}))


def _made_by(state: State, planned: PlannedStep) -> str | None:
    """The kind of media that the candidates of a pick have; None if that is known during the run."""
    name = candidates_step(planned)
    with_ = None if name is None else state.spec(name).with_
    if not isinstance(with_, GenerateWith) or not isinstance(with_.model, str):
        return None
    model = state.plan.catalogue.get(with_.model)
    return None if model is None else model.category


def _prompt(model: Model, written: Any, added: int = 0, words: str = "") -> Iterator[Diagnostic]:
    if not isinstance(written, Later):
        text = None if written is None else as_text(written) + " " * added
        whole = None if text is None else with_words(text, words)
        yield from check_prompt(model, whole, len(whole or "") - len(text or ""))
        return
    least, limit = written.least + added + len(words), model.max_prompt_length
    if limit is not None and least > limit:
        name = "message" if model.category == "chat" else "prompt"
        message = f"the {name} has at least {least:,} characters; {model.id!r} takes {limit:,}"
        message += of_brand(len(words))
        yield Diagnostic("prompt-too-long", message, path=(name,))
