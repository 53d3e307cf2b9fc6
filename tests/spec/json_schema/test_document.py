"""The JSON Schema of specs: what it accepts, what it refuses, and what it says."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from jsonschema import Draft202012Validator

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.preparation.spec_file import specs_at
from rivya_flows.spec.json_schema.document import FILE, LINE
from rivya_flows.spec.load import check
from support.spec_schema import SCHEMA, errors_of, read
from support.wrong_specs import HEAD, STILL, WRONG

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(
    r"```yaml\n(.*?)```", (ROOT / "docs" / "reference" / "spec.md").read_text("utf-8"), re.DOTALL
)
GOOD = {path.name: path.read_text("utf-8") for path in specs_at(ROOT / "specs")}
GOOD |= {
    f"docs/reference/spec.md, {n}": text for n, text in enumerate(BLOCKS) if text[:8] == "version:"
}

BEYOND = {
    # the YAML itself: a validator sees only what was read
    "duplicate-key",
    # names: what an expression or a key refers to
    "unknown-input", "unknown-step", "unknown-field", "unknown-name", "unknown-variable",
    "unnamed-step", "out-of-scope", "duplicate-name", "cycle",
    # the inside of expressions, and what they are worth
    "bad-expression", "not-text",
    # values that belong together
    "unequal-lists", "missing-input", "wrong-input", "reserved-secret", "wrong-fallback",
    "useless-condition",
}  # fmt: skip
"""Codes of mistakes that no schema can know."""

PARTLY = {
    "bad-input": {
        "pattern that cannot be read", "pattern that could take for ever",
        "broken pattern of an input that a deployment gives",
    },
    "missing-dollar": {name for name, (code, *_) in WRONG.items() if code == "missing-dollar"}
    - {"expression with one brace as a model", "expression with one brace as a condition"},
    "bad-option": {"wrong option in defaults", "wrong option in a matrix", "wrong option in an enum",
                   "fallback with a wrong option"},
    "bad-param": {"asset as a parameter"},
    "chat-cannot": {"judge that sees nothing"},
    "bad-secret": {"label of a secret"},
    "bad-schedule": {"unknown time zone", "cron of a minute that no hour has"},
    "expression-not-allowed": {"computed key", "a queue that Prefect would fill in",
                               "a tag that Prefect would fill in"},
    "prompt-too-long": {"long text around an expression", "fallback whose prompt is too long",
                        "fallback for which the prompt is too long"},
    "references-refused": {"films as references of a picture", "films as attachments",
                           "fallback that takes no references", "upload for a model that takes none"},
    "unknown-model": {"upload for a model that does not exist"},
    "unknown-param": {"fallback with the parameters of another model"},
    "wrong-candidates": {"more than there are", "more than a list has", "none of texts",
                         "none without a prompt", "none of a fan-out", "judge of films",
                         "judge of a film among stills"},
    "wrong-default": {"default out of range", "default outside the enum"},
    "wrong-value": {
        "transition longer than clip", "two transitions longer than clip", "overlay late",
        "captions language", "captions language that is none", "empty label",
        "formats twice", "extras twice",
        "key of all items", "key of all items, computed", "output that is empty", "session of another model",
    },
    "missing-key": {"end card nothing", "formats empty"},  # a brand may have the first
    "needless-key": {"start of a still", "start of a computed still", "layout overlay start",
                     "transition without kind"},
    "bad-file": {"narration photo file", "music png", "overlay image mp4", "end card image",
                 "layout image mp4"},
    "wrong-type": {
        "axis that hides the answers", "asset as a prompt", "join of maps", "asset that is rounded", "asset compared with a number", "items as references", "axis is no list", "list as an address",
        "composition of a still as a film", "composition of a film or a still as a film", "composition of stills as sounds",
        "composition of an uploaded photo as a film",
        "composition of a still or nothing as a sound",
        "clip of audio", "clip of an audio step", "clip of audio in a map", "clip of a text",
        "clip of computed text seconds", "clips computed no list", "clips of audio computed",
        "clip of a whole step", "clips of items", "music computed",
        "narration photo", "music film", "music duck computed", "captions of map",
        "overlay image film", "layout image film", "session of a step that is no text", "pick of assets", "pick of one asset", "one item alone",
        "pick of a whole step", "pick of callbacks", "pick from a whole fan-out in a list",
        "overlays of an answer", "session that is an answer",
        "asset as a key", "text as a place", "list as a mode", "list as a model", "by of a text", "by of a condition", "by of a picture", "criterion of a picture",
        "fallback to a picture as a prompt", "label of a file", "axis of maps and texts",
        *(name for name in WRONG if name.startswith("words as ")),
    },
}  # fmt: skip
"""Mistakes that it cannot know though it knows others of their code."""

OF_SEVERAL_KEYS = {
    "clips and video", "clips and images", "fit with clips", "transition with video",
    "captions neither", "captions both", "captions without speech", "overlay neither",
    "overlay both", "extras srt", "extras clean", "by without best", "order without best",
    "judge with first", "none with a judge", "none with first, of a list", "sign with best",
    "on_none of a proposal", "on_none of a person", "best of nothing", "judge that is missing",
    "judge that is missing at the deadline", "none of a list", "on_none of one picture",
    "composition of nothing", "composition without arguments", "question without a human",
    "default of another type", "default that is no file", "enum without values",
    "values without enum", "secret that is given", "cron of four fields", "two kinds of schedule",
    "two fan-outs", "as without foreach", "allow_failures of one",
}  # fmt: skip
"""Keys that need or exclude each other: the schema says what each key takes, `check` what fits together."""


def test_it_is_a_schema_of_a_moderate_size() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert len((ROOT / "specs" / FILE).read_bytes()) < 400_000


def test_the_file_beside_the_specs_is_up_to_date() -> None:
    written = json.loads((ROOT / "specs" / FILE).read_text("utf-8"))
    assert written == SCHEMA, "run: rivya-flows schema --write"


def test_every_spec_names_it_in_its_first_line() -> None:
    assert [
        name for name, text in GOOD.items() if "/" not in name and not text.startswith(LINE)
    ] == []


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_good_spec_is_accepted(text: str) -> None:
    assert errors_of(text) == []


@pytest.mark.parametrize(("code", "marked", "hint"), WRONG.values(), ids=WRONG.keys())
def test_wrong_spec_is_refused_where_a_schema_can_find_it(
    code: str, marked: str, hint: str, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    if code in BEYOND or name in OF_SEVERAL_KEYS or name in PARTLY.get(code, ()):
        assert errors_of(marked.replace("☞", "")) == []
    else:
        assert errors_of(marked.replace("☞", "")) != []


def test_notes_are_allowed_everywhere() -> None:
    noted = HEAD + "x-owner: me\nsteps:\n" + STILL + "    x-why: {any: thing}\n"
    assert errors_of(noted + "  x-old: 5\n") == []


def test_every_key_has_a_description() -> None:
    silent = [
        f"{name}.{key}"
        for name, definition in [("", SCHEMA), *SCHEMA["$defs"].items()]
        for key, value in definition.get("properties", {}).items()
        if "additionalProperties" in definition and not value.get("description")
    ]
    assert silent == []


PIECES: list[Any] = [None, [], True, 0, 5, 0.5, "x", "", "9:16", "15m", "first", "image", "list", {},
                     ["x"], {"a": ["x"]}, "${{ inputs.styles }}", "a ${{ inputs.product }}"]  # fmt: skip
SPECS = [read(text) for text in GOOD.values()]


@given(st.data())
def test_it_accepts_every_spec_that_check_accepts_and_the_rest_has_hints(
    data: st.DataObject,
) -> None:
    spec = copy.deepcopy(data.draw(st.sampled_from(SPECS)))
    places = list(_places(spec))
    holder, key = data.draw(st.sampled_from(places))
    if isinstance(holder, dict) and data.draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = data.draw(st.sampled_from(PIECES))
    text = json.dumps(spec)
    problems = check(text, file="spec.yaml", catalogue=shipped())[1]
    if not problems:
        assert errors_of(text) == []
    assert [str(problem) for problem in problems if not problem.hint] == []


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, part in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield value, key
        yield from _places(part)
