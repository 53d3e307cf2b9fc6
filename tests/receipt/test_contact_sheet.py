"""The text of contact sheets: what they say, which files they hold, and that nothing becomes markup."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_flows.receipt import embedding
from rivya_flows.receipt.contact_sheet import contact_sheet, sheet_pieces
from rivya_flows.receipt.embedding import Served
from support.contact_sheets import (
    Page,
    Store,
    at,
    decided,
    judged,
    run_with_pick,
    run_with_spot,
    whole_run,
    with_words_everywhere,
)
from support.receipts import parsed

EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'; rm -rf ~ #\n`$(id)` --> \ud800"
FROM_NETWORK = re.compile(r'(src|srcset|poster|action)="https?:|@import|url\(')
DEADLINE = "2026-11-27T12:00:00.000Z"


def page_of(receipt: dict[str, Any], store: Store, **options: Any) -> Page:
    page = Page(contact_sheet(parsed(receipt), store, **options))
    assert page.open == []
    return page


def run_of(*assets: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {"steps": [{"id": "stills", "items": [{"assets": list(assets)}]}], **facts}


def attributes(page: Page, tag: str, name: str) -> list[str]:
    return [str(attrs[name]) for found, attrs in page.found if found == tag and name in attrs]


def test_a_whole_run_is_told(store: Store) -> None:
    page = page_of(whole_run(store), store)
    for words in (
        "Product launch run-2", "25 November 2026, 00:52 UTC", "took 1 h 1 min", "https://rivya.ai",
        "rivya-flows compare run-1 run-2 --open",
        "Not everything came out failed extra[noir] — the job failed skipped unused 12 credits are spent.",
        "Balance before 1,000 Balance after 988", "1080 × 1920 · 2.0 s", "headline Wake up none Not made.",
        "Made from spot compose", "Made from stills[neon] picked for hero by Priya in Prefect's form, 2026-11-25 12:04 UTC"
        " z-image · 1 cr · task_1 a lamp, neon input photo",
        "Where the time and the credits went", "stills 10 s", "hero 1 s + 1 d 23 h asked",
        "Total 12 credits", "compose · after hero",
        "neon picked for hero 1 credit z-image (fallback 2) aspect_ratio 9:16", '{ "visual": "oak" }',
        "Picked by Priya in Prefect's form, 2026-11-25 12:04 UTC studio 4 of 10 the base is cut off",
        "neon picked 8.5 of 10 proposed whole, and well lit", "3.2 s", "Poster", "GIF",
        "−16.0 LUFS true peak −1.3 dBTP lost: hero.png: its C2PA manifest",
        "2 captions, estimated timing 0:00.0 Wake up 1:01.5 Go on", "product Aurora styles neon, noir",
        "Ledger, 1 purchase", "seedream (fallback 1) task_1 succeeded",
    ):  # fmt: skip
        assert words in page.text, words
    assert page.text.count("Made from") == 2 + 4, "two outputs, and four items"
    assert len([one for _, one in page.found if str(one.get("class")).endswith("chosen")]) == 1
    assert "rivya-flows resume run-2 --answer" not in page.text
    rows = [attrs["aria-label"] for tag, attrs in page.found if attrs.get("role") == "img"]
    assert rows[:2] == [
        "stills: worked for 10 s, 2 items",
        "hero: worked for 1 s, asked a person for 1 d 23 h",
    ]
    links = {one for one in attributes(page, "a", "href") if one.startswith("#")}
    places = {str(attrs["id"]) for _, attrs in page.found if attrs.get("id")}
    assert {one[1:] for one in links} <= places


def test_a_waiting_run_begins_with_its_question_and_all_that_decides_it(store: Store) -> None:
    judge = {"model": "gemini-2-5-flash-chat", "least": 6.0, "criteria": ["it is whole", "sharp"]}
    run = judged(run_with_pick(store, deadline=DEADLINE, then="judge", judge=judge))
    html = contact_sheet(parsed(run), store)
    page = Page(html)
    for words in (
        "Which still becomes the film?", "1 studio 1 credit", "2 neon 1 credit", "8.5 of 10",
        "proposed by the judge", "whole, and well lit", "Open until 2026-11-27 12:00 UTC ; after"
        " that what the judge proposes is taken.", "Scores by gemini-2-5-flash-chat: it is whole; sharp",
        "rivya-flows resume run-1 --answer hero=NUMBER",
    ):  # fmt: skip
        assert words in page.text, words
    # The first place in the page has the data, so that they are seen without a script.
    assert max(html.index("Which still"), html.index("data:image/png")) < html.index("Step by step")
    assert [attrs["alt"] for tag, attrs in page.found if tag == "img" and "src" in attrs] == [
        "Picture of step stills, studio: a lamp, studio",
        "Picture of step stills, neon: a lamp, neon",
    ]
    assert "Judge gemini-2-5-flash-chat, at least 6 " in page_of(decided(run), store).text


def test_a_later_round_shows_the_note_and_what_was_refused(store: Store) -> None:
    old = store.put(b"old", "image", "image/png")
    earlier = [{"round": 0, "key": "studio", "sha256": old["sha256"], "text": None}]
    facts: dict[str, Any] = {
        "round": 1,
        "notes": ["warmer light"],
        "rounds_left": 2,
        "earlier": earlier,
    }
    run = run_with_pick(store, note_room=80, **facts)
    run["steps"].append({"id": "old", "items": [{"key": "studio", "assets": [old]}]})
    page = page_of(run, store)
    for words in (
        "round 2, with the note: warmer light", "Round 1: none of these (warmer light)", "up to 2 times more",
        '--answer "hero=none: what should be different"', "What should be different",
    ):  # fmt: skip
        assert words in page.text, words
    assert attributes(page, "input", "maxlength") == ["80"]


def waiting(**changes: Any) -> dict[str, Any]:
    """A run that waits for an answer between a text and fields."""
    candidates = [
        {"key": "a", "text": "Wake up"},
        {"n": 1_200, "key": "b", "text": '{"slogan":"Light, quietly","score":7}'},
    ]
    choice = {"question": "Which?", "waiting": True, "candidates": candidates} | changes
    return run_with(uses="pick", id="hero", items=[{"status": "suspended", "choice": choice}])


def run_with(**step: Any) -> dict[str, Any]:
    return {"run_id": "run-1", "spec": {"file": "spot.yaml"}, "steps": [{"id": "film"} | step]}


NOT_FOUND = {"status": "failed", "code": "not_found", "reason": "no file [HTTP 404]"}
TWO_STILLS = {"id": "stills", "items": [{"key": "0"}, {"key": "1"}]}
FAILED = run_with(items=[NOT_FOUND]) | {"credits": {"spent": 2}, "inputs": {"product": "kettle"}}
FAILED = FAILED | {"steps": [TWO_STILLS, *FAILED["steps"]]}


@pytest.mark.parametrize(
    ("receipt", "said", "unsaid"),
    [
        ({"title": "रोशनी का त्योहार"}, ["रोशनी का त्योहार"], ["compare"]),
        (run_with(items=[{"params": {"voice": "TX3LPaxmHKxFdv7VOQHJ"}}]), ["voice Liam"], ["TX3L"]),
        (run_with(items=[{"status": "skipped", "reason": "why"}]), ["Not run", "film — why"], ["Not everything"]),
        (FAILED | {"status": "failed"}, [
            "film — the service did not find something that the request names no file [HTTP 404]",
            "2 credits are spent. Kept, and not bought again: 2 of 2 stills.",
            "rivya-flows fork run-1 --spec spot.yaml Copy"], []),
        (FAILED | {"status": "completed"}, [], ["Copy"]),
        ({"status": "suspended", "outputs": {"films": None}}, [], ["films Empty."]),
        ({"status": "completed", "outputs": {"films": None}}, ["films Empty."], []),
        (run_with(credits=5), ["Where the credits went"], []),
        (run_with(credits=0), [], ["Where the credits went", "Total"]),
        (run_with(credits=0, items=[{"began_at": at(0), "ended_at": at(9)}]) | {
            "execution_times": [{"began_at": at(0), "ended_at": at(9)}]}, ["Where the time went"], ["Total"]),
        (run_with(status="skipped", id="hero.stills.2", items=[{"status": "skipped"}]), [], ["hero.stills.2"]),
        (run_with(status="completed", id="hero.stills.2", items=[{}]), ["hero.stills.2"], []),
        (waiting(count=2, deadline=DEADLINE, then="first"), [
            "Wake up", "1200 b", "slogan: Light, quietly score: 7", "after that the first 2 are taken"], []),
        (waiting(rounds_left=1, note_room=0), ['--answer "hero=none"'], ["What should be different"]),
    ],
    ids=["Hindi", "voice", "skipped", "failed", "failed in parts", "waiting output", "empty output",
         "credits", "no credits", "time alone", "unneeded round", "needed round", "texts", "no note"],
)  # fmt: skip
def test_a_part_of_a_run_is_told_in_its_words(
    receipt: dict[str, Any], said: list[str], unsaid: list[str], store: Store
) -> None:
    text = page_of(receipt, store).text
    assert [words for words in said if words not in text] == []
    assert [words for words in unsaid if words in text] == []


def test_a_pick_that_nobody_answered_in_time_can_still_be_answered(store: Store) -> None:
    run = run_with_pick(store, deadline=DEADLINE) | {"status": "failed"}
    run["steps"][1]["items"][0]["status"] = "failed"
    assert (
        "No one answered by 2026-11-27 12:00 UTC ; an answer still counts."
        in page_of(run, store).text
    )


def test_a_step_that_has_not_begun_is_waiting(store: Store) -> None:
    steps = [
        {"id": name, "status": "running", "items": [{"status": "running", "began_at": began}]}
        for name, began in (("stills", "2026-11-25T00:52:21.120Z"), ("film", None))
    ]
    page = contact_sheet(parsed({"status": "running", "steps": steps}), store)
    assert page.count('"status running"') == 2  # the run, and the step at work
    assert page.count('"status waiting"') == page.count("<article") == 1


def test_the_waterfall_begins_each_bar_where_the_last_one_ended(store: Store) -> None:
    steps = [{"id": name, "credits": cost} for name, cost in (("a", 1), ("b", 0), ("c", 3))]
    html = contact_sheet(parsed({"steps": steps}), store)
    bars = re.findall(r"--begin: ([\d.]+)%; --share: ([\d.]+)%", html)
    assert bars == [("0.0", "25.0"), ("25.0", "75.0")]


# --- What is shown, and from where ----------------------------------------------------------------


def test_every_file_is_embedded_once_and_nothing_comes_from_the_network(store: Store) -> None:
    picture = store.put(b"a picture", "image", "image/png")
    claimed = {"kind": "video", "sha256": picture["sha256"], "mime_type": "video/mp4"}
    run = run_of(picture, picture, outputs={"one": picture, "two": [picture], "as a film": claimed})
    html = contact_sheet(parsed(run), store)
    page = Page(html)
    assert page.sources("img", "video") == ["data:image/png;base64,YSBwaWN0dXJl"]
    assert len(re.findall(r"data-of=\"asset-[0-9a-f]{16}\"", html)) == 4
    assert not FROM_NETWORK.search(html)
    html = contact_sheet(parsed(whole_run(store)), store)
    assert html.count("data:image/jpeg;base64,cGhvdG8=") == 1, "of what is shown as a source alone"


def test_what_does_not_fit_into_the_page_is_linked_beside_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "MAX_EMBEDDED_BYTES", 8)
    media = [store.put(data, "image", "image/png") for data in (b"first", b"second", b"3rd")]
    page = page_of(run_of(*media), store, beside=tmp_path / "runs")
    data, linked = "data:image/png;base64,", f"../assets/{media[1]['sha256']}"
    assert page.sources("img") == [f"{data}Zmlyc3Q=", linked, f"{data}M3Jk"]


def test_a_large_picture_is_shown_small_and_leads_to_its_file(store: Store, tmp_path: Path) -> None:
    large = store.noise((1000, 1500))
    html = contact_sheet(parsed(run_of(large, outputs={"one": large})), store, beside=tmp_path)
    page, link = Page(html), f"assets/{large['sha256']}"
    [shown] = page.sources("img")
    with Image.open(io.BytesIO(base64.b64decode(shown.partition("base64,")[2]))) as small:
        assert (small.format, small.size) == ("WEBP", (427, 640))
    # The second place takes it from the first; without a script either opens the file.
    assert attributes(page, "img", "data-whole") == [link]
    links = [one for tag, one in page.found if tag == "a" and one.get("class") == "zoom"]
    assert links == [{"class": "zoom", "href": link, "rel": "noreferrer"}] * 2
    assert len(html) < store(large["sha256"]).stat().st_size


def test_a_page_on_a_server_has_small_pictures_and_links_and_no_data(store: Store) -> None:
    large, voice = store.noise((900, 900)), store.put(b"mp3", "audio", "audio/mpeg")
    served = Served(lambda one: f"m/{one.kind}", lambda one: f"s/{one.kind}")
    page = Page("".join(sheet_pieces(parsed(run_of(large, voice, large)), served)))
    assert page.open == []
    assert page.sources("img") == ["s/image", "s/image"]
    assert page.sources("audio") == ["m/audio"]
    assert attributes(page, "img", "data-whole") == ["m/image", "m/image"]


def test_without_a_script_pictures_and_films_lead_to_their_files(
    store: Store, tmp_path: Path
) -> None:
    page = page_of(whole_run(store), store, beside=tmp_path)
    links = [str(one["href"]) for tag, one in page.found if "zoom" in str(one.get("class"))]
    assert links
    assert all((tmp_path / link).is_file() for link in links)


def test_what_is_gone_or_was_not_recorded_is_said_and_never_read_by_its_path(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    of = {"kind": "image", "path": str(tmp_path / "secret"), "mime_type": "image/png"}
    gone = of | {"sha256": "0" * 64, "url": "https://x.example/"}
    other = store.put(b"of another run", "image", "image/png")
    outputs = {"a": of, "b": [gone], "c": other, "d": {"e": [other]}}
    run = run_of(gone, outputs=outputs, assets=[gone])

    def nowhere(sha256: str) -> Path:
        raise KeyError(sha256)

    for places in (store, nowhere):
        page = Page(contact_sheet(parsed(run), places))
        assert page.sources("img") == []
        assert "not here any more" in page.text
        assert other["url"] in page.text
        assert ("a", {"href": "https://x.example/", "rel": "noreferrer"}) in page.found


def test_each_of_many_outputs_has_the_name_of_the_item_that_made_it(store: Store) -> None:
    neon, noir, same = (store.put(one, "image", "image/png") for one in (b"1", b"2", b"3"))
    items = [{"key": "neon", "assets": [neon, same]}, {"key": "noir <b>", "assets": [noir, same]}]
    steps = [{"id": "stills", "items": items}, {"id": "hero", "items": [{"assets": [neon]}]}]
    outputs = {"all": [neon, noir, same]}
    page = contact_sheet(parsed({"steps": steps, "outputs": outputs}), store)
    captions = re.findall("<figcaption><b>(.*?)</b>", page)
    assert captions == ["neon", "noir &lt;b&gt;"]  # two items have the third
    page = contact_sheet(parsed(run_with_spot(store, key="hi")), store)
    assert re.findall("<figcaption><b>(.*?)</b>", page)[:2] == ["hi · 9:16", "hi · 16:9"]


def test_a_composed_film_is_there_with_captions_in_the_picture_and_with_a_track(
    store: Store,
) -> None:
    run = run_with_spot(store)
    cues = run["steps"][0]["items"][0]["captions"]["cues"]
    cues[1]["text"] = '--> </span></track><script>1</script>\n\n00:00 --> 00:09\nand "quoted"'
    page = page_of(run, store)
    assert len([attrs for tag, attrs in page.found if tag == "figure" and "hidden" in attrs]) == 2
    assert attributes(page, "button", "class") == ["switch", "close", "previous", "next"]
    tracks = [attrs for tag, attrs in page.found if tag == "track"]
    assert [(one["kind"], one["srclang"]) for one in tracks] == [("captions", "hi")] * 2
    head, _, data = str(tracks[0]["src"]).partition(";base64,")
    text = base64.b64decode(data).decode()
    assert head == "data:text/vtt;charset=utf-8"
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nWake up\n")
    assert (text.count("-->"), text.count("<script")) == (2, 0)
    page = page_of(run_with_spot(store, clean=False), store)
    assert "2 captions, estimated timing" in page.text
    assert "switch" not in attributes(page, "button", "class")
    assert "track" not in [tag for tag, _ in page.found]


# --- Text of models and users ---------------------------------------------------------------------


def test_refused_media_can_be_looked_at_and_accepted_from_the_page(store: Store) -> None:
    still = store.draw((30, 20), "grey")
    file = {"task_id": "task_1", "index": 0, "size_bytes": 9, "mime_type": "image/png"}
    item = {
        "status": "failed",
        "code": "quality_failed",
        "reason": "refused: 100% of its picture is of one colour; 1 credit lost",
        "files": [file | {name: still[name] for name in ("sha256", "url")}],
    }
    run = run_with(status="failed", items=[item]) | {"status": "failed"}
    page = page_of(run, store)
    [shown] = page.sources("img")
    assert shown.startswith("data:image/png;base64,")
    assert "use them for nothing: rivya-flows resume run-1 --accept film" in page.text
    warned = run_with(items=[{"model": "z-image", "faults": ["black for 90% of its 5.0 s"]}])
    assert "black for 90% of its 5.0 s" in page_of(warned, store).text


def test_no_text_of_a_receipt_becomes_markup(store: Store) -> None:
    judge = {"model": "m", "least": 6, "criteria": ["sharp"]}
    earlier = [{"round": 0, "key": "old", "sha256": None, "text": "old"}]
    facts: dict[str, Any] = {
        "notes": ["warmer"],
        "round": 1,
        "rounds_left": 1,
        "note_room": 9,
        "earlier": earlier,
    }
    asked = run_with_pick(store, ("gone", "neon"), judge=judge, judge_error="no scores", **facts)
    gone = asked["steps"][0]["items"][0]["assets"][0]
    gone["url"] = "javascript:1"
    store(gone["sha256"]).unlink()
    for run in (whole_run(store), asked, decided(judged(asked))):
        page = page_of(with_words_everywhere(run, EVIL) | {"inputs": {EVIL: EVIL}}, store)
        assert page.text.count("<script>alert(1)</script>") > 10
        assert [tag for tag, _ in page.found].count("script") == 1
        assert not [name for _, one in page.found for name in one if name.startswith("on")]
        assert all(one.startswith("data:") for one in page.sources("img", "video", "audio"))
        assert not [one for one in attributes(page, "a", "href") if one.startswith("javascript:")]


def test_what_a_terminal_acts_on_is_not_in_the_command(store: Store) -> None:
    run = run_with_pick(store, ("0", "1\x1b[201~\nreboot"))
    run["steps"][1]["items"][0]["key"] = "a\x1b[201~\nreboot"
    page = page_of(run, store)
    names = ("data-name", "data-answer")
    copied = [str(one[name]) for _, one in page.found for name in names if name in one]
    assert len(copied) == 3
    assert not any("\x1b" in one or "\n" in one for one in copied)
