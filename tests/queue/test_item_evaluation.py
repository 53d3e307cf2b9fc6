"""Values that are known only when a step is planned fit, or are refused with a reason."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.errors import RivyaError, SpecError
from rivya_flows.preparation.prepare import Prepared
from rivya_flows.preparation.spec_file import SpecFile
from support.prepared_specs import prepared
from support.samples import sample

VALUES: list[Any] = [
    "text", "", 5, 2.5, True, None, [], ["a"], [None], [[1]], {}, {"a": 1}, {"key": 5},
    [{"key": {"a": 1}}], {"url": 5}, {"kind": "image", "sha256": 5},
    {"kind": None, "url": "https://a.b/c.png"}, "https://a.b/c.png",
    "file_x", "z-image", "human", "first", "high", -1, 10**17,
    {"kind": 5, "sha256": "x"},  # fits nowhere but in the body of a message
]  # fmt: skip
ARGUMENTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "generate": ({"model": "nano-banana-2", "prompt": "a"}, ["model", "prompt", "params", "references"]),
    "chat": (
        {"model": "gpt-5-2-chat", "message": "a"},
        ["model", "message", "session", "attachments", "reasoning_effort", "web_search"],
    ),
    "pick": ({"from": "${{ inputs.candidates }}"}, ["from", "mode"]),
    "compose": (
        {"clips": "https://a.b/c.mp4"},
        ["audio", "clips", "narration", "music", "transition", "captions", "overlays", "end_card",
         "formats", "reframe", "extras", "length"],
    ),
    "layout": ({"image": "https://a.b/c.png"}, ["image", "overlays", "formats", "reframe"]),
    "upload": ({"file": "https://a.b/c.png"}, ["file"]),
    "notify": ({"url": "https://a.b/c"}, ["url", "body", "secret"]),
}  # fmt: skip
PLACES = [(uses, key) for uses, (_, keys) in ARGUMENTS.items() for key in keys]
COMPUTED = "${{ inputs.values[0] }}"


def run_of(step: dict[str, Any], values: list[Any], folder: Path) -> Prepared:
    spec = {
        "version": 1,
        "name": "random",
        "inputs": {
            "values": {"type": "list"},
            "candidates": {"type": "list", "default": [{"asset": {"kind": "image"}}]},
        },
        "steps": {"a": step},
    }
    return prepared(SpecFile(json.dumps(spec), "spec.yaml", None), {"values": values}, folder)


@pytest.mark.parametrize(("uses", "key"), PLACES, ids=[" ".join(place) for place in PLACES])
def test_any_computed_argument_fits_or_is_refused(uses: str, key: str, tmp_path: Path) -> None:
    step = {
        "uses": uses,
        "foreach": "${{ inputs.values }}",
        "key": "${{ item.n }}",
        "with": {**ARGUMENTS[uses][0], key: "${{ item.value }}"},
    }
    values = [{"n": n, "value": value} for n, value in enumerate(VALUES)]
    try:
        run_of(step, values, tmp_path)
    except SpecError as error:
        refused = {one.message.partition("]")[0] for one in error.diagnostics}
        every = [f"a[{n}" for n in range(len(VALUES))]
        assert {every[-1]} <= refused <= {*every}
    else:
        assert key == "body"


@pytest.mark.sweep
@pytest.mark.parametrize(
    "loop",
    [{"foreach": COMPUTED}, {"matrix": {"a": COMPUTED}}, {"matrix": {"a": [1], "include": COMPUTED}},
     {"zip": {"a": COMPUTED, "b": [1]}}, {"foreach": [1, 2], "key": COMPUTED}, {"if": COMPUTED}],
    ids=lambda loop: "-".join(loop),
)  # fmt: skip
def test_any_computed_loop_fits_or_is_refused(loop: dict[str, Any], tmp_path: Path) -> None:
    step = {"uses": "generate", "with": {"model": "z-image", "prompt": "a lamp"}, **loop}
    for value in sample(VALUES, 3):
        with contextlib.suppress(RivyaError):
            run_of(step, [value], tmp_path)


@pytest.mark.parametrize(
    ("uses", "key", "value", "words"),
    [
        ("generate", "params", "text", "'params' must be a map, not 'text'"),
        ("generate", "prompt", ["a"], "a list cannot be used in text"),
        ("chat", "message", {"a": 1}, "a map cannot be used in text"),
        ("generate", "references", {"url": 5}, "'references' takes assets, URLs and ids of upload"),
        ("generate", "references", ["A brass lamp"], "ids of uploads, not 'A brass lamp'"),
        ("chat", "attachments", "A brass lamp", "'attachments' takes .* not 'A brass lamp'"),
        ("upload", "file", "A brass lamp", "'file' takes .* not 'A brass lamp'"),
        ("generate", "model", 5, "a model must be an id, not 5"),
        ("generate", "model", "gpt-5-2-chat", "is a model for chat, not for generate"),
        ("chat", "model", "z-image", "is a model for generate, not for chat"),
        ("chat", "reasoning_effort", "huge", "'reasoning_effort' cannot be 'huge'; there are: def"),
        ("chat", "web_search", "yes", "'web_search' must be true or false, not 'yes'"),
        ("chat", "attachments", {"kind": "video", "sha256": "x"}, "takes images as attachments, not"),
        ("pick", "mode", "worst", "'mode' cannot be 'worst'; did you mean 'first'"),
        ("compose", "audio", {"kind": "image", "url": "https://a.b/c"}, r"'audio\[0\]' takes audio or a video, "),
        ("compose", "clips", "c.mp4", r"'clips\[0\].*': a path such as 'c.mp4' is not allowed here"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_of_the_service_is_refused_with_why(
    uses: str, key: str, value: Any, words: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=words):
        run_of({"uses": uses, "with": {**ARGUMENTS[uses][0], key: COMPUTED}}, [value], tmp_path)
