"""Checks of `pick`: who chooses, from what, and what each way to choose needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rivya_flows.catalogue.catalogue import Catalogue, Model
from rivya_flows.catalogue.request_checks import check_chat, check_model
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.checks.catalogue import RequestChecks
from rivya_flows.language.checks.references import check_expressions
from rivya_flows.language.checks.step_arguments import MODES
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.inference import known_shape
from rivya_flows.language.expressions.operations import TEXTS, repair
from rivya_flows.language.expressions.output_types import ANY, TEXT, Scope, Shape, joined, map_of
from rivya_flows.language.expressions.resolve import is_computed, items_named
from rivya_flows.language.expressions.scope import NamesInScope
from rivya_flows.language.expressions.templates import template
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.matrix import LOOPS
from rivya_flows.language.step_arguments import JUDGE_FRAME
from rivya_flows.language.step_groups import written_steps
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, shown

MODES_OF: Mapping[str, tuple[str, ...]] = {
    "by": ("best",),
    "order": ("best",),
    "judge": ("judge", "human"),
    "on_none": ("judge", "human"),
    "question": ("human", "judge"),
    **dict.fromkeys(("none", "timeout", "on_timeout", "sign"), ("human",)),
}
"""The modes in which an argument has an effect; the others have one in all."""

_JUDGE = "`judge: {model: gemini-2-5-flash-chat, criteria: [the product is whole]}`"
_NEEDED = {
    "by": 'add `by: "${{ item.json.score }}"`, a number for each candidate',
    "judge": f"add {_JUDGE}",
}


def idle_keys(mode: Any) -> Collection[str]:
    """The arguments of a `pick` that have no effect in this mode, as written."""
    mode = "first" if mode is None else mode
    if is_computed(mode):
        return ()
    return [key for key, modes in MODES_OF.items() if mode not in modes]


def check_picks(
    data: Mapping[str, Any], names: NamesInScope, catalogue: Catalogue, report: DiagnosticCollector
) -> None:
    """Reports picks whose arguments do not fit each other or what they choose from."""
    for part, step_id, step in written_steps(data):
        arguments = step.get("with")
        if step.get("uses") != "pick" or not isinstance(arguments, dict):
            continue
        path: Path = (part, step_id, "with")
        scope = names.inside(step_id)
        candidates = _candidates(arguments.get("from"), scope)
        _check_media(candidates, (*path, "from"), report)
        idle = _check_keys(arguments, path, report)
        arguments = {key: value for key, value in arguments.items() if key not in idle}
        _check_count(arguments, scope, path, report)
        if arguments.get("by") is not None:
            within = {**scope, "item": joined(candidates)}
            _check_by(arguments["by"], (*path, "by"), within, report)
        if arguments.get("none") is not None or arguments.get("on_none") == "regenerate":
            report.add_inside(path, _not_again(step, arguments, data.get(part)))
        if isinstance(judge := arguments.get("judge"), dict):
            place: Path = (*path, "judge")
            _check_texts(judge, place, scope, report)
            requests = RequestChecks(step, judge, step_id, data, names)
            report.add_inside(place, _unable(arguments, requests, _media(candidates), catalogue))


def _check_media(candidates: Collection[Shape], path: Path, report: DiagnosticCollector) -> None:
    """Reports candidates whose `asset` is no medium: a value of a matrix hides what was made."""
    shapes = [(shape.fields or {}).get("asset", ANY) for shape in candidates]
    if wrong := next((one for one in shapes if one.kind in ("text", "number", "boolean")), None):
        message = f"'asset' of its candidates is {an(wrong.kind)}, not a medium"
        hint = "give the axis or the variable `asset` of that step another name"
        report.add(path, "wrong-type", message, hint)


def _check_keys(
    arguments: Mapping[str, Any], path: Path, report: DiagnosticCollector
) -> Collection[str]:
    """Reports arguments that the mode lacks, or does not have, and returns the latter."""
    # A null is `first` too; earlier versions let it have a question, and their runs go on.
    mode = arguments.get("mode", "first")
    idle = idle_keys(mode) if mode in MODES else ()
    for key in idle:
        if key in arguments:
            message = f"{key!r} has no effect with `mode: {mode}`"
            hint = f"write `mode: {MODES_OF[key][0]}`, or remove it"
            report.add((*path, key), "needless-key", message, hint, key=True)
    by_judge = mode == "judge" or is_computed(mode) or arguments.get("on_timeout") == "judge"
    if "on_none" in arguments and "on_none" not in idle and not by_judge:
        message = "'on_none' has no effect where the judge only proposes"
        hint = "write `none:` for the person, `on_timeout: judge`, or remove it"
        report.add((*path, "on_none"), "needless-key", message, hint, key=True)
        idle = (*idle, "on_none")
    needed = {
        "mode: best": "by",
        "mode: judge": "judge",
        "on_timeout: judge": "judge",
        "on_none: regenerate": "judge",
    }
    for setting, key in needed.items():
        name, _, value = setting.partition(": ")
        if arguments.get(name) == value and name not in idle and arguments.get(key) is None:
            message = f"`{setting}` needs {key!r}"
            report.add((*path, name), "missing-key", message, _NEEDED[key], key=True)
            break
    return idle


def _candidates(written: Any, scope: Scope) -> list[Shape]:
    """The shapes of what a `pick` chooses from: each has a key, which it may get there."""
    listed = [known_shape(one, scope) for one in written] if isinstance(written, list) else []
    return [
        shape
        if shape.kind != "map" or shape.fields is None
        else map_of({"key": TEXT, **shape.fields}, shape.lacks)
        for shape in listed or [known_shape(written, scope).member or ANY]
    ]


def _media(candidates: list[Shape]) -> set[str]:
    """The kinds of media among the candidates, as far as they are known."""
    fields = [one.fields for one in candidates if one.kind == "map" and one.fields is not None]
    return {one["asset"].media or "" for one in fields if "asset" in one} - {""}


def _check_count(
    arguments: Mapping[str, Any], scope: Scope, path: Path, report: DiagnosticCollector
) -> None:
    written, count = arguments.get("from"), arguments.get("count")
    held = len(written) if isinstance(written, list) else known_shape(written, scope).length
    if isinstance(count, int) and held is not None and 0 < held < count <= 20:
        message = f"'count' is {count}, but there are only {held} candidates"
        report.add((*path, "count"), "wrong-candidates", message, f"write at most {held}")


def _check_by(value: Any, path: Path, scope: Scope, report: DiagnosticCollector) -> None:
    shape = check_expressions(value, path, scope, report)
    if not _is_whole(value):
        bare = isinstance(value, str) and value.startswith(("item.", "steps.")) and len(value) < 60
        hint = f'write "${{{{ {value if bare else "item.json.score"} }}}}"'
        message = f"'by' must be one expression that gives a number, not {shown(value)}"
        report.add(path, "wrong-type", message, hint)
    elif shape.kind not in ("any", "number"):
        hint = "name a number of the candidate, such as item.json.score"
        if shape.kind == "text":
            hint = "write `| int` if the text is a number, or `score: number` in `expect`"
        elif shape.kind == "boolean":
            hint = "write `1 if … else 0`"
        message = f"'by' must give a number for each candidate, but this is {an(shape.kind)}"
        report.add(path, "wrong-type", message, hint)


def _is_whole(value: Any) -> bool:
    """Whether a value is one expression; a broken one is reported with the expressions."""
    try:
        return isinstance(value, str) and template(value).whole
    except ExpressionError:
        return True


def _not_again(
    step: Mapping[str, Any], arguments: Mapping[str, Any], steps: Any
) -> Iterator[Diagnostic]:
    """Why the candidates of a pick cannot be bought again."""
    key = "none" if arguments.get("none") is not None else "on_none"
    source = steps.get(items_named(arguments.get("from")))
    loop = next((loop for loop in LOOPS if step.get(loop) is not None), None)
    again = f"{key!r} buys the candidates again"
    if loop is not None:
        message = f"{again}, which a pick with `{loop}` cannot do"
        hint = f"remove `{loop}`, or remove {key!r}"
    elif not isinstance(source, dict) or source.get("uses") != "generate" or not _fans_out(source):
        message = f"{again}, so 'from' must be the items of one `generate` step beside it"
        hint = 'write from: "${{ steps.NAME.items }}", with a step that has matrix, foreach or zip'
    elif not isinstance(source.get("with"), dict) or source["with"].get("prompt") is None:
        message = f"{again} with the note in their prompt, but that step has none"
        hint = "add `prompt:` to that step, or remove this"
    else:
        return
    yield Diagnostic("wrong-candidates", message, hint, path=(key,))


def _fans_out(step: Mapping[str, Any]) -> bool:
    return any(step.get(loop) is not None for loop in LOOPS)


def _check_texts(
    judge: Mapping[str, Any], path: Path, scope: Scope, report: DiagnosticCollector
) -> None:
    """Reports wrong expressions of a judge."""
    criteria = judge.get("criteria")
    written: list[tuple[Path, Any]] = [(("model",), judge.get("model"))]
    for index, one in enumerate(criteria if isinstance(criteria, list) else ()):
        written.append((("criteria", index), one))
    for place, value in written:
        shape = check_expressions(value, (*path, *place), scope, report)
        if is_computed(value) and shape.kind not in ("any", *TEXTS):
            message = f"{place[0]!r} takes text, but this is {an(shape.kind)}"
            report.add((*path, *place), "wrong-type", message, repair(TEXTS, shape))


def _unable(
    arguments: Mapping[str, Any], requests: RequestChecks, media: set[str], catalogue: Catalogue
) -> Iterator[Diagnostic]:
    """Why a judge cannot score candidates of these kinds of media."""
    if unseen := sorted(media - {"image"}):
        message = f"a judge sees pictures and reads texts, but no {unseen[-1]}"
        hint = "judge the stills that they are made from, or let a person pick without `judge`"
        yield Diagnostic("wrong-candidates", message, hint)
    judge = arguments["judge"]
    criteria = judge.get("criteria")
    texts = [arguments.get("question"), *(criteria if isinstance(criteria, list) else ())]
    length = sum(len(one) for one in texts if isinstance(one, str) and not is_computed(one))
    for named in requests.written_values(judge.get("model")):
        if not isinstance(named, str):
            message = f"a model must be an id, not {shown(named)}"
            hint = "write its id, such as gemini-2-5-flash-chat"
            yield Diagnostic("unknown-model", message, hint, path=("model",))
            continue
        wrong = check_model(catalogue, named, "chat")
        for one in wrong:
            hint = "pick a chat model that takes pictures: `rivya-flows models`"
            yield replace(one, hint=hint) if one.code == "wrong-route" else one
        if not wrong and (model := catalogue.get(named)) is not None:
            yield from _too_much(model, length, pictured="image" in media)


def _too_much(model: Model, length: int, *, pictured: bool) -> Iterator[Diagnostic]:
    """What the model of a judge cannot take; `length` is that of the literal texts."""
    if pictured:
        for one in check_chat(model, {"attachments": ["picture"]}):
            message = f"{one.message}, so it cannot judge pictures"
            yield replace(one, message=message, hint="pick another model", path=("model",))
    limit = model.max_prompt_length
    if limit is not None and JUDGE_FRAME + length > limit:
        message = f"question and criteria have {length:,} characters; a message to {model.id!r} has"
        message += f" room for {max(limit - JUDGE_FRAME, 0):,}"
        hint = "shorten them, or pick another model"
        yield Diagnostic("prompt-too-long", message, hint, path=("criteria",))
