"""How the limits of `quality` are written."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rivya_flows.language.quality import Limits


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        (50, "; write 50%"),
        (0.5, "; write 50%"),
        (1, "; write it in percent, above 0% and at most 100%, such as 80%"),
        (120, "; write it in percent, above 0% and at most 100%, such as 80%"),
        ("120%", "; write it in percent, above 0% and at most 100%, such as 80%"),
        (True, "; write it in percent, above 0% and at most 100%, such as 80%"),
        (float("nan"), "; write it in percent, above 0% and at most 100%, such as 80%"),
    ],
)
def test_a_limit_that_is_no_share_says_what_to_write(written: object, hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Limits.model_validate({"black": written})
    assert caught.value.errors()[0]["msg"].endswith(hint)


def test_defaults_are_shown_as_they_are_written() -> None:
    shown: dict[str, Any] = Limits.model_json_schema()["properties"]
    assert [one["default"] for one in shown.values()] == [
        *("80%", "75%", "90%", "4%", "10%", "5%", "90%")
    ]
    assert (Limits().black, Limits().clipped) == (0.8, 0.04)
