"""What a contact sheet says a medium was made from."""

from __future__ import annotations

from typing import Any

from rivya_flows.plans.names import label
from rivya_flows.receipt.contact_sheet import Origins, Source
from rivya_flows.receipt.embedding import Embedder
from support.contact_sheets import Store, made, whole_run
from support.receipts import parsed


def origins_of(receipt: dict[str, Any], store: Store) -> Origins:
    run = parsed(receipt)
    embedder = Embedder([run], store)
    for _, item in run.each():
        embedder.of_item(item.assets)
    return Origins(run, embedder, [step.id for step in run.steps])


def names(source: Source) -> str | None:
    """The item that made a source, or as what the run was given it."""
    assert source.card
    maker = source.card.made_by
    return label(maker.step, maker.key) if maker else source.card.given_as


def test_an_output_names_its_maker_and_the_chain_back_to_what_was_given(store: Store) -> None:
    receipt = whole_run(store)
    [spot] = origins_of(receipt, store).of(receipt["outputs"]["spot"])
    assert (names(spot), spot.picture, spot.anchor) == ("spot", None, "step-spot")
    neon, again = spot.sources
    [photo] = neon.sources
    assert (names(neon), neon.pick) == (
        "stills[neon]",
        ("hero", "by Priya in Prefect's form, 2026-11-25 12:04 UTC"),
    )
    assert (names(photo), photo.again, photo.sources) == ("inputs.photo", False, ())
    assert (names(again), again.again) == ("inputs.photo", True)


def test_an_item_names_what_it_took_and_not_itself(store: Store) -> None:
    receipt = whole_run(store)
    origins = origins_of(receipt, store)
    stills, hero, *_, spot = receipt["steps"][:5]
    studio = origins.of(stills["items"][0]["assets"], ("stills", "studio"))
    assert [*map(names, studio)] == ["inputs.photo"]
    # A pick made nothing: its card names the item that did.
    picked = origins.of(hero["items"][0]["assets"], ("hero", ""))
    assert [*map(names, picked)] == ["stills[neon]"]
    composed = origins.of(spot["items"][0]["assets"], ("spot", ""))
    assert [*map(names, composed)] == ["stills[neon]", "inputs.photo"]
    assert origins.of("words") == ()


def test_what_is_gone_is_named_without_a_picture(store: Store) -> None:
    receipt = whole_run(store)
    (store.folder / receipt["assets"][0]["sha256"]).unlink()
    [spot] = origins_of(receipt, store).of(receipt["outputs"]["spot"])
    photo = spot.sources[1]
    assert (names(photo), photo.picture, photo.anchor) == ("inputs.photo", None, "")


def test_media_that_are_their_own_sources_end(store: Store) -> None:
    receipt = whole_run(store)
    _, studio, *_ = receipt["assets"]
    studio["made_by"]["parents"] = [studio["sha256"], studio["sha256"]]
    found = origins_of(receipt, store).of([studio])
    assert [one.again for one in found[0].sources] == [True, True]


def test_the_sources_of_a_place_are_bounded(store: Store) -> None:
    clips = [store.put(b"%d" % n, "image", "image/png") for n in range(60)]
    film = store.put(b"film", "video", "video/mp4")
    receipt = {
        "steps": [{"id": "spot", "items": [{"key": "", "assets": [film]}]}],
        "assets": [*(made(one, "clips", str(n)) for n, one in enumerate(clips)), made(film, "spot", "", *clips)],
    }  # fmt: skip
    found = origins_of(receipt, store).of([film], ("spot", ""))
    assert len(found) == 25
    assert found[-1] == Source(None, more=36)
