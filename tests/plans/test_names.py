"""Names that must come out the same on every machine."""

from __future__ import annotations

from hypothesis import given, strategies as st

from rivya_flows.language.canonical import whole
from rivya_flows.plans.names import idempotency_key, is_round, join_keys, label, round_name

# Also halves of surrogate pairs, which JSON can hold and a chat answer may bring into a key.
ANY_TEXT = st.text(st.characters(), max_size=8)


@given(one=ANY_TEXT, other=ANY_TEXT)
def test_each_purchase_has_a_key_of_its_own_that_a_header_can_carry(one: str, other: str) -> None:
    key = idempotency_key("n", "stills", one, 1)
    assert key.isascii()
    assert key.isprintable()
    assert len(key) <= 255
    assert (key == idempotency_key("n", "stills", other, 1)) == (one == other)
    assert idempotency_key("n", "stills", "\ud83d", 1) != idempotency_key("n", "stills", "?", 1)


def test_steps_items_and_lists_have_names_that_tell_them_apart() -> None:
    assert round_name("hero", "stills", 1) == "hero.stills.2"
    assert is_round(round_name("hero", "stills", 1)), "only its name has a dot"
    assert not is_round("stills")
    assert (label("stills", "neon"), label("film", "")) == ("stills[neon]", "film")
    assert (join_keys(["a", "b"]), join_keys(["a, b", "c"])) == ("a, b", "a, b; c")


def test_half_a_character_becomes_a_sign_that_utf_8_has() -> None:
    assert whole("lamp \ud83d!") == "lamp \ufffd!"
    assert whole("lamp 💡") == "lamp 💡"
