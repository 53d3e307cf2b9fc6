"""Names that must come out the same on every machine."""

from __future__ import annotations

from hypothesis import given, strategies as st

from rivya_flows.planning.names import idempotency_key

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
