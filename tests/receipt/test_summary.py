"""Sentences and lists that are made of a receipt."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_client.catalogue.prices import price_of, price_range
from rivya_flows.queue.events import OtherRun, PoolTotal, PurchaseIntended
from rivya_flows.receipt.model import Item
from rivya_flows.receipt.phrases import model_of, other_runs, pool_left
from rivya_flows.receipt.summary import (
    account_line,
    failure_codes,
    films,
    full_sentence,
    is_owed,
    notes,
    pools,
    run_json,
    sentence,
    shortfalls,
    troubles,
)
from support.campaigns import a_set, until
from support.many_spots import spots_of
from support.naive_service import NaiveService, Rehearsal, frozen
from support.receipts import parsed, receipt_of, whole

TWO_STEPS = """
version: 1
name: shots
steps:
  stills:
    uses: generate
    foreach: [a, b]
    allow_failures: 2
    with: {model: z-image, prompt: "lamp ${{ item }}"}
  hero:
    uses: generate
    with: {model: nano-banana, prompt: a lamp}
"""


def ended(**service: Any) -> dict[str, Any]:
    rehearsal = Rehearsal(frozen(TWO_STEPS), NaiveService(**service))
    rehearsal.take_up()
    rehearsal.run()
    return receipt_of(rehearsal)


def pool(**fields: Any) -> dict[str, Any]:
    total = {"name": "acme", "credits": 500, "soft": 400, "spent": 380, "until": None}
    return total | fields


def test_the_sentence_counts_items_and_credits() -> None:
    receipt = ended()
    spent = receipt["credits"]["spent"]
    assert sentence(parsed(receipt)) == f"2 of 2 stills, hero; {spent} credits"
    receipt["credits"] |= {"spent": 1, "saved": 3}
    assert sentence(parsed(receipt)) == "2 of 2 stills, hero; 1 credit, 3 saved"
    assert full_sentence(parsed(receipt)) == sentence(parsed(receipt))
    assert (
        full_sentence(parsed(receipt | {"sandbox": True}))
        == f"{sentence(parsed(receipt))} (sandbox)"
    )


def test_a_run_that_made_nothing_says_so() -> None:
    receipt = ended(refusing_models={"z-image", "nano-banana"})
    assert sentence(parsed(receipt)) == "stills, hero; done: 0 of 2 stills; 0 credits"
    receipt["steps"] = receipt["steps"][1:]
    assert sentence(parsed(receipt)) == "hero; nothing was made; 0 credits"


def test_a_round_that_was_not_needed_is_neither_counted_nor_a_trouble() -> None:
    receipt = ended()
    skipped = {"key": "", "status": "skipped", "reason": "not asked for", "code": None}
    unused = {"id": "pick.stills.2", "status": "skipped", "items": [skipped, skipped]}
    receipt["steps"].append(unused)
    assert sentence(parsed(receipt)).startswith("2 of 2 stills, hero;")
    assert troubles(parsed(receipt)) == []
    receipt["steps"][-1] = unused | {"items": [skipped | {"status": "failed"}]}
    assert troubles(parsed(receipt)) == ["pick.stills.2 failed: not asked for"]


def test_an_include_and_a_repeat_are_one_part_each_and_what_an_if_skips_one_line() -> None:
    run = spots_of()
    run.run()
    receipt = parsed(receipt_of(run))
    spent = receipt.credits.spent
    assert sentence(receipt) == f"still, 3 of 3 spots, sketch in 2 rounds; {spent} credits"
    assert troubles(receipt) == [
        "variants skipped: its `if` is false for these inputs",
        "spots__oslo__variants[day] and 5 more skipped: its `if` is false for these inputs",
    ]


def test_a_skipped_step_is_named_alone_only_where_all_of_it_was_skipped() -> None:
    skipped = {"status": "skipped", "reason": "its `if` is false"}
    inside = {"part_of": "spots", "items": [skipped | {"key": "a"}, {"key": "b"}]}
    steps = [
        inside | {"id": "spots__oslo__extra"},
        inside | {"id": "spots__graz__extra"},
        {"id": "extra", "items": [skipped | {"key": "a"}, skipped | {"key": "b"}]},
    ]
    assert troubles(parsed({"steps": steps})) == [
        "spots__oslo__extra[a] and 1 more skipped: its `if` is false",
        "extra skipped: its `if` is false",
    ]


def test_a_skip_inside_that_an_allowed_failure_did_not_cause_has_its_line() -> None:
    failed = {"key": "a", "status": "failed", "reason": "no"}
    skipped = {"status": "skipped", "reason": "its `if` is false"}
    inside = {"id": "spots__oslo__extra", "part_of": "spots", "needs": ["stills"]}
    steps = [
        {"id": "stills", "status": "completed", "items": [failed, {"key": "b"}]},
        inside | {"status": "skipped", "items": [skipped]},
    ]
    lines = ["stills[a] failed: no", "spots__oslo__extra skipped: its `if` is false"]
    assert troubles(parsed({"steps": steps})) == lines
    steps[0] |= {"status": "failed"}
    assert troubles(parsed({"steps": steps})) == lines[:1]


def test_of_a_failed_include_only_what_failed_inside_is_named() -> None:
    run = spots_of(NaiveService(refusing_models={"veo3-1-lite"}))
    run.run()
    receipt = parsed(receipt_of(run))
    failed = "spots__oslo__clip, spots__graz__clip, spots__pune__clip"
    assert sentence(receipt).startswith(f"{failed}; done: still, 0 of 3 spots, sketch in 2 rounds")
    assert troubles(receipt)[2:] == ["spots__oslo__clip and 2 more failed: no"]


def test_what_failed_is_named_with_its_reason_and_code() -> None:
    receipt = ended(refusing_models={"z-image"})
    assert troubles(parsed(receipt)) == ["stills[a] and 1 more failed: no"]
    codes = {one["code"] for one in receipt["steps"][0]["items"]}
    assert failure_codes(parsed(receipt)) == codes - {None}
    assert failure_codes(parsed(ended())) == set()


def test_a_budget_that_was_passed_is_told_in_the_words_of_the_plan() -> None:
    receipt = ended()
    spent = receipt["credits"]["spent"]
    receipt["credits"]["budget"] = spent
    assert troubles(parsed(receipt)) == []
    receipt["credits"]["budget"] = spent - 2
    words = f"2 credits over the budget of {spent - 2}; the purchase that passed it was the last"
    assert troubles(parsed(receipt)) == [words]


def test_differences_of_the_books_are_troubles_told_once_and_a_shared_wallet_is_a_note() -> None:
    receipt = ended()
    assert troubles(parsed(receipt)) == notes(parsed(receipt)) == []
    doubt = {"kind": "uncertain", "words": "hero may be paid", "step": "hero", "key": ""}
    wallet = {"kind": "wallet", "words": "3 spent by something else"}
    receipt["agreement"] = {"differences": [wallet, doubt]}
    assert troubles(parsed(receipt)) == ["books: hero may be paid"]
    assert notes(parsed(receipt)) == ["3 spent by something else"]
    [hero] = receipt["steps"][1]["items"]
    hero |= {"status": "failed", "code": "uncertain", "reason": "refused now"}
    assert troubles(parsed(receipt)) == ["hero failed: refused now"]


def test_a_pool_is_named_and_its_soft_limit_only_once_it_is_passed() -> None:
    at_limit, over = pool(spent=400), pool(spent=401, until="2026-12-01T00:00:00Z")
    receipt = {"pools": [at_limit, over, pool(soft=None, spent=500)]}
    passed = (
        "pool acme: 99 of 500 credits left until 2026-12-01 (UTC); its soft limit of 400 is passed"
    )
    first, last = (f"pool acme: {left} of 500 credits left" for left in (100, 0))
    assert pools(parsed(receipt)) == [first, passed, last]
    assert notes(parsed(receipt)) == pools(parsed(receipt), soft_passed=True) == [passed]
    assert pool_left(PoolTotal.model_validate(pool())) == "pool acme: 120 of 500 credits left"


@pytest.mark.parametrize(
    ("wallet", "labels", "line"),
    [
        ("acme", {"client": "acme", "team": "film"}, "wallet: acme; labels: client=acme, team=film"),
        (None, {"client": "acme"}, "labels: client=acme"),
        (None, {}, ""),
    ],
)  # fmt: skip
def test_the_line_of_the_account_has_what_there_is(
    wallet: str | None, labels: dict[str, str], line: str
) -> None:
    assert account_line(parsed({"wallet": wallet, "labels": labels})) == line


def test_a_purchase_without_an_outcome_is_owed_only_once_its_item_failed() -> None:
    rehearsal = a_set(1, 9)
    rehearsal.take_up()
    until(rehearsal, PurchaseIntended)
    receipt = receipt_of(rehearsal)
    assert not is_owed(parsed(receipt))
    receipt["steps"][0]["items"][0]["status"] = "failed"
    assert is_owed(parsed(receipt))
    receipt["ledger"][0]["status"] = "refused"
    assert not is_owed(parsed(receipt))


def test_the_document_of_a_run_has_a_reason_only_where_there_is_one() -> None:
    receipt = ended(refusing_models={"nano-banana"})
    document: Any = run_json(
        parsed(receipt), receipt_path="/r/receipt.json", report_path="/r/sheet.html"
    )
    stills, hero = document["steps"]
    assert [(one["key"], one["status"], "reason" in one) for one in stills["items"]] == [
        ("a", "completed", False),
        ("b", "completed", False),
    ]
    assert hero["items"][0]["reason"] == "no"
    assert document["credits"].keys() == {"before", "after", "spent", "saved"}
    assert (document["receipt"], document["report"]) == ("/r/receipt.json", "/r/sheet.html")


def test_a_film_is_told_by_its_formats_sound_captions_and_losses() -> None:
    film = {"kind": "video", "sha256": "1"}
    wide = film | {"width": 1920, "height": 1080, "duration_seconds": 6.04, "size_bytes": 2_345_678}
    cue = {"start": 0, "end": 1, "text": "Go"}
    item = {
        "by": {"16:9": {"asset": wide}, "clean": {"asset": film | {"width": 10, "height": 20}}},
        "loudness": {"lufs": -16.04, "true_peak": -1.5},
        "captions": {"cues": [cue, cue], "estimated": True, "language": None},
        "lost": ["the GPS position"],
    }
    other = {"key": "b", "captions": {"cues": [], "estimated": False, "language": "en"}}
    made = parsed({"steps": [{"id": "spot", "items": [item, other]}]})
    assert shortfalls(made) == ["spot: lost: the GPS position"]
    assert films(made) == [
        "spot 16:9: 1920 × 1080, 6.0 s, 2.3 MB",
        "spot: 10 × 20",
        "spot: -16.0 LUFS, true peak -1.5 dBTP; captions: 2, estimated timing",
        "spot[b]: captions: 0",
    ]


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [(1, 1, "1 credit"), (1, 2, "1–2 credits"), (0, 1, "0–1 credits"), (3, None, "from 3 credits")],
)
def test_a_price_is_one_number_a_range_or_a_least(least: int, most: int | None, words: str) -> None:
    assert price_of(least, most) == words
    assert words.startswith(price_range(least, most))


RUNS = [OtherRun(run_id=f"run-{n}", name="stills", credits=2) for n in range(5)]
NAMED = "run-0 (stills) 2, run-1 (stills) 2, run-2 (stills) 2"
HOLDS = OtherRun(run_id="run-0", name="stills", credits=0, held=2)
HELD = "up to 2 held by unanswered purchases"


@pytest.mark.parametrize(
    ("credits", "runs", "words"),
    [
        (6, RUNS[:3], f": {NAMED}"),
        (10, RUNS, f": {NAMED}, 2 more runs"),
        (9, RUNS[:3], f" while others spent: {NAMED}"),
        (3, [], " while others spent: other runs"),
        (2, [HOLDS], f": run-0 (stills) {HELD}"),
        (1, [HOLDS], f": run-0 (stills) {HELD}"),
        (4, [HOLDS.model_copy(update={"credits": 3})], f": run-0 (stills) 3 and {HELD}"),
    ],
)
def test_three_other_runs_are_named_with_what_they_spent_and_hold_and_the_rest_counted(
    credits: int, runs: list[OtherRun], words: str
) -> None:
    assert other_runs(credits, runs) == words


@pytest.mark.parametrize(
    ("model", "alternative", "words"),
    [("z-image", 0, "z-image"), ("z-image", 2, "z-image (fallback 2)"), (None, 2, "")],
)
def test_a_model_says_which_fallback_it_is(model: str | None, alternative: int, words: str) -> None:
    item = whole("items", {"model": model, "alternative": alternative})
    assert model_of(Item.model_validate(item)) == words
