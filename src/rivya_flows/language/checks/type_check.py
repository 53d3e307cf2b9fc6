"""Checks of computed arguments: the kinds that each argument takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.inference import known_shape
from rivya_flows.language.expressions.operations import TEXTS, repair
from rivya_flows.language.expressions.output_types import Kind, Scope, Shape, list_of
from rivya_flows.language.final_cut import CUT_STEPS
from rivya_flows.language.step_functions import function_of
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, shown

FITS: Mapping[tuple[str, str], tuple[Kind, ...]] = {
    ("generate", "prompt"): TEXTS,
    ("chat", "message"): TEXTS,
    ("pick", "question"): TEXTS,
    ("pick", "from"): ("list",),
    ("pick", "mode"): ("text",),
    ("upload", "file"): ("asset", "text"),
    ("compose", "clips"): ("list",),
    ("compose", "video"): ("asset", "text"),
    ("compose", "images"): ("list", "asset", "text"),
    ("compose", "narration"): ("asset", "text"),
    ("compose", "audio"): ("list", "asset", "text"),
    **{("compose", key): ("map",) for key in ("music", "transition", "captions", "end_card")},
    ("compose", "extras"): ("list",),
    ("layout", "image"): ("asset", "text"),
    **{(uses, key): ("list",) for uses in CUT_STEPS for key in ("overlays", "formats")},
    **{(uses, "reframe"): ("text",) for uses in CUT_STEPS},
    ("generate", "references"): ("list", "asset", "text"),
    ("generate", "model"): ("text",),
    ("chat", "model"): ("text",),
    ("chat", "session"): ("text",),
    ("chat", "attachments"): ("list", "asset", "text"),
    ("generate", "params"): ("map",),
    ("notify", "url"): ("text",),
    ("notify", "secret"): ("text",),
}
"""The kinds that a fully computed argument takes."""

_TAKEN: Mapping[Kind, tuple[Kind, ...]] = {
    "asset": ("asset", "text", "map"),
    "list": ("list",),
    "map": ("map", "asset"),
    **dict.fromkeys(TEXTS, TEXTS),
}
"""The kinds that fit an argument of a function: text may be a URL or a number."""

FILE_LISTS = ("references", "images", "audio", "attachments")
"""Arguments that take a list of files."""

_ADDRESSES = {
    "url": ("a URL or the name of a secret", "write the URL, or take it from an input"),
}
_FILES = (
    "an asset, a URL or the id of an upload",
    'write "${{ steps.NAME.asset }}"; words belong in a prompt or a message',
)
"""What arguments take that take no words, and how it is written."""


def check_argument(
    uses: str,
    key: str,
    value: Any,
    shape: Shape,
    scope: Scope,
    path: Path,
    report: DiagnosticCollector,
) -> None:
    """Reports an argument, of a known shape, that its kind of step does not take."""
    members = _members(value, shape, scope)
    _check_fit(uses, key, value, shape, members, path, report)
    if function := function_of(uses):
        _check_taken(key, function.shapes[key], shape, members, path, report)
    if uses == "pick" and key == "from":
        _check_candidates(members, path, report)


def check_session(model: Any, shape: Shape, path: Path, report: DiagnosticCollector) -> None:
    """Reports a text that is no session of a chat, and the session of another model than `model`."""
    of = shape.session_of
    if shape.words and of is None:
        message = "'session' takes the session of a chat, and this text is none"
        hint = 'write "${{ steps.NAME.session_id }}"'
        report.add(path, "wrong-type", message, hint)
    elif of is not None and isinstance(model, str) and of != model and "${{" not in of + model:
        message = f"the session is of {of!r}, and this step asks {shown(model)}"
        hint = f"write `model: {of}`, or leave 'session' out"
        report.add(path, "wrong-value", message, hint)


def check_no_words(key: str, shape: Shape, path: Path, report: DiagnosticCollector) -> None:
    """Reports a text that is no address, where a file or a URL is wanted."""
    held = shape.member if shape.kind == "list" and shape.member is not None else shape
    if held.words:
        takes, hint = _ADDRESSES.get(key, _FILES)
        of = "each of these texts" if held is not shape else "this text"
        report.add(path, "wrong-type", f"{key!r} takes {takes}, and {of} is none of them", hint)


_Members = list[tuple[int | None, Shape]]
"""Shapes of the items of a list, with their indexes if it is a literal."""


def _check_fit(
    uses: str,
    key: str,
    value: Any,
    shape: Shape,
    members: _Members,
    path: Path,
    report: DiagnosticCollector,
) -> None:
    fits = FITS.get((uses, key))
    if not isinstance(value, str) and fits in (TEXTS, ("text",), ("map",)):
        return  # a literal is reported with the other arguments
    if fits and shape.kind not in ("any", *fits):
        message = f"{key!r} takes {any_of(fits)}, but this is {an(shape.kind)}"
        hint = repair(fits, shape)
        if key == "music" and shape.kind == "asset":
            hint = f'write `music: {{audio: "{value}"}}`'
        elif key == "clips" and shape.kind == "asset":
            hint = "write [ ] around it, or use .assets of a step with several items"
        elif isinstance(value, list):
            hint = "remove the [ ] around it"
        report.add(path, "wrong-type", message, hint)
    elif fits and key in FILE_LISTS and shape.kind == "list":
        _check_file_list(key, members, path, report)
    elif fits and ("asset" in fits or key in _ADDRESSES):
        check_no_words(key, shape, path, report)


def _check_file_list(key: str, members: _Members, path: Path, report: DiagnosticCollector) -> None:
    for index, member in members:
        place = path if index is None else (*path, index)
        if member.kind not in ("any", "asset", "text"):
            message = f"{key!r} takes a list of assets, but this is a list of {member.kind} values"
            hint = "use .assets, or .asset of each"
            if member.kind == "list":
                hint = "remove the outer [ ]; `+` joins lists inside one expression"
            report.add(place, "wrong-type", message, hint)
        check_no_words(key, list_of(member) if index is None else member, place, report)


def _check_taken(
    key: str,
    wanted: Shape,
    shape: Shape,
    members: _Members,
    path: Path,
    report: DiagnosticCollector,
) -> None:
    """Reports a computed value that an argument of a function does not take."""
    fits = _TAKEN.get(wanted.kind, ())
    fields = shape.fields if wanted.kind == "asset" and shape.kind == "map" else {}
    lacks = fields is not None and bool(fields) and "sha256" not in fields
    if fits and (lacks or shape.kind not in ("any", *fits)):
        message = f"{key!r} takes {an(wanted.kind)}, but this is {an(shape.kind)}"
        hint = repair((wanted.kind,), shape) or f"give {an(wanted.kind)}"
        report.add(path, "wrong-type", message, hint)
    elif wanted.kind == "asset":
        check_no_words(key, shape, path, report)
    elif wanted.member is not None and wanted.member.kind == "asset":
        _check_file_list(key, members, path, report)


_PICKED = {"asset", "text", "json"}
"""What a candidate has at least one of."""


def _members(value: Any, shape: Shape, scope: Scope) -> _Members:
    if isinstance(value, list):
        return [(index, known_shape(one, scope)) for index, one in enumerate(value)]
    return [(None, shape.member)] if shape.kind == "list" and shape.member is not None else []


def _check_candidates(members: _Members, path: Path, report: DiagnosticCollector) -> None:
    """Reports items that nobody can pick: each needs an asset or a text."""
    for index, shape in members:
        place = path if index is None else (*path, index)
        if (
            shape.kind == "map"
            and shape.fields is not None
            and {"items", "by"} <= shape.fields.keys()
        ):
            message = "'from' takes the items of a step, but this is a whole step"
            report.add(place, "wrong-type", message, 'write from: "${{ steps.NAME.items }}"')
        elif shape.kind == "map" and shape.fields is not None and not _PICKED & shape.fields.keys():
            message = "there is nothing to pick from: these items have no asset and no text"
            hint = "pick from a step that makes images, videos or audio, or from a chat"
            report.add(place, "wrong-type", message, hint)
        elif shape.kind not in ("any", "map"):
            message = f"'from' takes the items of a step, but this is a list of {shape.kind} values"
            hint = "use .items of a step with several items"
            if index is not None:
                message = f"'from' takes the items of a step, but this is {an(shape.kind)}"
                hint = 'write the step without a field: "${{ steps.NAME }}"'
                if shape.kind == "list":
                    hint = "remove the outer [ ]; `+` joins lists inside one expression"
            report.add(place, "wrong-type", message, hint)


def any_of(kinds: tuple[Kind, ...]) -> str:
    return " or ".join(an(kind) for kind in kinds if kind != "number" and kind != "boolean")
