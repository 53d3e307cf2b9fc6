"""Which measures on a medium are faults of it."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_cut.measures import Measures
from rivya_flows.language.quality import Expected, Limits, Quality, Wanted, faults, texts_of

FILM = Measures("video", 5.0, 1280, 720, black=0.0, still=0.5, blank=0.0, sound=True, silent=0.1, clipped=0.0)  # fmt: skip
SOUND = Measures("audio", 5.0, sound=True, silent=0.1, clipped=0.0)
PICTURE = Measures("image", None, 1024, 1820, blank=0.0)
ASKED = Expected(5, 16 / 9, True)


NOTHING, DEFAULTS = Expected(), Limits()


def changed(medium: Measures, **measures: object) -> Measures:
    return Measures(**{**vars(medium), **measures})


def names(found: Measures, expected: Expected = NOTHING, limits: Limits = DEFAULTS) -> list[str]:
    return [fault.name for fault in faults(found, expected, limits)]


@pytest.mark.parametrize(
    ("medium", "expected"),
    [
        pytest.param(FILM, ASKED, id="a film"),
        pytest.param(SOUND, Expected(5, sound=True), id="a sound"),
        pytest.param(PICTURE, Expected(aspect=9 / 16), id="a picture"),
        pytest.param(changed(FILM, seconds=9.96), Expected(10), id="one frame less"),
        pytest.param(changed(FILM, seconds=8.04), Expected(8), id="one frame more"),
        pytest.param(changed(PICTURE, width=1152, height=896), Expected(aspect=4 / 3), id="by 64s"),
        pytest.param(
            changed(FILM, sound=False, silent=None), Expected(5), id="sound not asked for"
        ),
    ],
)
def test_a_good_medium_has_no_fault(medium: Measures, expected: Expected) -> None:
    assert names(medium, expected) == []


@pytest.mark.parametrize(
    ("medium", "fault", "text"),
    [
        (changed(FILM, black=0.92), "black", "black for 92% of its 5.0 s"),
        (changed(FILM, still=5.0), "frozen", "without motion for 5.0 of its 5.0 s"),
        (changed(FILM, sound=False, silent=None), "silent", "without a sound track"),
        (changed(SOUND, silent=1.0), "silent", "silent for 100% of its 5.0 s"),
        (changed(FILM, silent=1.0), "silent", "silent for 100% of its 5.0 s"),
        (changed(FILM, clipped=0.2), "clipped", "20.0% of its sound is within 1 dB of full scale"),
        (changed(FILM, seconds=3.0), "short", "3.0 s long, and 5 s were asked for"),
        (changed(FILM, width=720, height=720), "shape", "720x720, and 1.78 to 1 was asked for"),
        (changed(FILM, blank=1.0), "blank", "100% of its picture is of one colour"),
    ],
)
def test_a_fault_is_named_with_what_was_measured(medium: Measures, fault: str, text: str) -> None:
    assert faults(medium, ASKED, Limits()) == ((fault, text),)


def test_a_black_picture_is_black_and_not_blank_to_people() -> None:
    found = faults(changed(PICTURE, black=1.0, blank=1.0), NOTHING, DEFAULTS)
    assert [fault.name for fault in found] == ["black", "blank"]
    assert texts_of(found) == ("its picture is black",)


def test_a_limit_decides_and_of_a_black_film_it_is_only_said_that_it_is_black() -> None:
    found = changed(FILM, black=0.5, blank=0.6, still=3.0)
    assert names(found) == []
    strict = Limits.model_validate({"black": "50%", "frozen": "60%", "blank": "60%"})
    assert names(found, limits=strict) == ["black", "frozen", "blank"]
    assert texts_of(faults(found, Expected(), strict)) == ("black for 50% of its 5.0 s",)


REFUSING = Wanted(NOTHING, Quality(refuse=("blank",)))
WHITE = changed(PICTURE, blank=1.0)


def outputs(*media: Measures | None, **more: Any) -> dict[str, Any]:
    """Those of a job; its media are named by their places."""
    assets = [{"sha256": str(place)} for place in range(len(media))]
    measures = [None if one is None else vars(one) for one in media]
    return {"asset": assets[0], "assets": assets, "measures": measures, "task_id": "t", **more}


def test_the_good_media_of_a_job_are_its_outputs_and_the_others_are_refused() -> None:
    found = REFUSING.without_refused(outputs(WHITE, PICTURE, WHITE, None))
    assert found["asset"] == {"sha256": "1"}
    assert found["assets"] == [{"sha256": "1"}, {"sha256": "3"}]
    assert found["refused"] == [{"sha256": "0"}, {"sha256": "2"}]
    assert found["measures"] == [vars(PICTURE), None]
    again = Wanted(NOTHING, Quality(refuse=("shape",))).without_refused(found)
    assert again == found
    both = REFUSING.without_refused(outputs(PICTURE, WHITE, refused=[{"sha256": "9"}]))
    assert both["refused"] == [{"sha256": "9"}, {"sha256": "1"}]


@pytest.mark.parametrize("media", [(PICTURE, None), (WHITE, WHITE)])
def test_media_that_are_all_good_or_all_refused_stay_as_they_are(media: Any) -> None:
    assert REFUSING.without_refused(outputs(*media)) == outputs(*media)


@pytest.mark.parametrize(
    "measures", [7, "black", [{"blank": 1}], [{"media": "image", "blank": "much"}], {}]
)
def test_measures_that_cannot_be_read_refuse_nothing(measures: Any) -> None:
    odd = outputs(WHITE, measures=measures)
    assert REFUSING.reasons_to_refuse(odd) == ()
    assert REFUSING.without_refused(odd) == odd
