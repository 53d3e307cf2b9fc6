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


def names(sources: tuple[tuple[Source, ...], int]) -> list[str | None]:
    """The items that made sources, or as what the run was given them."""
    found = [(one.card.made_by, one.card.given_as) for one in sources[0]]
    return [label(maker.step, maker.key) if maker else given for maker, given in found]


def test_an_output_names_its_maker_and_leads_to_it(store: Store) -> None:
    receipt = whole_run(store)
    [spot], more = origins_of(receipt, store).of(receipt["outputs"]["spot"])
    assert spot.card.made_by
    assert (spot.card.made_by.step, spot.picture, spot.anchor, more) == (
        "spot",
        None,
        "step-spot",
        0,
    )


def test_an_item_names_what_it_took_and_not_itself(store: Store) -> None:
    receipt = whole_run(store)
    origins = origins_of(receipt, store)
    stills, hero, *_, spot = receipt["steps"][:5]
    studio = origins.of(stills["items"][0]["assets"], ("stills", "studio"))
    assert names(studio) == ["inputs.photo"]
    assert studio[0][0].picture, "the page has what the run was given nowhere else"
    # A pick made nothing: its card names the item that did.
    assert names(origins.of(hero["items"][0]["assets"], ("hero", ""))) == ["stills[neon]"]
    composed = origins.of(spot["items"][0]["assets"], ("spot", ""))
    assert names(composed) == ["stills[neon]", "inputs.photo"]
    assert composed[0][0].pick == ("hero", "by Priya in Prefect's form, 2026-11-25 12:04 UTC")
    assert origins.of("words") == ((), 0)


def test_what_is_gone_is_named_without_a_picture(store: Store) -> None:
    receipt = whole_run(store)
    (store.folder / receipt["assets"][0]["sha256"]).unlink()
    item = receipt["steps"][0]["items"][0]
    [photo], _ = origins_of(receipt, store).of(item["assets"], ("stills", item["key"]))
    assert (photo.card.given_as, photo.picture, photo.anchor) == ("inputs.photo", None, "")


def test_the_sources_of_a_place_are_bounded(store: Store) -> None:
    clips = [store.put(b"%d" % n, "image", "image/png") for n in range(60)]
    film = store.put(b"film", "video", "video/mp4")
    receipt = {
        "steps": [{"id": "spot", "items": [{"key": "", "assets": [film]}]}],
        "assets": [*(made(one, "clips", str(n)) for n, one in enumerate(clips)), made(film, "spot", "", *clips)],
    }  # fmt: skip
    found, more = origins_of(receipt, store).of([film], ("spot", ""))
    assert (len(found), more) == (24, 36)
