"""What a contact sheet says a medium was made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_flows.plans.names import label
from rivya_flows.receipt.contact_sheet import contact_sheet
from rivya_flows.receipt.embedding import Embedder
from rivya_flows.receipt.sheet_origins import Origins, Source
from support.contact_sheets import Page, Store
from support.receipts import parsed

EVIL = '"><script>alert(1)</script>'


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "assets").mkdir()
    return Store(tmp_path / "assets")


def made(asset: dict[str, Any], step: str, key: str, *parents: dict[str, Any], **facts: Any) -> Any:
    maker = {
        "step": step,
        "key": key,
        "uses": "generate",
        "parents": [p["sha256"] for p in parents],
    }
    return asset | {"made_by": maker | facts, "given_as": None}


def receipt_of(store: Store) -> dict[str, Any]:
    """A photo becomes two stills, one of them is picked and becomes a film in two formats."""
    photo = store.put(b"photo", "image", "image/jpeg")
    studio, neon = (store.put(one, "image", "image/png") for one in (b"studio", b"neon"))
    tall, wide = (store.put(one, "video", "video/mp4") for one in (b"tall", b"wide"))
    candidates = [
        {"n": n, "key": key, "sha256": one["sha256"], "picked": key == "neon"}
        for n, (key, one) in enumerate({"studio": studio, "neon": neon}.items(), 1)
    ]
    by = {"name": "Priya", "channel": "form"}
    choice = {"mode": "human", "picked": ["neon"], "by": by, "candidates": candidates}
    paid = {"model": "z-image", "task_id": "task_1", "credits": 4, "prompt": f"a lamp {EVIL}"}
    stills = [{"key": "studio", "assets": [studio]}, {"key": "neon", "assets": [neon]}]
    return {
        "outputs": {"films": [tall, wide], "words": "hello"},
        "steps": [
            {"id": "stills", "uses": "generate", "items": stills},
            {"id": "hero", "uses": "pick", "items": [{"key": "", "assets": [neon], "choice": choice}]},
            {"id": "spot", "uses": "compose", "items": [{"key": "", "assets": [tall, wide]}]},
        ],
        "assets": [
            photo | {"made_by": None, "given_as": "inputs.photo"},
            made(studio, "stills", "studio", photo),
            made(neon, "stills", "neon", photo, **paid),
            made(tall, "spot", "", neon, photo, uses="compose"),
            made(wide, "spot", "", neon, photo, uses="compose"),
        ],
    }  # fmt: skip


def origins_of(receipt: dict[str, Any], store: Store) -> Origins:
    made = parsed(receipt)
    embedder = Embedder.of([made], store)
    for _, item in made.each():
        embedder.of_item(item.assets)
    return Origins(made, embedder, [step.id for step in made.steps])


def names(source: Source) -> str | None:
    """The item that made a source, or as what the run was given it."""
    assert source.card
    maker = source.card.made_by
    return label(maker.step, maker.key) if maker else source.card.given_as


def test_an_output_names_its_maker_and_the_chain_back_to_what_was_given(store: Store) -> None:
    receipt = receipt_of(store)
    [spot] = origins_of(receipt, store).of(receipt["outputs"]["films"])
    assert (names(spot), spot.picture, spot.anchor) == ("spot", None, "step-spot")
    neon, again = spot.sources
    [photo] = neon.sources
    assert (names(neon), neon.pick) == ("stills[neon]", ("hero", "by Priya in Prefect's form"))
    assert (names(photo), photo.again, photo.sources) == ("inputs.photo", False, ())
    assert (names(again), again.again) == ("inputs.photo", True)


def test_the_page_says_of_a_source_how_it_was_made_and_who_picked_it(store: Store) -> None:
    html = contact_sheet(parsed(receipt_of(store)), store)
    assert "z-image · 4\N{NO-BREAK SPACE}cr · task_1" in html
    assert "a lamp &#34;&gt;&lt;script&gt;" in html
    assert 'picked for hero</span><span class="told">by Priya in Prefect' in html


def test_an_item_names_what_it_took_and_not_itself(store: Store) -> None:
    receipt = receipt_of(store)
    origins = origins_of(receipt, store)
    stills, hero, spot = receipt["steps"]
    studio = origins.of(stills["items"][0]["assets"], ("stills", "studio"))
    assert [*map(names, studio)] == ["inputs.photo"]
    # A pick made nothing: its card names the item that did.
    picked = origins.of(hero["items"][0]["assets"], ("hero", ""))
    assert [*map(names, picked)] == ["stills[neon]"]
    composed = origins.of(spot["items"][0]["assets"], ("spot", ""))
    assert [*map(names, composed)] == ["stills[neon]", "inputs.photo"]
    assert origins.of("words") == ()


def test_the_page_shows_it_with_a_picture_of_what_it_shows_nowhere_else(store: Store) -> None:
    html = contact_sheet(parsed(receipt_of(store)), store)
    page = Page(html)
    assert page.open == []
    assert page.text.count("Made from") == 1 + 4
    assert "input photo" in page.text
    assert html.count("data:image/jpeg;base64,cGhvdG8=") == 1
    assert not any("alert" in str(one) for tag, one in page.found if tag not in ("img", "video"))
    places = {attrs["id"] for _, attrs in page.found if attrs.get("id")}
    links = {str(attrs["href"]) for tag, attrs in page.found if tag == "a" and "href" in attrs}
    assert {one[1:] for one in links if one.startswith("#")} <= places


def test_what_is_gone_is_named_without_a_picture(store: Store) -> None:
    receipt = receipt_of(store)
    (store.folder / receipt["assets"][0]["sha256"]).unlink()
    [spot] = origins_of(receipt, store).of(receipt["outputs"]["films"])
    photo = spot.sources[1]
    assert (names(photo), photo.picture, photo.anchor) == ("inputs.photo", None, "")
    assert Page(contact_sheet(parsed(receipt), store)).open == []


def test_media_that_are_their_own_sources_end(store: Store) -> None:
    receipt = receipt_of(store)
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
