"""What the sandbox breaks is measured as so broken, and its other media have no fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_cut.api import measure
from rivya_flows.language.quality import FAULTS, Expected, Limits, faults
from rivya_sandbox.renderers.broken import break_medium
from rivya_sandbox.renderers.plain import plain
from rivya_sandbox.renderers.request import HOWS, How, Kind, Rendered, RenderRequest

PARAMS: dict[Kind, dict[str, Any]] = {
    "image": {"aspect_ratio": "9:16"},
    "video": {"aspect_ratio": "9:16", "duration": "3", "sound": "true"},
    "audio": {"duration_seconds": 3},
}
EXPECTED: dict[Kind, Expected] = {
    "image": Expected(aspect=9 / 16),
    "video": Expected(seconds=3, aspect=9 / 16, sound=True),
    "audio": Expected(seconds=3, sound=True),
}
KINDS: tuple[Kind, ...] = ("image", "video", "audio")


def names(medium: Rendered, kind: Kind, folder: Path) -> list[str]:
    path = folder / f"medium{medium.extension}"
    path.write_bytes(medium.data)
    return [one.name for one in faults(measure(path), EXPECTED[kind], Limits())]


@pytest.mark.parametrize("kind", KINDS)
def test_plain_media_have_no_fault(kind: Kind, tmp_path: Path) -> None:
    for seed in range(4):
        (medium,) = plain(RenderRequest("any", kind, "a lamp", PARAMS[kind], seed=seed))
        assert names(medium, kind, tmp_path) == []


@pytest.mark.parametrize(("kind", "how"), [(kind, how) for kind in KINDS for how in HOWS[kind]])
def test_a_broken_medium_has_the_fault_that_it_was_given(
    kind: Kind, how: How, tmp_path: Path
) -> None:
    order = RenderRequest("any", kind, "a lamp", PARAMS[kind])
    (medium,) = plain(order)
    found = names(break_medium(medium, order, how), kind, tmp_path)
    # A picture that never changes is frozen as well, and a black one is of one colour.
    along = {"black": {"frozen", "blank"}, "blank": {"frozen"}}.get(how, set())
    assert how in found
    assert set(found) <= {how} | along


def test_every_fault_can_be_rehearsed() -> None:
    assert {how for hows in HOWS.values() for how in hows} == set(FAULTS)
