"""The arguments of one item, as far as they are known, and the mistakes in them.

The same rules read them at `check`, where expressions are `Unknown`, at `plan` and in the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rivya_client.catalogue.catalogue import Catalogue, Model
from rivya_flows.assets import Asset
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.expressions.inference import TEXTS, repair
from rivya_flows.language.expressions.output_types import (
    ANY,
    Kind,
    Shape,
    Unknown,
    list_of,
    of_data,
)
from rivya_flows.language.expressions.values import ExpressionError, as_text
from rivya_flows.language.field_errors import CHAT, EXAMPLES, wrong_choice, wrong_type
from rivya_flows.language.field_types import SpecModel, Takes, fields_of
from rivya_flows.language.request_checks import check_model, check_reference_files
from rivya_flows.language.syntax.media_references import kind_of
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, preview
from rivya_flows.steps.branding import Branding
from rivya_flows.steps.request import ItemRequestError, Medium, medium_of

Stage = Literal["written", "planned", "complete"]


@dataclass(frozen=True)
class World:
    """What a request is made in; `service` names the seller, `files` are by path from the folder of the spec."""

    catalogue: Catalogue
    service: str = ""
    files: Mapping[str, Asset] = field(default_factory=dict)
    branding: Branding = field(default_factory=Branding)


@dataclass(frozen=True)
class ArgumentMedia:
    """The media of an argument, as far as they are known.

    Attributes:
        kinds: Of each medium; None if it is not known.
        is_whole: Whether each is one medium for certain, and there are no others.
        each: The kind of every medium of a list whose length is not known; None if there is none.
        least: How many such a list has at least.
    """

    media: tuple[Medium, ...] = ()
    kinds: tuple[str | None, ...] = ()
    is_whole: bool = True
    each: str | None = None
    least: int = 0


class Arguments:
    """The arguments of an item.

    Attributes:
        values: By name, without those that are null.
        written: Arguments that the kind of step evaluates itself, as written.
        scope: What these may read.
        problems: The mistakes found so far, with paths below `with`.
        stage: ``written``: an expression may give a number where a text is wanted, an author may not.
            ``planned``: what inputs decide is known. ``complete``: a request is made.
    """

    def __init__(
        self,
        takes: type[SpecModel],
        values: Mapping[str, Any],
        *,
        stage: Stage,
        written: Mapping[str, Any] | None = None,
        scope: Mapping[str, Any] | None = None,
    ) -> None:
        self.values = {name: one for name, one in values.items() if one is not None}
        self.written, self.scope = written or {}, scope or {}
        self.problems: list[Diagnostic] = []
        self.is_written, self.is_complete = stage == "written", stage == "complete"
        for name, one in fields_of(takes).items():
            if one.takes is not None and name in self.values:
                self.report(_misfits(name, self.values[name], one.takes, self.is_written))

    def get(self, name: str) -> Any:
        """A value; None if it is not given."""
        return self.values.get(name)

    def report(self, found: Iterable[Diagnostic]) -> None:
        self.problems += found

    def problem(self, code: str, message: str, hint: str | None, *path: str | int) -> None:
        """Adds a mistake at a place below `with`."""
        self.problems.append(Diagnostic(code, message, hint, path=path))

    def refuse(self) -> None:
        """Raises an `ItemRequestError` with all mistakes, if there are any."""
        if self.problems:
            raise ItemRequestError("; ".join(dict.fromkeys(one.sentence for one in self.problems)))

    def text(self, name: str) -> str | Unknown | None:
        """A text; a number or a flag as text."""
        value = self.values.get(name)
        if value is None or isinstance(value, str | Unknown):
            return value
        return as_text(value) if isinstance(value, int | float) else None  # reported

    def models(self, catalogue: Catalogue, uses: str, at: tuple[str, ...] = ()) -> list[Model]:
        """The models that `model` may name, in a map at a place below `with`; others are reported."""
        found: list[Model] = []
        holder: Any = self.values
        for key in at:
            holder = holder[key]
        named = holder.get("model")
        for one in named.possible if isinstance(named, Unknown) else (named,):
            if isinstance(one, str):
                wrong = check_model(catalogue, one, uses)
                for refused in wrong:
                    hint = refused.hint
                    if at and refused.code == "wrong-route":  # another kind of step is no remedy
                        hint = f"name a {uses} model: `rivya-flows models`"
                    self.report([replace(refused, hint=hint, path=(*at, *refused.path))])
                found += () if wrong else (catalogue.models[one],)
            elif one is not None and not (
                isinstance(named, Unknown) and isinstance(one, dict | list)
            ):
                message = f"a model must be an id, not {preview(one)}"
                hint = f"write its id, such as {CHAT if uses == 'chat' else EXAMPLES['model']}"
                self.problem("unknown-model", message, hint, *at, "model")
        return found

    def media(self, name: str, files: Mapping[str, Asset]) -> ArgumentMedia:
        """The media of an argument that takes one, or a list of them."""
        value = self.values.get(name)
        if value is None:
            return ArgumentMedia()
        if isinstance(value, Unknown):
            shape, least = value.shape, value.made.least if value.made else 0
            if value.is_name and shape.kind in ("asset", "text"):
                return ArgumentMedia(kinds=(shape.media,))
            is_known = (value.is_name or value.made) and shape.kind == "list"
            each = shape.member.media if is_known and shape.member else None
            return ArgumentMedia(is_whole=False, each=each, least=least)
        members = value if isinstance(value, list) else [value]
        media: list[Medium] = []
        kinds: list[str | None] = []
        is_whole = True
        for one in members:
            if one is None:
                kinds += [None] if self.is_written else []
            elif isinstance(one, Unknown):
                is_whole = is_whole and one.is_name and one.shape.kind in ("asset", "text")
                kinds.append(one.shape.media)
            elif self.is_written:  # files are looked at beside the spec
                kinds.append(kind_of(one) if isinstance(one, str) else None)
            else:
                try:
                    media.append(medium_of(one, "image", files, name))
                except ItemRequestError as error:
                    self.problem("wrong-type", str(error), None, name)
                    continue
                kinds.append(media[-1].media)
        return ArgumentMedia(tuple(media), tuple(kinds), is_whole)


def reference_problems(
    model: Model, given: ArgumentMedia, *, is_given: bool
) -> Iterator[Diagnostic]:
    """What is wrong with reference media for a model."""
    if given.is_whole:
        sizes = [one.asset.size_bytes if one.asset else None for one in given.media]
        types = [one.mime_type for one in given.media]
        if len(given.media) < len(given.kinds):
            sizes, types = [], []
        yield from check_reference_files(model, given.kinds, sizes, types)
    elif given.each is not None or given.least:
        kinds = [given.each, *[None] * (given.least - 1)]
        for one in check_reference_files(model, kinds, is_whole=not given.least):
            yield replace(one, path=one.path[:1])
    elif is_given and model.references is None:
        yield from check_reference_files(model, ["image"])
    elif given.kinds:
        yield from check_reference_files(model, given.kinds, is_whole=False)


def is_certain(value: Any) -> bool:
    """Whether an argument has a value in every run: a literal, or the name of media."""
    if isinstance(value, list):
        return any(map(is_certain, value))
    if isinstance(value, Unknown):
        return value.is_name and value.shape.kind in ("asset", "list")
    return value is not None


def written_shape(value: Any) -> Shape:
    """The shape of an argument: of an expression, or of a list with expressions in it."""
    if isinstance(value, Unknown):
        return value.shape
    if isinstance(value, list):
        return list_of(written_shape(value[0])) if value else Shape("list")
    return ANY


def member_shapes(value: Any) -> list[tuple[int | None, Shape]]:
    """The shapes of the members of a list, with their places where they are written out."""
    if isinstance(value, list):
        return [
            (index, one.shape if isinstance(one, Unknown) else of_data(one))
            for index, one in enumerate(value)
        ]
    shape = written_shape(value)
    return [(None, shape.member)] if shape.kind == "list" and shape.member is not None else []


def any_of(kinds: Sequence[Kind]) -> str:
    """``an asset or text``: without kinds that are written as text too."""
    if kinds == ("number", "text"):
        return "a duration"
    written = [an(kind) for kind in kinds if kind not in ("number", "boolean")]
    return " or ".join(written) or ("true or false" if "boolean" in kinds else "a number")


def _misfits(name: str, value: Any, takes: Takes, is_written: bool) -> Iterator[Diagnostic]:
    """What is wrong with the type of an argument."""
    named = value.possible if isinstance(value, Unknown) else (value,)
    for one in named if takes.choices else ():
        is_other = isinstance(value, Unknown) and isinstance(one, list | dict)
        if one not in takes.choices and not is_other:
            yield wrong_choice((name,), one, takes.choices)
    if not takes.is_examined and not isinstance(value, Unknown):
        yield from _wrong_literal(name, value, takes, is_written)
    is_list = is_written and isinstance(value, list) and not takes.is_examined
    if isinstance(value, Unknown) or is_list:
        yield from shape_problems(name, value, takes)


def _wrong_literal(name: str, value: Any, takes: Takes, is_written: bool) -> Iterator[Diagnostic]:
    wanted = None
    if takes.kinds in (TEXTS, ("text",)) and not takes.choices:
        if is_written and not isinstance(value, str):
            wanted = "string_type"
        elif isinstance(value, dict | list):
            try:
                as_text(value)
            except ExpressionError as error:
                yield Diagnostic("wrong-type", f"{name!r}: {error}", error.hint, path=(name,))
    elif takes.kinds == ("boolean",) and not isinstance(value, bool):
        wanted = "bool_type"
    elif takes.kinds == ("map",) and not isinstance(value, Mapping):
        wanted = "dict_type"
    elif is_written and takes.kinds[:1] == ("list",) and takes.hint and not isinstance(value, list):
        wanted = None if takes.is_file and isinstance(value, str) else "tuple_type"
    if wanted:
        yield wrong_type((name,), wanted, value, takes.hint)


def wrong_shape(
    path: Path, shape: Shape, takes: tuple[Kind, ...], hint: str | None = None
) -> Diagnostic:
    """Reports a computed value of a kind that its place does not take."""
    wanted = any_of(takes)
    message = f"{place_name(path)!r} takes {wanted}, but this is {an(shape.kind)}"
    hint = hint or repair(takes, shape) or f"give {wanted}"
    return Diagnostic("wrong-type", message, hint, path=path)


def place_name(path: Path) -> str:
    """The key that a value is written under, also in a list."""
    return next(step for step in reversed(path) if isinstance(step, str))


def shape_problems(name: str, value: Any, takes: Takes) -> Iterator[Diagnostic]:
    """What is wrong with the shape of a computed argument."""
    shape, fits = written_shape(value), takes.kinds
    if isinstance(value, list) and fits in (TEXTS, ("text",), ("map",)):
        return  # a literal is reported as one
    if fits and shape.kind not in ("any", *fits):
        hint = takes.instead.get(shape.kind) or repair(fits, shape)
        if isinstance(value, list) and (len(value) == 1 or "list" not in takes.instead):
            hint = "remove the [ ] around it"
        elif isinstance(value, Unknown) and hint:
            hint = hint.replace("VALUE", value.written)
        yield wrong_shape((name,), shape, fits, hint)
    elif takes.is_file and "list" in fits and shape.kind == "list":
        yield from file_list_problems(name, value)
    elif takes.is_file or takes.address:
        yield from word_problems(name, shape, (name,), takes.address)


def file_list_problems(name: str, value: Any) -> Iterator[Diagnostic]:
    """What is wrong with the members of a list of files."""
    for index, member in member_shapes(value):
        path: Path = (name,) if index is None else (name, index)
        if member.kind not in ("any", "asset", "text"):
            message = f"{name!r} takes a list of assets, but this is a list of {member.kind} values"
            hint = "use .assets, or .asset of each"
            if member.kind == "list":
                hint = "remove the outer [ ]; `+` joins lists inside one expression"
            yield Diagnostic("wrong-type", message, hint, path=path)
        yield from word_problems(name, list_of(member) if index is None else member, path)


_FILE = (
    "an asset, a URL or the id of an upload",
    'write "${{ steps.NAME.asset }}"; words belong in a prompt or a message',
)
"""What an argument takes that takes no words, and how it is written."""


def word_problems(
    name: str, shape: Shape, path: Path, address: tuple[str, str] | None = None
) -> Iterator[Diagnostic]:
    """Whether a text that is no address stands where a file or a URL is wanted."""
    held = shape.member if shape.kind == "list" and shape.member is not None else shape
    if held.is_prose:
        takes, hint = address or _FILE
        of = "each of these texts" if held is not shape else "this text"
        message = f"{name!r} takes {takes}, and {of} is none of them"
        yield Diagnostic("wrong-type", message, hint, path=path)
