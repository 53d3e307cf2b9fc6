"""Lists iterate over their entries; an unreadable one is left out."""

from __future__ import annotations

import pytest

from rivya_flows.client.types import ChatSession, Listing, ModelList


def test_a_list_iterates_over_its_entries_and_has_a_length_and_an_index() -> None:
    listing = Listing[ChatSession].model_validate(
        {"object": "list", "data": [{"id": "a"}, {}, 7, {"id": "b"}], "has_more": True, "next": "c"}
    )
    assert [session.id for session in listing] == ["a", "b"]
    assert (len(listing), listing[0].id, listing[-1].id) == (2, "a", "b")
    assert listing[1] in listing
    assert (listing.has_more, listing.model_extra) == (True, {"object": "list", "next": "c"})
    with pytest.raises(IndexError):
        listing[2]


def test_an_empty_list_is_false() -> None:
    assert not Listing[ChatSession].model_validate([])


def test_the_list_of_models_keeps_the_whole_answer() -> None:
    answer = {"data": [{"id": "z-image", "new": 1}, {"name": "no id"}], "version": 3}
    models = ModelList.model_validate(answer)
    assert [model.id for model in models] == ["z-image"]
    assert models.payload == answer
    assert models[0].model_extra == {"new": 1}
