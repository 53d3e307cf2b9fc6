"""A table is a dictionary whose keys stay."""

from __future__ import annotations

from hypothesis import given, strategies as st

from rivya_flows.planning.queue.table import Table


@given(
    size=st.integers(0, 400),
    changes=st.lists(st.tuples(st.integers(0, 399), st.integers()), max_size=40),
)
def test_a_table_holds_what_a_dictionary_would_hold(
    size: int, changes: list[tuple[int, int]]
) -> None:
    model = {f"k{n}": n for n in range(size)}
    table = first = Table(model)
    for place, value in changes:
        if place < size:
            model[f"k{place}"] = value
            table = table.replaced(place, value)
    assert dict(table.items()) == model
    assert list(table) == list(model.values())
    assert [table[key] for key in model] == list(model.values())
    assert first == Table({f"k{n}": n for n in range(size)})
    assert list(table.differing(first)) == [
        (n, value) for n, value in enumerate(model.values()) if value is not first.at(n)
    ]


def test_a_value_that_another_table_lacks_differs_from_nothing() -> None:
    one, other = Table({"a": 1}), Table({"a": 1, "b": 2})
    assert list(other.differing(one)) == [(None, 2)]
