"""`pick`: chooses one of several items, by a person, a judge, a number or the order."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.expressions.inference import TEXTS
from rivya_flows.language.expressions.output_types import (
    ANY,
    PROSE,
    TEXT,
    Shape,
    Unknown,
    asset,
    list_of,
    map_of,
    merge_shapes,
)
from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    UsesNull,
    evaluate,
    is_computed,
    is_whole,
    items_named,
)
from rivya_flows.language.expressions.values import type_name
from rivya_flows.language.field_types import Count, Flag, Seconds, SpecModel, Takes, Value
from rivya_flows.language.matrix import OwnKey, item_keys
from rivya_flows.language.wording import an, preview
from rivya_flows.steps.arguments import Arguments, World, member_shapes, written_shape
from rivya_flows.steps.candidates import Candidate, Order, available, question_of
from rivya_flows.steps.chat import Chat
from rivya_flows.steps.generate import Generate
from rivya_flows.steps.judge import JudgeWith, chats_about, judge_of, unseen, with_chats
from rivya_flows.steps.kind import UNPAID, Kind, Names, Surroundings, WrittenStep, given_fields
from rivya_flows.steps.request import Decider, ItemRequest, ItemRequestError, medium_of


class Mode(NamedTuple):
    """Who chooses, and by what.

    Attributes:
        decides: Who chooses.
        needs: An argument without which it cannot; `by` gives each candidate a number.
        chosen: What a receipt calls what a rule picked.
        manner: How a rule picked, as a receipt says it.
    """

    decides: Decider
    needs: str | None = None
    chosen: str = ""
    manner: str = ""


MODES: Mapping[str, Mode] = {
    "human": Mode("person"),
    "first": Mode("rule", chosen="the first one", manner="as the first"),
    "best": Mode("rule", needs="by", chosen="the best value", manner="by value"),
    "judge": Mode("judge", needs="judge"),
}


class NoneWith(SpecModel):
    """What happens when a person picks none of the candidates, or none reaches `least` of the judge.

    Attributes:
        rounds: How often the step that `from` names is bought again, with a person's note.
    """

    rounds: Annotated[Count, Field(ge=1, le=5)] = 1


class PickWith(SpecModel):
    """What `pick` takes.

    Attributes:
        from_: The items to choose from: `${{ steps.NAME.items }}`.
        mode: `first` takes the first finished item, `human` asks, `best` compares `by`, `judge` asks
            a chat model; an expression may give one of them.
        by: Of `best`: a number for each candidate, which is `item` in the expression.
        order: Of `best`: whether the greatest number wins, or the least.
        judge: The chat model that scores the candidates; with `human`, its scores are a proposal.
        count: How many to pick.
        none: Lets a person or a judge pick none of them: they are bought again.
        question: The question to the person or the judge.
        timeout: How long the question stays open, in seconds or such as `48h`.
        on_timeout: What happens when no one answers.
        sign: Whether the person who answers in a form must give a name.
    """

    from_: Annotated[Value, Takes(("list",), hint='write "${{ steps.NAME.items }}"')] = Field(
        alias="from"
    )
    mode: Annotated[Value, Takes(("text",), choices=tuple(MODES))] = "first"
    by: Annotated[Value, Takes(is_examined=True)] = None
    order: Order = "max"
    judge: JudgeWith | None = None
    count: Annotated[Count, Field(ge=1, le=20)] = 1
    none: NoneWith | None = None
    question: Annotated[Value, Takes(TEXTS)] = None
    timeout: Seconds | None = None
    on_timeout: Literal["first", "judge", "fail"] = "fail"
    sign: Flag = False

    @property
    def rounds(self) -> int:
        """How often the candidates may be bought again."""
        return 0 if self.none is None else self.none.rounds


MODES_OF: Mapping[str, tuple[str, ...]] = {
    "by": ("best",),
    "order": ("best",),
    "judge": ("judge", "human"),
    "none": ("human", "judge"),
    "question": ("human", "judge"),
    **dict.fromkeys(("timeout", "on_timeout", "sign"), ("human",)),
}
"""The modes in which an argument has an effect; the others have one in all."""

_JUDGE = "`judge: {model: gemini-2-5-flash-chat, criteria: [the product is whole]}`"
_NEEDED = {
    "by": 'add `by: "${{ item.json.score }}"`, a number for each candidate',
    "judge": f"add {_JUDGE}",
}


class Pick(Kind):
    uses = "pick"
    says = "Chooses one of several items."
    takes = PickWith
    outputs = ("asset", "key", "item", "items", "assets")
    idle = ("retry", *UNPAID)
    reads = ("from",)
    evaluates = ("by",)
    route = Chat.route
    passes_on = True
    row = ("choice",)
    is_quick = True
    brackets = ("{{", "}}")

    def request(self, given: Arguments, world: World) -> ItemRequest | None:
        named, candidates = given.get("mode"), given.get("from")
        mode = mode_of(named)
        has_judge = "judge" not in idle_keys(named) if mode else given.is_written
        judge = given.get("judge") if has_judge else None
        model = None
        if isinstance(judge, Mapping):
            shapes = _candidate_shapes(candidates)
            media = {kind for shape in shapes for kind in _media_kinds(shape)}
            model = judge_of(given, world, judge, media)
        needed = mode.needs if mode and not given.is_written else None
        if needed and {**given.values, **given.written}.get(needed) is None:
            message = f"`mode: {named}` needs {needed!r}"
            given.problem("missing-key", message, _NEEDED[needed], "mode")
        made = candidates.made if isinstance(candidates, Unknown) else None
        count = given.get("count")
        if made and isinstance(count, int) and made.most < count:
            message = f"{count} must be picked, and {made.step} makes {made.most}"
            given.problem("wrong-candidates", message, None, "count")
        if not given.is_complete or given.problems:
            return None
        mode = mode or MODES["first"]
        arguments = {**_in_use(given), "from": _candidates(candidates)}
        if mode.needs == "by":
            arguments["values"] = _values(given, arguments["from"])
        request = ItemRequest(self.uses, arguments, decides=mode.decides)
        if model is None:
            return request
        for one in available(arguments["from"]):
            given.report(unseen(model, one, request.pick.frames))
        request = replace(request, model=model.id)
        return with_chats(request, chats_about(request), world.catalogue)

    def sent_arguments(self, given: Arguments, world: World) -> Mapping[str, Any]:
        return question_of(_in_use(given))

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        picked = _with_medium(names.member(arguments.get("from")))
        known = picked.fields if picked.kind == "map" else None
        fields: dict[str, Shape] = {}
        lacks: dict[str, str] = {}
        if known is None or "asset" in known:
            chosen = asset() if known is None else known["asset"]
            fields |= {"asset": chosen, "assets": list_of(chosen)}
        else:
            lacks["asset"] = lacks["assets"] = "these items have no asset: use .item"
        fields |= {"key": PROSE, "item": picked, "items": list_of(picked)}
        return given_fields(fields, lacks)

    def check(
        self, given: Arguments, step: WrittenStep, around: Surroundings
    ) -> Iterator[Diagnostic]:
        arguments = step.arguments or {}
        candidates = _candidate_shapes(given.get("from"))
        yield from _candidate_problems(given.get("from"), candidates)
        found = list(_key_problems(arguments))
        yield from found
        idle = {str(one.path[0]) for one in found if one.code == "needless-key"}
        count, listed = given.get("count"), given.get("from")
        held = len(listed) if isinstance(listed, list) else written_shape(listed).length
        if isinstance(count, int) and held is not None and 0 < held < count <= 20:
            message = f"'count' is {count}, but there are only {held} candidates"
            yield Diagnostic("wrong-candidates", message, f"write at most {held}", path=("count",))
        by = arguments.get("by")
        if by is not None and "by" not in idle:
            shape = around.infer(by, ("by",), {"item": merge_shapes(candidates)})
            yield from _by_problems(by, shape)
        if "none" not in idle and arguments.get("none") is not None:
            source = around.siblings.get(items_named(arguments.get("from")) or "")
            yield from _not_again(step, source)

    def idle_defaults(self, own: Mapping[str, Any], defaults: Mapping[str, Any]) -> Collection[str]:
        mode = own.get("mode")
        return idle_keys(defaults.get("mode") if mode is None else mode)

    def idle_hint(self, key: str) -> str:
        return "set it in `with`, where it limits the question" if key == "timeout" else "remove it"


def mode_of(named: Any) -> Mode | None:
    """The mode of that name; None if it is not known, or there is no such mode."""
    return MODES.get(named) if isinstance(named, str) else None


def _in_use(given: Arguments) -> dict[str, Any]:
    """The arguments, without a judge that the mode does not ask: `request` has not examined it."""
    mode = given.get("mode")
    asks = isinstance(mode, Unknown) or "judge" not in idle_keys(mode)
    return {name: one for name, one in given.values.items() if name != "judge" or asks}


def idle_keys(mode: Any) -> Collection[str]:
    """The arguments that have no effect in this mode, as written."""
    mode = "first" if mode is None else mode
    if is_computed(mode):
        return ()
    return [key for key, modes in MODES_OF.items() if mode not in modes]


def _key_problems(arguments: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Arguments that the mode lacks, or does not have."""
    mode = arguments.get("mode", "first")
    known = mode_of(mode)
    idle = idle_keys(mode) if known else ()
    for key in idle:
        if key in arguments:
            message = f"{key!r} has no effect with `mode: {mode}`"
            hint = f"write `mode: {MODES_OF[key][0]}`, or remove it"
            yield Diagnostic("needless-key", message, hint, path=(key,), at_key=True)
    needed = {
        **{f"mode: {name}": one.needs for name, one in MODES.items() if one.needs},
        "on_timeout: judge": "judge",
    }
    for setting, key in needed.items():
        name, _, value = setting.partition(": ")
        if arguments.get(name) == value and name not in idle and arguments.get(key) is None:
            message = f"`{setting}` needs {key!r}"
            yield Diagnostic("missing-key", message, _NEEDED[key], path=(name,), at_key=True)
            break


def _candidate_shapes(written: Any) -> list[Shape]:
    """The shapes of what is chosen from: each has a key, which it may get there."""
    shapes = [_with_medium(shape) for _, shape in member_shapes(written)] or [ANY]
    return [
        shape
        if shape.kind != "map" or shape.fields is None
        else map_of({"key": TEXT, **shape.fields}, shape.lacks)
        for shape in shapes
    ]


def _media_kinds(shape: Shape) -> tuple[str, ...]:
    """The kinds of medium that a candidate may be; "" is one that is not known."""
    if shape.fields is None:
        return ("",)
    made = shape.fields.get("asset")
    return () if made is None else made.either or (made.media or "",)


def _with_medium(shape: Shape) -> Shape:
    """An item of an included spec has the one medium among its outputs as its asset."""
    fields = shape.fields or {}
    outputs = fields.get("outputs", ANY).fields or {}
    media = [one for one in outputs.values() if _may_have_media(one)]
    if len(media) != 1 or media[0].kind != "asset" or "assets" not in fields:
        return shape
    return map_of({"asset": media[0], **fields}, shape.lacks)


def _may_have_media(shape: Shape) -> bool:
    if shape.kind in ("any", "asset"):
        return True
    parts = [*(shape.fields or {}).values(), *([shape.member] if shape.member else [])]
    is_known = shape.kind in TEXTS or shape.fields is not None or shape.member is not None
    return not is_known or any(map(_may_have_media, parts))


_PICKED = {"asset", "text", "json"}
"""What a candidate has at least one of."""


def _candidate_problems(written: Any, candidates: list[Shape]) -> Iterator[Diagnostic]:
    """Items that cannot be picked: each needs an asset or a text."""
    if written_shape(written).kind not in ("any", "list"):
        return
    for index, shape in member_shapes(written):
        path = ("from",) if index is None else ("from", index)
        shape = _with_medium(shape)
        fields = shape.fields if shape.kind == "map" else None
        is_step = fields is not None and {"items", "by"} <= fields.keys()
        if is_step or shape.kind not in ("any", "map"):
            found = "a whole step" if is_step else an(shape.kind)
            message = f"'from' takes the items of a step, and one of these is {found}"
            hint = (
                'write "${{ steps.NAME.items }}", or ["${{ steps.NAME }}"] of steps with one item'
            )
        elif fields is None or _PICKED & fields.keys():
            continue
        else:
            message = "there is nothing to pick from: these items have no asset and no text"
            hint = "pick from a step that makes images, videos or audio, or from a chat"
            if "outputs" in fields:
                message = (
                    "their spec must have just one output that is a medium, to be picked by it"
                )
                hint = """name it: [{key: a, asset: "${{ steps.NAME.by['a'].outputs.NAME }}"}]"""
                hint += ", or leave one in the outputs of their spec"
        yield Diagnostic("wrong-type", message, hint, path=path)
    # A value of a matrix hides what was made.
    hidden = [(shape.fields or {}).get("asset", ANY) for shape in candidates]
    if wrong := next((one for one in hidden if one.kind in ("text", "number", "boolean")), None):
        message = f"'asset' of its candidates is {an(wrong.kind)}, not a medium"
        hint = "give the axis or the variable `asset` of that step another name"
        yield Diagnostic("wrong-type", message, hint, path=("from",))


def _by_problems(value: Any, shape: Shape) -> Iterator[Diagnostic]:
    if not is_whole(value):
        bare = isinstance(value, str) and value.startswith(("item.", "steps.")) and len(value) < 60
        hint = f'write "${{{{ {value if bare else "item.json.score"} }}}}"'
        message = f"'by' must be one expression that gives a number, not {preview(value)}"
    elif shape.kind not in ("any", "number"):
        hint = "name a number, such as item.json.score; `| int` makes one of a text, `1 if … else 0` of"
        hint += " a condition"
        message = f"'by' must give a number for each candidate, but this is {an(shape.kind)}"
    else:
        return
    yield Diagnostic("wrong-type", message, hint, path=("by",))


def _not_again(step: WrittenStep, source: WrittenStep | None) -> Iterator[Diagnostic]:
    """Why the candidates of a pick, which a step makes, cannot be bought again."""
    loop = next(iter(step.loops), None)
    again = "'none' buys the candidates again"
    if loop is not None:
        message = f"{again}, which a pick with `{loop}` cannot do"
        hint = f"remove `{loop}`, or remove 'none'"
    elif source is None or not source.loops or not isinstance(source.kind, Generate):
        message = f"{again}, so 'from' must be the items of one `generate` step beside it"
        hint = 'write from: "${{ steps.NAME.items }}", with a step that has matrix, foreach or zip'
    elif (source.arguments or {}).get("prompt") is None:
        message = f"{again} with the note in their prompt, but that step has none"
        hint = "add `prompt:` to that step, or remove this"
    else:
        return
    yield Diagnostic("wrong-candidates", message, hint, path=("none",))


def _values(given: Arguments, candidates: Sequence[Candidate]) -> dict[str, float | None]:
    """What `by` says of each candidate that can be picked; None if it is not eligible."""
    values: dict[str, float | None] = {}
    for one in available(candidates):
        try:
            value = evaluate(given.written.get("by"), {**given.scope, "item": one})
        except UsesNull:
            value = None
        except ExpressionError as error:
            raise ItemRequestError(f"'by' of candidate {preview(one['key'])}: {error}") from error
        number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        if value is not None and (isinstance(value, bool) or not number):
            raise ItemRequestError(
                f"'by' of candidate {preview(one['key'])} must be a number, not {preview(value)}"
            )
        values[str(one["key"])] = value
    return values


def _candidates(written: Any) -> Any:
    """The candidates of a pick, each with a unique key: a list that an expression built may hold
    items without a key, or the same item twice.
    """
    if not isinstance(written, list):
        raise ItemRequestError(f"'from' must be a list of items, not a {type_name(written)}")
    found = list[Mapping[str, Any]]()
    for one in written:
        if not isinstance(one, Mapping):
            raise ItemRequestError(f"'from' takes items with an `asset`, not a {type_name(one)}")
        media = one.get("assets") if "outputs" in one else None
        one = {"asset": media[0], **one} if isinstance(media, list) and len(media) == 1 else one
        found.append(one)
        if asset := one.get("asset"):
            if not isinstance(asset, Mapping):
                raise ItemRequestError(f"a candidate's `asset` must not be a {type_name(asset)}")
            medium_of(asset, "image", {}, "from")  # raises on other values
    keys = item_keys(found, [one.get("key", i) for i, one in enumerate(found)])
    return [{**one, "key": OwnKey(key.text)} for one, key in zip(found, keys, strict=True)]
