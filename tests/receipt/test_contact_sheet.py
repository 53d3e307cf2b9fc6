from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_flows.receipt import embedding as module
from rivya_flows.receipt.contact_sheet import SheetRow, batch_sheet, contact_sheet
from support.browser import CHROMIUM, browsing
from support.contact_sheets import Page, Store, run_with_spot
from support.receipts import parsed


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "assets").mkdir()
    return Store(tmp_path / "assets")


def receipt_of(*assets: dict[str, Any], **facts: Any) -> dict[str, Any]:
    item = {"key": "", "status": "completed", "credits": 1, "assets": list(assets)}
    step = {"id": "stills", "uses": "generate", "status": "completed", "credits": 1}
    return {"name": "spot", "steps": [step | {"items": [item]}]} | facts


def test_a_whole_receipt_is_shown(store: Store) -> None:
    picture = store.put(b"png", "image", "image/png", width=9, height=16)
    voice = store.put(b"mp3", "audio", "audio/mpeg", duration_seconds=3.25)
    receipt = {
        "run_id": "run-20261125-005221-k3f9",
        "name": "product-launch",
        "title": "Product launch",
        "status": "failed",
        "started_at": "2026-11-25T00:52:21.120Z",
        "ended_at": "2026-11-25T01:53:58.480Z",
        "service": "https://rivya.ai",
        "credits": {"before": 1000, "after": 988, "spent": 12, "saved": 6},
        "inputs": {"product": "Aurora", "styles": ["neon", "noir"], "reference": None},
        "outputs": {"spot": picture, "all": [picture, voice], "headline": "Wake up", "none": None},
        "steps": [
            {
                "id": "stills",
                "uses": "generate",
                "status": "failed",
                "title": "Moods",
                "credits": 12,
                "items": [
                    {
                        "key": "neon",
                        "status": "completed",
                        "credits": 12,
                        "model": "z-image",
                        "alternative": 2,
                        "prompt": "a lamp",
                        "params": {"aspect_ratio": "9:16"},
                        "task_ids": ["task_1"],
                        "assets": [picture],
                    },
                    {"key": "noir", "status": "failed", "reason": "the job failed", "credits": 0},
                ],
            },
            {"id": "script", "status": "completed", "items": [{"text": '{"visual": "oak"}'}]},
        ],
        "ledger": [
            {
                "at": "2026-11-25T00:52:21.120Z",
                "step": "stills",
                "task_id": "task_1",
                "final": 12,
                "model": "seedream",
                "alternative": 1,
            }
        ],
        "assets": [picture, voice],
    }
    page = Page(contact_sheet(parsed(receipt), store))
    assert page.open == []
    for words in (
        "Product launch", "run-20261125-005221-k3f9", "25 November 2026, 00:52 UTC",
        "took 1 h 1 min", "https://rivya.ai", "1,000", "988", "z-image (fallback 2)", "seedream (fallback 1)", "aspect_ratio 9:16",
        "a lamp", "task_1", "the job failed", "Wake up", "neon, noir", "9 × 16", "3.2 s",
        '"visual": "oak"', "Ledger, 1 purchase",
    ):  # fmt: skip
        assert words in page.text, words


def test_every_file_is_embedded_once_and_nothing_comes_from_the_network(store: Store) -> None:
    picture = store.put(b"a picture", "image", "image/png")
    receipt = receipt_of(picture, picture, outputs={"one": picture, "two": [picture]})
    html = contact_sheet(parsed(receipt), store)
    page = Page(html)
    assert page.sources("img") == ["data:image/png;base64,YSBwaWN0dXJl"]
    assert html.count('data-of="asset-1"') == 3
    assert not re.search(r'(src|srcset|poster|action)="https?:|@import|url\(', html)


def test_a_large_file_is_linked_beside_the_page(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_EMBEDDED_BYTES", 3)
    film = store.put(b"long film", "video", "video/mp4")
    page = Page(contact_sheet(parsed(receipt_of(film)), store, beside=tmp_path / "runs"))
    assert page.sources("video") == [f"../assets/{film['sha256']}"]


def test_what_does_not_fit_into_the_page_any_more_is_linked(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_EMBEDDED_BYTES", 8)
    media = [store.put(data, "image", "image/png") for data in (b"first", b"second", b"3rd")]
    text = contact_sheet(parsed(receipt_of(*media)), store, beside=tmp_path)
    embedded = "data:image/png;base64,"
    linked = f"assets/{media[1]['sha256']}"
    assert Page(text).sources("img") == [f"{embedded}Zmlyc3Q=", linked, f"{embedded}M3Jk"]


def test_a_large_picture_is_shown_small_and_leads_to_its_file(store: Store, tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.effect_noise((1000, 1500), 80).save(data, "png")
    large = store.put(data.getvalue(), "image", "image/png")
    text = contact_sheet(parsed(receipt_of(large, outputs={"one": large})), store, beside=tmp_path)
    page, link = Page(text), f"assets/{large['sha256']}"
    (shown,) = page.sources("img")
    with Image.open(io.BytesIO(base64.b64decode(shown.partition("base64,")[2]))) as small:
        assert (small.format, small.size) == ("WEBP", (427, 640))
    # The second place takes it from the first; without a script either opens the file.
    assert [one.get("data-whole") for tag, one in page.found if tag == "img"] == [link, None]
    links = [one for tag, one in page.found if tag == "a" and one.get("class") == "zoom"]
    assert links == [{"class": "zoom", "href": link, "rel": "noreferrer"}] * 2
    assert len(text) < len(data.getvalue())


def test_a_page_on_a_server_has_small_pictures_and_links(store: Store) -> None:
    data = io.BytesIO()
    Image.effect_noise((900, 900), 80).save(data, "png")
    large = store.put(data.getvalue(), "image", "image/png")
    voice = store.put(b"mp3", "audio", "audio/mpeg")
    text = contact_sheet(
        parsed(receipt_of(large, voice)), store, asset_url=lambda one: f"m/{one.kind}"
    )
    page = Page(text)
    assert page.sources("img")[0].startswith("data:image/webp;base64,")
    assert page.sources("audio") == ["m/audio"]
    assert 'data-whole="m/image"' in text


def test_a_file_that_is_gone_is_said_to_be_gone(store: Store) -> None:
    def nowhere(sha256: str) -> Path:
        raise KeyError(sha256)

    asset = {"kind": "image", "sha256": "ab", "path": "/not/there.png", "url": "https://x.example/"}
    page = Page(contact_sheet(parsed(receipt_of(asset)), nowhere))
    assert "not here any more" in page.text
    assert ("a", {"href": "https://x.example/", "rel": "noreferrer"}) in page.found
    assert page.sources("img") == []


def test_no_file_is_read_by_a_path_not_even_by_that_of_a_recorded_medium(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    asset = {"kind": "image", "path": str(tmp_path / "secret"), "mime_type": "image/png"}
    known = asset | {"sha256": "0" * 64}
    receipt = receipt_of(known, outputs={"a": asset, "b": [known]}, assets=[known])
    html = contact_sheet(parsed(receipt), store)
    assert "c2VjcmV0" not in html, "the file in base64"
    assert Page(html).sources("img") == []


def test_each_of_many_outputs_has_the_name_of_the_item_that_made_it(store: Store) -> None:
    neon, noir, same = (store.put(one, "image", "image/png") for one in (b"1", b"2", b"3"))
    items = [
        {"key": key, "assets": [one, same]} for key, one in {"neon": neon, "noir <b>": noir}.items()
    ]
    picked = {"id": "hero", "items": [{"key": "", "assets": [neon]}]}
    receipt = {"steps": [{"id": "stills", "items": items}, picked]}
    page = contact_sheet(parsed(receipt | {"outputs": {"all": [neon, noir, same]}}), store)
    captions = re.findall("<figcaption><b>(.*?)</b>", page)
    assert captions == ["neon", "noir &lt;b&gt;"]  # two items have the third


def test_what_the_run_did_not_record_is_shown_as_text(store: Store) -> None:
    other = store.put(b"of another run", "image", "image/png")
    html = contact_sheet(parsed({"outputs": {"a": other, "b": {"c": [other]}}}), store)
    assert Page(html).sources("img") == []
    assert other["url"] in Page(html).text


def test_a_medium_is_shown_as_what_it_was_recorded_as(store: Store) -> None:
    picture = store.put(b"p", "image", "image/png")
    claimed = {"kind": "video", "sha256": picture["sha256"], "mime_type": "video/mp4"}
    page = Page(contact_sheet(parsed(receipt_of(picture, outputs={"a": claimed})), store))
    assert page.sources("img") == ["data:image/png;base64,cA=="]
    assert page.sources("video") == []


def test_text_from_models_and_users_cannot_become_markup(store: Store) -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    asset = store.put(b"x", "image", f'image/png{evil}"') | {"url": "javascript:1"}
    item: dict[str, Any] = {
        "key": evil,
        "status": "failed",
        "reason": evil,
        "model": evil,
        "prompt": evil,
    }
    item |= {"params": {evil: evil}, "task_ids": [evil], "assets": [asset], "text": evil}
    receipt = {
        "title": evil, "run_id": evil, "status": "failed", "service": evil,
        "inputs": {evil: evil}, "outputs": {evil: evil, "asset": asset},
        "steps": [{"id": evil, "uses": evil, "title": evil, "credits": 1, "items": [item]}],
        "ledger": [{"step": evil, "model": evil}],
    }  # fmt: skip
    page = Page(contact_sheet(parsed(receipt), store))
    assert [tag for tag, _ in page.found].count("script") == 1
    assert not any("onerror" in attrs for _, attrs in page.found)
    assert "javascript:" not in str([attrs.get("href") for _, attrs in page.found])


def test_a_step_that_has_not_begun_is_waiting(store: Store) -> None:
    begun, none = {"began_at": "2026-11-25T00:52:21.120Z"}, {"began_at": None}
    steps = [
        {"id": name, "status": "running", "credits": 0, "items": [{"status": "running"} | began]}
        for name, began in (("stills", begun), ("film", none))
    ]
    page = contact_sheet(parsed({"status": "running", "steps": steps}), store)
    assert page.count('"status running"') == 2  # the run, and the step at work
    assert page.count('"status waiting"') == page.count("<article") == 1


def test_the_waterfall_begins_each_bar_where_the_last_one_ended(store: Store) -> None:
    steps = [{"id": name, "credits": cost} for name, cost in (("a", 1), ("b", 0), ("c", 3))]
    html = contact_sheet(parsed({"steps": steps}), store)
    assert re.findall(r"--begin: ([\d.]+)%; --share: ([\d.]+)%", html) == [
        ("0.0", "25.0"),
        ("25.0", "75.0"),
    ]


@pytest.mark.parametrize(
    ("status", "heading"), [("failed", "Not everything came out"), ("skipped", "Not run")]
)
def test_what_was_skipped_is_not_called_a_failure(status: str, heading: str, store: Store) -> None:
    item = {"key": "neon", "status": status, "reason": "the reason"}
    page = Page(contact_sheet(parsed({"steps": [{"id": "a", "items": [item]}]}), store))
    assert heading in page.text
    assert "a · neon — the reason" in page.text


EVIL = '--> </span></track><script>alert(1)</script>\n\n00:00 --> 00:09\nand "quoted"'


def test_a_composed_film_shows_its_formats_with_captions_and_without(store: Store) -> None:
    page = Page(contact_sheet(parsed(run_with_spot(store, evil=EVIL)), store))
    assert page.open == []
    for words in (
        "2 captions, estimated timing", "0:00.0 Wake up", "1:01.5", "−16.0 LUFS",
        "true peak −1.3 dBTP", "lost: hero.png: its C2PA manifest", "Poster", "GIF",
    ):  # fmt: skip
        assert words in page.text, words
    figures = [dict(one) for tag, one in page.found if tag == "figure"]
    assert len([one for one in figures if "hidden" in one]) == 2
    buttons = [str(one["class"]) for tag, one in page.found if tag == "button"]
    assert buttons == ["switch", "close", "previous", "next"]
    assert not any("alert" in str(one) for tag, one in page.found if tag != "track")
    assert [tag for tag, _ in page.found].count("script") == 1


def test_captions_of_a_film_without_them_are_a_track_that_no_text_can_leave(store: Store) -> None:
    page = Page(contact_sheet(parsed(run_with_spot(store, evil=EVIL)), store))
    tracks = [one for tag, one in page.found if tag == "track"]
    assert [(one["kind"], one["srclang"]) for one in tracks] == [("captions", "hi")] * 2
    head, _, data = str(tracks[0]["src"]).partition(";base64,")
    text = base64.b64decode(data).decode()
    assert head == "data:text/vtt;charset=utf-8"
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nWake up\n")
    assert text.count("-->") == 2
    assert "<script" not in text


def test_captions_in_the_picture_alone_have_no_switch(store: Store) -> None:
    page = Page(contact_sheet(parsed(run_with_spot(store, clean=False)), store))
    assert not [one for tag, one in page.found if tag == "track"]
    assert "switch" not in [one.get("class") for tag, one in page.found if tag == "button"]
    assert "2 captions, estimated timing" in page.text


def test_formats_of_one_film_bear_their_names_among_the_outputs(store: Store) -> None:
    receipt = run_with_spot(store, key="hi")
    captions = re.findall("<figcaption><b>(.*?)</b>", contact_sheet(parsed(receipt), store))
    assert captions[:2] == ["hi · 9:16", "hi · 16:9"]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_captions_are_switched_off_and_on_where_the_film_is(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "sheet.html"
    path.write_text(contact_sheet(parsed(run_with_spot(store)), store, beside=tmp_path))
    shown = "[...document.querySelectorAll('.step .format .media')].map(one => one.hidden)"
    with browsing(tmp_path / "profile") as tab:
        tab.open(path.as_uri())
        tab.wait_for(".switch")
        assert tab.value(shown) == [False, True, False, True, False, False]
        tab.click(".switch")
        assert tab.value(shown) == [True, False, True, False, False, False]
        tab.value("document.querySelector('track').track.mode = 'showing'")
        tab.until("document.querySelector('track').track.cues?.length === 2", "the captions")
        tab.click(".switch")
        assert tab.value(shown) == [False, True, False, True, False, False]


def test_words_in_hindi_stay_as_they_are(store: Store) -> None:
    assert "रोशनी का त्योहार" in contact_sheet(parsed({"title": "रोशनी का त्योहार"}), store)


def test_a_failed_run_says_what_failed_what_is_kept_and_the_command_that_continues(
    store: Store, tmp_path: Path
) -> None:
    raw = "not_found: No such file. [HTTP 404] (request req_59fe)"
    film = {"key": "", "status": "failed", "code": "not_found", "reason": raw}
    stills = [{"key": str(n), "status": "completed", "credits": 1} for n in range(2)]
    failed = {
        "run_id": "run-1",
        "status": "failed",
        "credits": {"spent": 2, "saved": 0, "before": 9, "after": 7},
        "spec": {"file": "spot.yaml"},
        "inputs": {"product": "Comet kettle"},
        "outputs": {"spot": None},
        "steps": [
            {"id": "stills", "uses": "generate", "status": "completed", "items": stills},
            {"id": "film", "uses": "generate", "status": "failed", "items": [film]},
        ],
    }
    page = Page(contact_sheet(parsed(failed), store))
    for words in (
        f"film — the service did not find something that the request names {raw}",
        "2 credits are spent. Kept, and not bought again: stills (2 of 2).",
        "rivya-flows fork run-1 --spec spot.yaml Copy",
        "spot Not made.",
    ):
        assert words in page.text, words
    assert not [tag for tag, _ in page.found if tag == "blockquote"]
    assert "Copy" not in Page(contact_sheet(parsed(failed | {"status": "completed"}), store)).text


def test_a_voice_has_its_name_and_not_its_id(store: Store) -> None:
    item = {"key": "", "status": "completed", "params": {"voice": "TX3LPaxmHKxFdv7VOQHJ"}}
    steps = [{"id": "voice", "uses": "generate", "items": [item]}]
    text = Page(contact_sheet(parsed({"steps": steps}), store)).text
    assert "voice Liam" in text
    assert "TX3L" not in text


def batch_of(store: Store, folder: Path, *rows: SheetRow) -> str:
    credits = {"spent": 3, "saved": 0, "budget": 1_200, "before": 100, "after": 97}
    document = {"batch_id": "batch-shop-1", "status": "over_budget", "credits": credits}
    return batch_sheet(
        rows, title="Shop", document=document, before=0, asset_path=store, beside=folder
    )


def row_of(number: int, folder: Path | None, *assets: dict[str, Any], **outputs: Any) -> SheetRow:
    receipt = receipt_of(*assets, outputs=outputs)
    return SheetRow(number, f"Acme & {number}", "completed", 1, None, folder, parsed(receipt))


def test_a_batch_has_a_page_with_each_row_and_links_to_its_own(
    store: Store, tmp_path: Path
) -> None:
    picture = store.put(b"a picture", "image", "image/png")
    batch = tmp_path / "batch"
    refused = SheetRow(3, "<b>", "over_budget", 0, "needs 2 credits", None, parsed({}))
    rows = (
        row_of(1, batch / "001-acme#1", picture, still=picture),
        row_of(2, tmp_path / "other", picture, still=picture, line="<script>1</script>", none=None),
        refused,
    )
    html = batch_of(store, batch, *rows)
    page = Page(html)
    assert page.open == []
    for words in (
        "Shop", "batch-shop-1", "over budget", "2 of 3 rows completed", "1,200", "Acme & 1", "<script>1</script>",
        "<b> — needs 2 credits",
    ):  # fmt: skip
        assert words in page.text.replace(" —", " —"), words
    links = [attrs["href"] for tag, attrs in page.found if tag == "a" and "href" in attrs]
    assert "001-acme%231/contact-sheet.html" in links
    assert "../other/contact-sheet.html" in links
    assert page.sources("img") == ["data:image/png;base64,YSBwaWN0dXJl"], "each picture once"
    assert html.count('data-of="asset-1"') == 1
    assert not re.search(r'(src|srcset|poster|action)="https?:|@import|url\(', html)


def test_the_page_of_a_long_batch_holds_some_media_of_each_row_and_stays_small(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_EMBEDDED_BYTES", 100)
    rows = []
    for number in range(1, 301):
        media = [store.put(b"%d %d" % (number, n), "image", "image/png") for n in range(8)]
        rows.append(row_of(number, tmp_path / f"{number}", *media, stills=media, text="x" * 9_000))
    html = batch_of(store, tmp_path, *rows)
    page = Page(html)
    assert len(page.sources("img")) == 300 * 6
    assert page.text.count("and 2 more media") == 300
    assert "x" * 601 not in html
    assert len(html) < 300 * 6_000


def test_the_page_of_a_fork_names_the_command_that_compares_it(store: Store) -> None:
    fork = {"run_id": "run-2", "fork": {"run_id": "run-1", "step": "film"}}
    command = "rivya-flows compare run-1 run-2 --open"
    assert command in Page(contact_sheet(parsed(fork), store)).text
    assert (
        "compare" not in Page(contact_sheet(parsed({"run_id": "run-2", "fork": None}), store)).text
    )


def test_captions_with_half_of_a_character_are_on_the_page(tmp_path: Path) -> None:
    store = Store(tmp_path)
    page = Page(contact_sheet(parsed(run_with_spot(store, evil="half \ud800 of it")), store))
    assert "2 captions" in page.text


@pytest.mark.parametrize(("credits", "drawn"), [((5, 0), True), ((0, 0), False)])
def test_credits_have_a_waterfall_if_any_are_spent(credits: tuple[int, int], drawn: bool) -> None:
    steps = [{"id": name, "credits": paid} for name, paid in zip("ab", credits, strict=True)]
    html = contact_sheet(parsed({"steps": steps}), Path)
    assert ("--share: 100.0%" in html, "Where the credits went" in html) == (drawn, drawn)


@pytest.mark.parametrize(("status", "told"), [("suspended", False), ("completed", True)])
def test_an_output_without_a_value_is_told_once_the_run_has_ended(status: str, told: bool) -> None:
    page = Page(contact_sheet(parsed({"status": status, "outputs": {"films": None}}), Path))
    assert ("films Empty." in page.text) is told
