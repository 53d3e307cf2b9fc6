"""What to say of a value that does not fit its model: pydantic's errors in the words of the language.

People who know another tool write other names of keys and choices, and units: these are known too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pydantic_core import ErrorDetails

from rivya_cut.durations import DURATION_FORMS, DurationError
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.diagnostic_report import DiagnosticCollector, suggest
from rivya_flows.language.expressions.values import slug
from rivya_flows.language.field_types import keys_of
from rivya_flows.language.final_cut import part_at
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import cut, preview
from rivya_flows.language.workflow import PARTS, Resources
from rivya_flows.similar_names import certain

_WANTED = {
    "string_type": ("text", "put it in quotes"),
    "int_type": ("a whole number", "write the number without quotes"),
    "float_type": ("a number", "write the number without quotes"),
    "bool_type": ("true or false", "write true or false"),
    "tuple_type": ("a list", "write [first, second], or one `- ` line for each item"),
    "dict_type": ("a map", "write `key: value` lines below it"),
    "model_type": ("a map", "write `key: value` lines below it"),
}
MAPS = {
    "steps": "write `NAME:` and its keys below it, without a dash",
    "outputs": "write `NAME: ${{ steps.NAME.asset }}`, without a dash",
    "inputs": "write `NAME: string`, without a dash",
    "budget": "write `budget: {credits: 60}`",
    "retry": "write `retry: {attempts: 3}`",
    "labels": "write `labels: {client: acme}`",
    "matrix": "write `matrix: {style: [first, second]}`",
    "zip": "write `zip: {style: [first, second], light: [first, second]}`",
    "params": "write `params: {name: value}`",
    "expect": "write `expect: {name: string}`",
    "judge": "write `judge: {model: gemini-2-5-flash-chat, criteria: [the product is whole]}`",
    "none": "write `none: {rounds: 1}`",
    "fallback": "write {model: …}, or what else is different",
    "transition": "write `transition: fade`",
    "narration": "give each clip its own `narration`, or list them in `audio`",
    "music": 'write `music: "${{ steps.NAME.asset }}"`',
    "captions": 'write `captions: "${{ steps.NAME.text }}"`',
    "end_card": "write `end_card: {title: …}`",
}
"""Hints for keys that must be maps."""
_MAPS_IN = {
    "fallback": MAPS["fallback"],
    "clips": "write its clips without the inner [ ]",
    "inputs": "write `string`, or {type: string} and more keys",
    "overlays": "write {text: …}, or {media: logo.png}",
}
"""The same for what is in a map or list of these keys."""
_INPUT_TYPES = {
    "select": "write `type: enum` and `values: [first, second]`",
    "choice": "write `type: enum` and `values: [first, second]`",
    **{kind: f"write `type: file` and `kind: {kind}`" for kind in ("image", "video", "audio")},
}
"""Hints for types of other languages."""
_TIMES = ("timeout", "patience", "interval", "seconds", "start")
CHAT = "gemini-2-5-flash-chat"
"""A chat model, as an example."""
EXAMPLES = {
    "version": "1",
    "name": "my-campaign",
    "model": "z-image",
    "message": "A slogan for a lamp",
    "from": '"${{ steps.NAME.items }}"',
    "file": "photos/lamp.png",
    "url": "https://example.com/hook",
    "media": '"${{ steps.NAME.asset }}"',
    "audio": '"${{ steps.NAME.asset }}"',
    "image": '"${{ steps.NAME.asset }}"',
    "clips": '"${{ steps.NAME.asset }}"',
    "spec": "parts/intro.yaml",
    "type": "string",
    "criteria": "[the product is whole]",
    "credits": "60",
}
"""Example values for missing keys."""
_NAMES: dict[str, str] = {
    **dict.fromkeys(PARTS, "a step"),
    "inputs": "an input",
    "outputs": "an output",
    "labels": "a label",
    "models": "a model",
}
"""What a key of these maps is the name of."""
_SYNONYMS = [
    line.split(": ")
    for line in """\
fade: crossfade dissolve
slide: wipe
push-in: zoom_in
pull-out: zoom_out
crop: fill cover
pad: contain fit letterbox
poster: thumbnail
plate: box
plain: outline
9:16: vertical portrait story 1080x1920
16:9: horizontal landscape widescreen 1920x1080
1:1: square 1080x1080
seconds: duration
level: volume
kind: type
media: video image file
audio: file
image: logo file
language: lang
steps: tasks jobs stages pipeline nodes plays templates flow
deploy: on schedule schedules cron triggers trigger
outputs: results exports output
budget: max_credits max_cost cost credits
labels: label
clips: video videos images
foreach: loop with_items with_list for for_each each
matrix: strategy
needs: depends depends_on dependencies requires after wait_for run_after
if: when condition only_if unless
retry: retries max_retries tries attempts max_attempts
allow_failures: continue_on_error ignore_errors allow_failure fail_fast
repeat: until
timeout: timeout_minutes timeout_seconds deadline
max_parallel: parallel max_concurrency concurrency
with: args arguments parameters inputs vars
uses: kind type action module use task template plugin
as: loop_var
message: prompt text content system system_prompt instructions messages
expect: response_format schema json_schema output_schema
attachments: images image references
prompt: message text description
references: image images input_image image_url reference media
inputs: vars variables env params parameters args arguments
title: name label
description: help
values: options choices enum allowed
required: optional
fields: properties columns
of: items item
default: value
narration: voice voiceover voice_over speech
music: soundtrack background_music bgm
captions: subtitle subtitles
judge: vote ai llm auto
human: manual person ask
first: random
max: desc descending highest maximum max_length max_items
min: asc ascending lowest minimum min_length min_items
best: score rank top highest
by: score key sort_by
count: top n number limit
rounds: max_rounds retries
regenerate: retry again
criteria: rubric criterion
least: threshold min_score minimum
sign: signature signed
fallback: alternatives backup or_else
bottom: bottom_center bottom_centre bottom_middle center_bottom
top: top_center top_centre top_middle center_top
left: center_left middle_left left_center left_middle
right: center_right middle_right right_center right_middle
center: middle centre
middle: center centre
string: str
integer: int
number: float
boolean: bool""".splitlines()
]
"""Each word of the language, and what people write instead; the likeliest first where one has several."""

_SHARES = ("width", "warn_at")
"""Numbers that are shares, 0 to 1."""

_PLAIN = re.compile(r"\w[\w./-]*( [\w./-]+)*")
_NUMBER = re.compile(r"\s*(-?\d{1,9}(?:\.\d{1,9})?)\s*(%|[A-Za-z]*)\s*")
_BOUNDS = {
    "ge": "at least", "le": "at most", "gt": "more than", "lt": "less than",
    "min_length": "at least", "max_length": "at most",
}  # fmt: skip


def report_error(details: ErrorDetails, path: Path, report: DiagnosticCollector) -> None:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    place: Path = (*path, *details["loc"])
    key = place[-1] if place else ""
    bounds = [(word, context[sign]) for sign, word in _BOUNDS.items() if sign in context]
    match kind:
        case "model_attributes_type":
            report.add_inside((), [must_be(place, "dict_type", value)])
        case _ if kind in _WANTED:
            report.add_inside((), [must_be(place, kind, value)])
        case "missing":
            example = EXAMPLES.get(str(key), "…")
            if key == "model" and (place[-2:-1] == ("judge",) or "message" in value):
                example = CHAT
            if key == "name" and "cases" in place:
                example = "two stills and a film"
            report.add(place, "missing-key", f"{key!r} is missing", f"add `{key}: {example}`")
        case "literal_error":
            expected = str(context["expected"]).replace(" or ", ", ").split(", ")
            choices = [choice.strip("' ") for choice in expected]
            wrong = wrong_choice(place, value, choices)
            if place[0] == "inputs" and (hint := _INPUT_TYPES.get(str(value))):
                hint = hint.replace("type:", "of:") if key == "of" else hint
                wrong = replace(wrong, hint=hint, instead=None)
            elif place[0] == "inputs" and (own := own_word(str(value), choices)):
                wrong = replace(wrong, instead=own)  # a type by its name in Python
            report.add_inside((), [wrong])
        case "extra_forbidden" if place[-2:-1] == ("job_variables",):
            # A spec may come from somebody else, and these decide what code runs and who gets a key.
            message = f"a spec cannot set the job variable {cut(str(key))!r}"
            hint = (
                f"a spec sets {', '.join(Resources.model_fields)}; set others when you deploy, with "
                f"`deploy --job-variable {cut(str(key))}=VALUE`, or in the base job template of the pool"
            )
            report.add(place, "operator-only", message, hint, key=True)
        case "extra_forbidden":
            at = place[place.index("with") + 1 : -1] if "with" in place else details["loc"][:-1]
            part = part_at(at)
            report.unknown(place, "unknown-key", "key", keys_of(part) if part else ())
        case "too_short":
            if not value:  # else its items are reported
                report.add(place, "empty-list", f"{key!r} is an empty list", "add an item")
        case "string_pattern_mismatch" | "string_too_long" if "with" not in place:
            _bad_name(place, value, report)
        case "too_long" | "string_too_short" | "string_too_long":
            [(word, bound)] = bounds
            of = "characters" if isinstance(value, str) else "items"
            message = f"{_name(key)} has {len(value):,} {of}"
            report.add(place, "out-of-range", message, f"write {word} {bound:,}")
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            [(word, bound)] = bounds
            message = f"{key!r} must be {word} {bound:g}, not {preview(value)}"
            hint = share_hint(value) if key in _SHARES else f"write {word} {bound:g}"
            report.add(place, "out-of-range", message, hint)
        case _:
            error = context.get("error")
            message, _, hint = str(error or details["msg"]).partition("; ")
            sure = error.instead if isinstance(error, DurationError) else None
            report.add(place, "wrong-value", message, hint or None, instead=sure)


def _bad_name(place: Path, value: Any, report: DiagnosticCollector) -> None:
    part, key = str(place[0]), place[-1] == "[key]"
    what = {"deploy": "a deployment", "concurrency": "a group", "name": "a workflow"}.get(part)
    what = (_NAMES.get(part) if key else None) or what or "a step"
    allowed = "letters, digits, spaces, _ . and -"
    if part != "deploy":
        hyphen = " or -" if part in ("name", "concurrency", "labels") else ""
        allowed = f"lowercase letters, digits and _{hyphen}, starting with a letter"
    name = place[-2] if key else value
    most = 32 if part == "labels" else 64
    hint = f"at most {most} characters: {allowed}"
    near = slug(str(name)[:most]).lstrip("-0123456789")
    if near and near.isascii():
        hint = f"write {near if '-' in allowed else near.replace('-', '_')}; {hint}"
    message = f"{preview(name)} is not a valid name for {what}"
    report.add(place[:-1] if key else place, "bad-name", message, hint, key=key)


def _name(step: str | int) -> str:
    return f"item {step + 1}" if isinstance(step, int) else repr(step)


_WRITTEN: Mapping[str | int, str] = {
    "at_most": "write the most, such as 3; `until` may read inputs, and ends the rounds before that",
    "rounds": "write the most, such as 3; the first choice ends them before that",
}
"""What to write instead of an expression, by the key."""


def must_be(place: Path, kind: str, value: Any) -> Diagnostic:
    """What to say of a value at a place where pydantic's error is of this kind."""
    name = _name(place[-1])
    if isinstance(value, str) and "${{" in value:
        message = f"{name} cannot be an expression: it is needed before there are inputs"
        hint = _WRITTEN.get(place[-1], "write the value itself")
        return Diagnostic("expression-not-allowed", message, hint, path=place)
    if value is None and isinstance(place[-1], str) and kind in ("string_type", "int_type"):
        hint = f"write {_expected_form(place, kind, value)[0]} after `{place[-1]}:`"
        return Diagnostic("missing-key", f"{name} is empty", hint, path=place, at_key=True)
    return wrong_type(place, kind, value)


def wrong_choice(place: Path, value: Any, choices: Collection[str]) -> Diagnostic:
    """What to say of a value that is not one of a few."""
    own, sure = own_word(str(value), choices), certain(str(value), choices)
    hint = f"did you mean {own!r}?" if own else suggest(str(value), choices)
    message = f"{_name(place[-1])} cannot be {preview(value)}"
    return Diagnostic("wrong-choice", message, hint, path=place, instead=sure)


def wrong_type(place: Path, kind: str, value: Any, hint: str | None = None) -> Diagnostic:
    """What to say of a value of another type than what it must be; `hint` is how that is written."""
    wanted, usual = _expected_form(place, kind, value)
    message = f"{_name(place[-1])} must be {wanted}, not {preview(value)}"
    sure = surely(kind, str(place[-1]), value)
    return Diagnostic("wrong-type", message, hint or usual, path=place, instead=sure)


def _expected_form(place: Path, kind: str, value: Any) -> tuple[str, str]:
    """What a value must be, and how it is written."""
    key, parent = str(place[-1]), str(place[-2]) if len(place) > 1 else ""
    wanted, hint = _WANTED[kind]
    if key == "work_pool":
        return "a name or a map", "write NAME, or {name: NAME, job_variables: {memory: 4096}}"
    if kind == "float_type" and key in _TIMES:
        return "a duration", f"write {DURATION_FORMS}"
    if kind in ("dict_type", "model_type"):
        own = map_hint(key, value) if "with" in place or place == ("budget",) else None
        hint = own or _MAPS_IN.get(parent) or MAPS.get(key, hint)
        if key == "captions" and "with" not in place:  # of a brand
            hint = "write `captions: {position: bottom}`"
    elif kind in ("int_type", "float_type"):
        found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            hint = f"write {wanted}"
        elif (unit := found[2]) and key in _SHARES:  # else the usual hint: without quotes
            hint = share_hint(float(found[1]) if unit == "%" else None)
        elif unit:
            hint = f"write the number alone: {float(found[1]):g}"
    elif kind == "tuple_type":
        if isinstance(value, dict):
            hint = "write [ ] around it, or `- ` before its first line"
        elif key == "fallback" and isinstance(value, str):
            hint = f"write [{{model: {cut(value)}}}]"
        elif isinstance(value, str) and 0 < len(value) <= 60:
            hint = f"write [{_quote(value)}]"
    elif kind == "string_type" and isinstance(value, dict | list):
        hint = "write one line of text"
    elif kind == "string_type" and value is None:
        hint += ", or remove it"  # a comment perhaps: `#0b3d2e`
    return wanted, hint


def own_word(word: str, choices: Collection[str]) -> str | None:
    """The one of the choices that a word of another tool means."""
    word = word.lower().replace("-", "_")
    return next(
        (own for own, synonyms in _SYNONYMS if word in synonyms.split() and own in choices), None
    )


def surely(kind: str, key: str, value: Any) -> str | float | bool | None:
    """The value that a value of the wrong type surely stands for; None if a person must decide.

    `kind` is the type of Pydantic's error, such as ``int_type``.
    """
    if kind == "string_type" and isinstance(value, bool | int | float):
        return str(value)
    if kind == "bool_type" and isinstance(value, str):
        return _FLAGS.get(value.strip().lower())
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if found is None or kind not in ("int_type", "float_type"):
        return None
    number, unit = Decimal(found[1]), found[2].lower()
    if unit == "%" and key in _SHARES:
        number /= 100
    elif unit and unit not in _UNIT_WORDS.get(key, ()):
        return None
    if number == number.to_integral_value():
        return int(number)
    return float(number) if kind == "float_type" else None


_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_UNIT_WORDS: Mapping[str, tuple[str, ...]] = {
    "credits": ("credit", "credits"),
    "level": ("lufs",),
    "loudness": ("lufs",),
}
"""The units that a number of these keys has anyway."""


def share_hint(percent: Any) -> str:
    """What to write instead of a number that is no share."""
    known = isinstance(percent, int | float) and 0 < percent <= 100 and not 1 < percent < 2
    return f"it is a share, 0 to 1: write {percent / 100 if known else 0.18:g}"


def map_hint(key: str, value: Any) -> str | None:
    """How a part of a film, or a budget, that must be a map is written with what stands in its place."""
    if value is False:
        return "remove it: without it there is none"
    if key == "budget":
        credits = surely("int_type", "credits", str(value))
        return None if credits is None else f"write `budget: {{credits: {credits}}}`"
    if key != "end_card" or not isinstance(value, str) or len(value) > 60:
        return None
    is_file = re.search(r"\.(png|jpe?g|webp)$", value, re.IGNORECASE)
    return f"write `{key}: {{{'image' if is_file else 'title'}: {_quote(value)}}}`"


def _quote(text: str) -> str:
    """A text in YAML, in quotes if it may need them."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
