"""Checks of the literal parts of requests against the catalogue.

The plan checks computed parts, at the latest before the purchase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from rivya_flows.catalogue.catalogue import Catalogue, Model
from rivya_flows.catalogue.request_checks import (
    check_chat,
    check_model,
    check_prompt,
    check_references,
    coerce_params,
    of_brand,
)
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.brand import with_words
from rivya_flows.language.checks.final_cut import wrong_kind
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.inference import is_bare, known_shape
from rivya_flows.language.expressions.output_types import Shape, field_of
from rivya_flows.language.expressions.resolve import Reference, as_reference, is_computed
from rivya_flows.language.expressions.scope import NamesInScope
from rivya_flows.language.expressions.templates import Template, template
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.final_cut import CUT_STEPS, CutMedium, media_in
from rivya_flows.language.step_groups import written_steps
from rivya_flows.language.syntax import media_references
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, shown

_MAX_VALUES = 50


def check_requests(
    data: Mapping[str, Any],
    names: NamesInScope,
    catalogue: Catalogue,
    folder: FilePath | None,
    report: DiagnosticCollector,
) -> None:
    """Reports models, parameters, prompts, references and files that the service would refuse.

    Files are not checked where the folder of the spec is None.
    """
    for part, step_id, step in written_steps(data):
        arguments = step.get("with")
        if not isinstance(arguments, dict):
            continue
        if report.dropped:
            return
        checks = RequestChecks(step, arguments, step_id, data, names)
        for one in checks.found(catalogue, folder):
            place = (part, step_id, "with", *one.path)
            key = one.code == "unknown-param"
            hint = one.hint or "`rivya-flows models ID` shows what a model takes"
            report.add(place, one.code, one.message, hint, key=key, instead=one.instead)


class RequestChecks:
    """The checks of one request of a step, whose arguments may be those of a fallback."""

    def __init__(
        self,
        step: Mapping[str, Any],
        arguments: Mapping[str, Any],
        step_id: str,
        data: Mapping[str, Any],
        names: NamesInScope,
    ) -> None:
        self._step, self._arguments, self._data = step, arguments, data
        self._scope = names.inside(step_id)
        self._brand = None if arguments.get("brand") is False else names.brand

    def found(self, catalogue: Catalogue, folder: FilePath | None) -> Iterator[Diagnostic]:
        """The mistakes, with paths from `with`."""
        uses = self._step.get("uses")
        for path, value, kinds in self._written_files(str(uses)):
            yield from self._file(value, path, kinds, folder)
        if uses == "upload":
            yield from self._upload(catalogue)
        if uses not in ("chat", "generate"):
            return
        asked = self._arguments.get("model")
        listed = [asked] if isinstance(asked, dict | list) else self.written_values(asked)
        for model_id in listed:
            if isinstance(asked, str) and isinstance(model_id, dict | list):
                continue  # reported with the references
            if not isinstance(model_id, str):
                message = f"a model must be an id, not {shown(model_id)}"
                hint = "write its id, such as z-image"
                yield Diagnostic("unknown-model", message, hint, path=("model",))
                continue
            wrong = check_model(catalogue, model_id, "chat" if uses == "chat" else "generate")
            yield from wrong
            model = catalogue.get(model_id)
            if wrong or model is None:
                continue
            yield from self._prompt(model, "message" if uses == "chat" else "prompt")
            if uses == "chat":
                yield from self._chat(model)
            else:
                yield from self._params(model)
                yield from self._references(model)

    def _upload(self, catalogue: Catalogue) -> Iterator[Diagnostic]:
        """Whether the model that a file is meant for exists, and takes such files."""
        model_id, kind = self._arguments.get("model"), self._arguments.get("kind")
        if not isinstance(model_id, str) or is_computed(model_id):
            return  # reported with the other arguments
        model = catalogue.get(model_id)
        if model is None:
            yield from check_model(catalogue, model_id, "generate")
            return
        kinds = [kind] if kind in _KINDS else self._kinds(self._arguments.get("file")) or ()
        for one in kinds if model.category != "chat" else ():
            if one is not None and (model.references is None or one not in model.references.kinds):
                message = f"{model_id!r} takes no {one} files"
                hint = "name the model that gets the file, or leave 'model' out"
                yield Diagnostic("references-refused", message, hint, path=("model",))

    def _prompt(self, model: Model, key: str) -> Iterator[Diagnostic]:
        written = self._arguments.get(key)
        words = self._brand.words_for(model) if self._brand else ""
        if written is None:
            # The model of the step reports a missing message.
            yield from check_prompt(model, None) if key == "prompt" else ()
        elif isinstance(written, str) and "${{" not in written:
            whole = with_words(written, words)
            yield from check_prompt(model, whole, len(whole) - len(written))
        elif isinstance(written, str):
            limit = model.max_prompt_length
            parts = _parsed(written)
            literal = (
                sum(len(part) for part in parts.parts if isinstance(part, str)) if parts else 0
            )
            if limit is not None and literal + len(words) > limit:
                message = f"the {key} has over {literal + len(words):,} characters; {model.id!r}"
                message += f" takes at most {limit:,}{of_brand(len(words))}"
                hint = "shorten it, or pick another model"
                yield Diagnostic("prompt-too-long", message, hint, path=(key,))

    def _params(self, model: Model) -> Iterator[Diagnostic]:
        params = self._arguments.get("params")
        params = {} if params is None else params
        if not isinstance(params, dict):
            return
        computed = [key for key, value in params.items() if is_computed(value)]
        yield from coerce_params(model, params, unknown=computed)[1]
        for key in computed:
            param, shape = model.param(key), known_shape(params[key], self._scope)
            if param and param.type in _SINGLE and shape.kind in ("asset", "list", "map"):
                message = f"{key!r} must be a single value, but this is {an(shape.kind)}"
                hint = "pick one item with [0], or name one of its fields"
                yield Diagnostic("bad-param", message, hint, path=("params", key))
                continue
            # One value of several may be wrong in the same way.
            found = {
                one.message: one
                for value in self.written_values(params[key])
                for one in coerce_params(model, {key: value})[1]
                if one.path == ("params", key) and model.param(key) is not None
            }
            yield from found.values()

    def _references(self, model: Model) -> Iterator[Diagnostic]:
        written = self._arguments.get("references")
        kinds = self._kinds(written)
        if kinds is None:
            if model.references is None and written is not None:
                yield from check_references(model, ["image"])
            elif isinstance(written, str) and (media := self._listed_media(written)) is not None:
                for one in check_references(model, [media]):
                    yield replace(one, path=one.path[:1])
            return
        if all(kind is not None for kind in kinds):
            yield from check_references(model, [str(kind) for kind in kinds])
            return
        for index, kind in enumerate(kinds):
            for one in check_references(model, [kind]) if kind is not None else ():
                yield replace(one, path=(one.path[0], index)) if len(one.path) > 1 else one
        for one in check_references(model, [kind or _likely(model) for kind in kinds]):
            if one.code in ("too-many-references", "references-refused"):
                yield one

    def _chat(self, model: Model) -> Iterator[Diagnostic]:
        wanted = {k: v for k, v in self._arguments.items() if self._is_surely_given(v)}
        yield from check_chat(model, wanted)
        for index, kind in enumerate(self._kinds(self._arguments.get("attachments")) or ()):
            if kind not in (None, "image"):
                yield _no_image(("attachments", index), str(kind))
        written = self._arguments.get("attachments")
        media = self._listed_media(written) if isinstance(written, str) else None
        if media not in (None, "image"):
            yield _no_image(("attachments",), str(media))

    def _written_files(self, uses: str) -> Iterator[CutMedium]:
        """The files that the step names, each with the kinds of media that it may be."""
        if uses in CUT_STEPS:
            yield from media_in(self._arguments)
        key = _FILES.get(uses, "")
        if (written := self._arguments.get(key)) is None:
            return
        kinds: tuple[str, ...] = ("image",) if key == "attachments" else ()
        if key == "file" and self._arguments.get("kind") in _KINDS:
            kinds = (self._arguments["kind"],)  # the model of the step reports any other
        if not isinstance(written, list):
            yield CutMedium((key,), written, kinds)
            return
        for index, value in enumerate(written):
            yield CutMedium((key, index), value, kinds)

    def _file(
        self, value: Any, path: Path, kinds: tuple[str, ...], folder: FilePath | None
    ) -> Iterator[Diagnostic]:
        """Whether a literal file exists, and is of one of the kinds, if there are any."""
        if is_computed(value):
            return
        if not isinstance(value, str):
            message = f"a file must be a path or a URL, not {shown(value)}"
            yield Diagnostic(
                "wrong-type", message, "write a path such as photos/logo.png", path=path
            )
            return
        if is_bare(value, self._scope):
            return  # reported with the references
        found = media_references.kind_of(value)
        if len(kinds) > 1 and found is not None and found not in kinds:
            yield wrong_kind(path, found, kinds)
            return
        kind = kinds[0] if len(kinds) == 1 else None
        try:
            if folder is None and not media_references.is_url(value):
                media_references.check_kind(value, kind, required=False)
                return
            media_references.resolve(value, kind=kind, root=folder, inside=True)
        except ValueError as error:
            hint = "paths are relative to the folder of the spec"
            yield Diagnostic("bad-file", str(error), hint, path=path)

    def _kinds(self, written: Any) -> list[str | None] | None:
        """The kind of each reference file, None if unknown; None if their number is unknown."""
        if written is None:
            return []
        members = written if isinstance(written, list) else [written]
        kinds: list[str | None] = []
        for value in members:
            if not isinstance(value, str):
                kinds.append(None)
                continue
            if "${{" not in value:
                kinds.append(media_references.kind_of(value))
                continue
            shape = self._shape(value)
            if shape is None or shape.kind not in ("asset", "text"):
                return None
            kinds.append(shape.media)
        return kinds

    def _is_surely_given(self, value: Any) -> bool:
        """Whether it has a value in every run: a literal, or a plain reference to media."""
        if isinstance(value, list):
            return any(map(self._is_surely_given, value))
        if not is_computed(value):
            return value is not None
        shape = self._shape(value) if isinstance(value, str) else None
        return shape is not None and shape.kind in ("asset", "list")

    def _listed_media(self, value: str) -> str | None:
        """The kind of media in a computed list, if known."""
        shape = self._shape(value)
        return shape.member.media if shape and shape.kind == "list" and shape.member else None

    def _shape(self, value: str) -> Shape | None:
        reference = _reference(value)
        shape = self._scope.get(reference.namespace) if reference else None
        for step in reference.path if reference else ():
            shape = field_of(shape, step) if shape else None
        return shape

    def written_values(self, value: Any) -> list[Any]:
        """The literal values that an argument can have."""
        if not is_computed(value):
            return [value] if value is not None else []
        reference = _reference(value)
        if reference is None or len(reference.path) != 1:
            return []
        name, held = reference.path[0], self._step.get(reference.namespace)
        found: list[Any] = []
        if reference.namespace in ("matrix", "zip") and isinstance(held, dict):
            values = held.get(name)
            found = list(values) if isinstance(values, list) else []
            added = held.get("include")
            for rule in added if isinstance(added, list) else ():
                if isinstance(rule, dict) and name in rule:
                    found.append(rule[name])
        elif reference.namespace == "inputs":
            declared = _map(_map(self._data.get("inputs")).get(name))
            values = declared.get("values") if declared.get("type") == "enum" else None
            default = declared.get("default")
            found = list(values) if isinstance(values, list) else [default]
        plain = [one for one in found if one is not None and not is_computed(one)]
        return plain[:_MAX_VALUES]


_FILES: Mapping[str, str] = {"upload": "file", "chat": "attachments", "generate": "references"}
_KINDS = ("image", "video", "audio")
_SINGLE = ("select", "number", "text")
"""Types of parameters whose values are single ones."""


def _parsed(value: Any) -> Template | None:
    """The parts of a text; None for another value, and for a broken expression."""
    try:
        return template(value) if isinstance(value, str) else None
    except ExpressionError:
        return None


def _reference(value: Any) -> Reference | None:
    """The reference, if the value is one expression with nothing else in it."""
    parts = _parsed(value)
    return as_reference(parts.expressions[0].tree) if parts and parts.whole else None


def _no_image(path: tuple[str | int, ...], kind: str) -> Diagnostic:
    message = f"a chat takes images as attachments, not {kind}"
    return Diagnostic("references-refused", message, "remove it, or use a still image", path=path)


def _likely(model: Model) -> str:
    return model.references.kinds[0] if model.references and model.references.kinds else "image"


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
