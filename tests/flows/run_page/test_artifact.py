"""Keys of artifacts."""

from __future__ import annotations

import re

from hypothesis import given, strategies as st

from rivya_flows.flows.run_page.artifact import artifact_key

KEY = re.compile(r"[a-z0-9-]+")
WORDS = st.text(max_size=60) | st.sampled_from(
    ["9:16", "नीऑन", "a|b", "<script>", "[x](javascript:1)", "`", "\\", "\ud800", "# h", "---"]
)


@given(WORDS, WORDS, WORDS)
def test_a_key_is_one_that_prefect_takes_and_the_same_again(a: str, b: str, c: str) -> None:
    key = artifact_key("launch", a, b, c)
    assert KEY.fullmatch(key)
    assert key == artifact_key("launch", a, b, c)
    assert len(key) < 200


def test_names_that_look_alike_do_not_share_a_key() -> None:
    names = [
        "neon",
        "Neon",
        "ne on",
        "ne-on",
        "नीऑन",
        "नीऑन ",
        "9:16",
        "9-16",
        "916",
        "x" * 90,
        "x" * 91,
    ]
    assert len({artifact_key("launch", "stills", name) for name in names}) == len(names)
    assert artifact_key("product-launch", "my_step", "neon") == "product-launch-my-step-neon"
    assert artifact_key("product-launch", "film", "") == "product-launch-film"
