"""The page of a link: one question, one person, one answer, whoever opens it and whatever is sent to it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from rivya_flows.engine.run import RunOptions
from rivya_flows.queue.events import AnswerGiven
from rivya_flows.receiver import addresses, reviews
from rivya_flows.receiver.addresses import SECRET_NAME, review_address
from rivya_flows.receiver.review_texts import TEXTS
from rivya_flows.receiver.reviews import MAX_ANSWERS, MAX_FORM_BYTES, MAX_GUESSES
from rivya_flows.runs.execution import take_waiting
from rivya_flows.store import links, mailbox
from rivya_flows.store.leases import Leases
from rivya_flows.store.run_list import is_overdue
from rivya_flows.store.secrets import shared_secret
from rivya_sandbox.service.startup import Sandbox
from support.browser import CHROMIUM, browsing
from support.engine_runs import Studio, customer
from support.outsiders import PICK, REVIEW, Outside, outside
from support.receiver_stage import receiving
from support.sandbox_calls import until

pytestmark = pytest.mark.usefixtures("small_pictures")


@pytest.fixture
def studio(shared_sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(shared_sandbox, tmp_path / "studio")


@pytest.fixture
def pick(studio: Studio) -> Iterator[Outside]:
    with outside(studio, PICK) as opened:
        yield opened


@pytest.fixture
def review(studio: Studio) -> Iterator[Outside]:
    with outside(studio, REVIEW) as opened:
        yield opened


NEVER = datetime(2100, 1, 1, tzinfo=UTC)
STOLEN = """
version: 1
name: stolen
steps:
  hero:
    uses: review
    with: {media: [ASSET]}
"""


FILM = """
version: 1
name: film
steps:
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: A kettle}
  sign_off:
    uses: review
    with:
      media: ${{ steps.film.asset }}
      reviewers: [legal, brand]
      changes: {redo: [film]}
"""
IN_REACH = """
selector => {
  const {top, bottom} = document.querySelector(selector).getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
}
"""

MIDDLE = """
selector => {
  const {x, y, width, height} = document.querySelector(selector).getBoundingClientRect();
  return [Math.round((x + width / 2) / 4), Math.round((y + height / 2) / 4)];
}
"""
ON_TOP = """
selector => {
  const {x, y, width, height} = document.querySelector(selector).getBoundingClientRect();
  return document.elementFromPoint(x + width / 4, y + height / 2).tagName;
}
"""


def media_of(page: httpx.Response) -> list[str]:
    return [f"/review/{one}" for one in re.findall(r'src="([^"#]+)', page.text)]


def test_an_answer_is_journaled_under_the_name_of_the_link_and_the_page_says_so(
    pick: Outside,
) -> None:
    path = pick.link("Legal")
    answer = pick.answer(path, "neon", headers={"Origin": pick.stage.url})
    assert answer.status_code == 303
    shown = pick.page(str(httpx.URL(path).join(answer.headers["location"])))
    assert shown.status_code == 200
    assert "You chose neon" in shown.text
    [given] = [
        one.event
        for one in pick.stage.journal.entries("run-1")
        if isinstance(one.event, AnswerGiven)
    ]
    assert (given.answer, given.by.name, given.by.channel) == ("neon", "Legal", "link")
    assert pick.stage.audience.woken == ["run-1"]


def test_the_page_says_who_asks_whom_until_when_and_what_none_of_them_costs(pick: Outside) -> None:
    text = pick.page(pick.link("Legal")).text
    year = datetime.now(UTC).year
    for said in ("ana asks", "For Legal", "Which lamp?", str(year), "up to 2 credits, 38 are left"):
        assert said in text
    assert "run-1" not in text


def test_none_of_the_candidates_buys_the_next_round_with_the_note(pick: Outside) -> None:
    path = pick.link()
    first = pick.token(path)
    assert pick.answer(path, "none", note="warmer\nand brighter").status_code == 303
    assert pick.journaled == [("", "legal", "warmer; and brighter")]
    assert "next one is being made" in pick.page(path).text
    late = pick.answer(path, "neon", page=first)
    assert (late.status_code, "Nothing was recorded" in late.text) == (410, True)
    assert pick.studio.executed()["status"] == "suspended"
    assert pick.answer(path, "neon", page=first).status_code == 403  # the page of the first round
    shown = pick.page(path).text
    assert "Round 2" in shown
    assert "warmer" in shown
    assert pick.answer(path, "neon").status_code == 303
    assert [one for one, *_ in pick.journaled] == ["", "neon"]


def test_opening_a_link_answers_nothing_however_often_scanners_do(pick: Outside) -> None:
    paths = [pick.link(name) for name in ("legal", "brand")]
    for path in paths * 3:
        page = pick.page(path)
        assert page.status_code == 200
        assert pick.stage.client.head(path).status_code == 200
        for medium in media_of(page):
            assert pick.page(medium).status_code == 200
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
            assert pick.stage.client.request(method, path).status_code == 405
    assert pick.journaled == []
    assert mailbox.waiting(pick.stage.journal.engine, "run-1") == []


def test_a_reviewer_may_change_the_answer_until_the_round_ends(review: Outside) -> None:
    legal, brand = review.link("legal", "sign_off"), review.link("brand", "sign_off")
    two_tabs = review.token(legal), review.token(legal)
    assert review.answer(legal, "approve", page=two_tabs[0]).status_code == 303
    assert "You approved" in review.page(legal).text
    assert (
        review.answer(legal, "changes", note="0:01 too dark", page=two_tabs[1]).status_code == 303
    )
    assert "You asked for changes" in review.page(legal).text
    shown = review.page(brand).text
    assert "too dark" in shown
    assert "0:01" in shown
    assert review.stage.audience.woken == []  # it is still open
    assert review.answer(brand, "approve").status_code == 303
    assert review.stage.audience.woken == ["run-1"]
    assert review.answer(legal, "approve", page=two_tabs[0]).status_code == 410
    assert [one for one, *_ in review.journaled] == ["approve", "changes", "approve"]


@pytest.mark.parametrize(
    ("answers", "note", "says"),
    [
        ((), "", "Choose one first"),
        (("approve", "changes"), "", "Choose one first"),
        (("changes",), " \n ", "Say what should change"),
        (("changes",), "x" * 300, "at most 248 characters"),
        (("end",), "", "cannot be read"),  # which only the owner may
        (("none",), "", "Choose one first"),
        (("1",), "", "cannot be read"),
    ],
)
def test_what_a_review_does_not_take_is_said_and_the_note_stays(
    review: Outside, answers: tuple[str, ...], note: str, says: str
) -> None:
    path = review.link("legal", "sign_off")
    brand = review.link("brand", "sign_off")
    assert (
        review.answer(brand, "changes", note="so that there is a round to end").status_code == 303
    )
    refused = review.answer(path, *answers, note=note)
    assert refused.status_code == 400
    assert says in refused.text
    assert note.strip() in refused.text
    assert len(review.journaled) == 1


def test_the_page_says_what_it_is_about_and_whose_answer_is_missing(studio: Studio) -> None:
    with outside(studio, REVIEW.replace("steps:", "title: Autumn <lamps>\nsteps:")) as review:
        path = review.link("legal", "sign_off")
        assert "Autumn &lt;lamps&gt;" in review.page(path).text
        assert "No answer yet from: legal, brand" in review.page(path).text
        assert review.answer(path, "approve").status_code == 303
        assert "No answer yet from: brand" in review.page(path).text


def test_the_page_says_what_the_deadline_does(studio: Studio) -> None:
    spec = REVIEW.replace("timeout: 72h", "timeout: 72h\n      on_timeout: approve")
    with outside(studio, spec) as review:
        path = review.link("legal", "sign_off", hours=2)
        for said in ("after that it counts as approved", "Link valid until"):
            assert said in review.page(path).text
        review.answer(path, "changes", note="too dark")
        assert "after that the changes that were asked for are made" in review.page(path).text


def test_a_note_that_its_reviewer_has_replaced_is_gone_from_the_next_round(review: Outside) -> None:
    legal, brand = (review.link(name, "sign_off") for name in ("legal", "brand"))
    for path, note in ((legal, "a slip"), (legal, "too dark"), (brand, "warmer")):
        assert review.answer(path, "changes", note=note).status_code == 303
    review.studio.executed()
    text = review.page(legal).text
    assert "too dark" in text
    assert "a slip" not in text


def test_changes_that_cost_more_than_is_left_are_recorded_and_begin_with_a_higher_budget(
    studio: Studio,
) -> None:
    with outside(studio, REVIEW.replace("credits: 40", "credits: 1")) as review:
        paths = [review.link(name, "sign_off") for name in ("legal", "brand")]
        for path in paths:
            assert "That costs more than is left" in review.page(path).text
            assert review.answer(path, "changes", note="too dark").status_code == 303
        assert review.page(paths[0]).status_code == 200  # it stays open
        assert "Ask the person who sent you this link" in review.page(paths[0]).text
        assert review.stage.audience.woken == []
        ended = studio.executed(wish=RunOptions(budget=2))
        assert (ended["status"], ended["credits"]["spent"]) == ("suspended", 2)
        assert "Round 2" in review.page(paths[0]).text


def test_none_of_the_candidates_is_refused_where_others_cost_more_than_is_left(
    studio: Studio,
) -> None:
    with outside(studio, PICK.replace("credits: 40", "credits: 6")) as pick:
        refused = pick.answer(pick.link(), "none", note="warmer")
        assert (refused.status_code, pick.journaled) == (400, [])
        assert "That costs more than is left" in refused.text


def test_a_link_of_a_name_that_the_review_does_not_ask_answers_nothing(review: Outside) -> None:
    assert review.answer(review.link("sales", "sign_off"), "approve").status_code == 400
    assert review.journaled == []


def test_two_people_who_pick_at_once_get_one_answer(pick: Outside) -> None:
    legal, brand = pick.link("legal"), pick.link("brand")
    page = pick.token(brand)
    assert pick.answer(legal, "neon").status_code == 303
    late = pick.answer(brand, "studio", page=page)
    assert late.status_code == 410
    assert "This question has ended" in late.text
    assert pick.page(brand).status_code == 410
    assert pick.page(legal).status_code == 200  # who answered reads what was recorded
    assert pick.answer(legal, "studio", page=page).status_code == 410
    assert pick.journaled == [("neon", "legal", "")]


def test_an_answer_waits_while_another_process_drives_the_run_and_may_change_until_it_is_taken(
    studio: Studio,
) -> None:
    with outside(studio, PICK, delivers=False) as out:
        path = out.link()
        lease = Leases(out.stage.journal.engine).acquire("run-1")
        assert out.answer(path, "neon").status_code == 303
        assert "Received" in out.page(path).text
        assert out.answer(path, "studio").status_code == 303
        assert out.journaled == []
        Leases(out.stage.journal.engine).release(lease)
        assert take_waiting(out.stage.journal, "run-1")
        assert out.journaled == [("studio", "legal", "")]


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_receiver_that_starts_continues_the_runs_that_a_killed_one_has_left(
    studio: Studio, *, is_taken: bool
) -> None:
    with outside(studio, PICK, delivers=False) as out:
        out.answer(out.link(), "neon")
        if is_taken:
            assert take_waiting(out.stage.journal, "run-1")
    with receiving(f"sqlite:///{studio.folder / 'journal.sqlite'}", studio.folder) as stage:
        assert until(lambda: stage.audience.woken or None) == ["run-1"]
        assert Outside(studio, stage).journaled == [("neon", "legal", "")]


def test_an_answer_that_leaves_the_question_open_continues_no_run(studio: Studio) -> None:
    with outside(studio, REVIEW, delivers=False) as out:
        out.answer(out.link("legal", "sign_off"), "approve")
        assert not take_waiting(out.stage.journal, "run-1")
        assert not is_overdue(out.stage.journal, "run-1", datetime.now(UTC))
        out.answer(out.link("brand", "sign_off"), "approve")
        assert take_waiting(out.stage.journal, "run-1")
        assert is_overdue(out.stage.journal, "run-1", datetime.now(UTC))


def test_a_link_that_was_revoked_or_has_expired_shows_and_takes_nothing(pick: Outside) -> None:
    revoked, expired = pick.link("legal"), pick.link("brand", hours=-1)
    page, media = pick.token(revoked), media_of(pick.page(revoked))
    pick.revoke("legal")
    for path, says in ((revoked, "This link was ended"), (expired, "This link has expired")):
        shown = pick.page(path)
        assert (shown.status_code, says in shown.text) == (410, True)
        assert "Ask ana for a new one" in shown.text
        assert "Which lamp" not in shown.text
        assert pick.answer(path, "neon", page=page).status_code == 410
    assert [pick.page(one).status_code for one in media] == [404, 404]
    assert pick.journaled == []


def test_an_answer_of_a_link_that_is_revoked_before_it_was_taken_does_not_count(
    studio: Studio,
) -> None:
    with outside(studio, PICK, delivers=False) as out:
        assert out.answer(out.link("legal"), "neon").status_code == 303
        assert out.answer(out.link("brand"), "studio").status_code == 303
        out.revoke("legal")
        assert take_waiting(out.stage.journal, "run-1")
        assert out.journaled == [("studio", "brand", "")]


def test_a_pick_of_two_takes_two_or_none_of_them(studio: Studio) -> None:
    spec = PICK.replace("mode: human", "mode: human\n      count: 2").replace(
        "[studio, neon]", "[studio, neon, noir]"
    )
    spec = spec.replace('["${{ steps.hero.asset }}"]', '"${{ steps.hero.assets }}"')
    with outside(studio, spec) as out:
        path = out.link()
        assert 'type="checkbox"' in out.page(path).text
        for wrong in (("neon",), ("neon", "neon"), ("none", "neon", "noir"), ("none", "neon")):
            assert out.answer(path, *wrong).status_code == 400, wrong
        assert out.answer(path, "noir", "studio").status_code == 303
        [given] = [
            one.event
            for one in out.stage.journal.entries("run-1")
            if isinstance(one.event, AnswerGiven)
        ]
        assert given.picked == ("studio", "noir")


def test_a_question_takes_no_answer_once_its_deadline_has_passed(studio: Studio) -> None:
    with outside(studio, REVIEW.replace("72h", "0.01s")) as out:
        path = out.link("legal", "sign_off")
        page = out.page(path)
        assert (page.status_code, "This question has ended" in page.text) == (410, True)
        assert out.answer(path, "approve", page="x").status_code == 410
        assert out.page(path + "/media/1").status_code == 404
        assert out.journaled == []


def test_a_link_to_what_is_not_asked_yet_waits_and_one_to_a_removed_run_has_ended(
    pick: Outside,
) -> None:
    later = pick.page(pick.link(step="poster"))
    assert (later.status_code, "Not ready yet" in later.text) == (200, True)
    path = pick.link()
    journal = pick.stage.journal
    lease = Leases(journal.engine).acquire("run-1")
    assert pick.page(path).status_code == 200
    journal.hide(lease)
    assert pick.page(path).status_code == 410
    journal.remove(lease)
    assert pick.page(path).status_code == 404  # its links went with it


def test_a_token_that_was_not_signed_for_this_link_is_not_found(pick: Outside) -> None:
    path, engine = pick.link(), pick.stage.journal.engine
    secret = shared_secret(engine, SECRET_NAME)
    token = path.rpartition("/")[2]
    [link] = links.links_of(engine, "run-1")
    forged = [
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token + "=",
        token[:20],
        "A" * len(token),
        addresses.report_address("", secret, "run-1").split("/")[2],
        review_address("", "another secret", link).rpartition("/")[2],
        # A store that was restored gives its number again, to another person.
        review_address("", secret, replace(link, reviewer="brand")).rpartition("/")[2],
        review_address("", secret, replace(link, expires_at=NEVER)).rpartition("/")[2],
    ]
    for one in forged:
        assert pick.page(f"/review/{one}").status_code == 404, one
        assert pick.answer(f"/review/{one}", "neon", page="x").status_code == 404
        assert pick.page(f"/review/{one}/media/1").status_code == 404


def test_guessing_is_bounded_for_a_client_and_keeps_nobody_else_out(pick: Outside) -> None:
    path = pick.link()
    found = [pick.page(f"/review/guess{number}").status_code for number in range(MAX_GUESSES + 5)]
    assert (found[0], found[-1]) == (404, 429)
    assert pick.page(path).status_code == 200


def test_a_form_of_another_page_link_or_origin_is_refused(pick: Outside) -> None:
    legal, brand = pick.link("legal"), pick.link("brand")
    for page in ("", "x", pick.token(brand), legal.rpartition("/")[2]):
        refused = pick.stage.client.post(legal, data={"answer": "neon", "page": page})
        assert (refused.status_code, "out of date" in refused.text) == (403, True)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "none"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": pick.stage.url, "Sec-Fetch-Site": "same-site"},
    ):
        assert pick.answer(legal, "neon", headers=headers).status_code == 403
    assert pick.journaled == []


def test_a_form_is_bounded_in_size_kind_and_number(pick: Outside) -> None:
    path = pick.link()
    client, page = pick.stage.client, pick.token(path)
    many = "&".join(f"a{number}=1" for number in range(1000))
    typed = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post(path, content=many, headers=typed).status_code == 400
    assert client.post(path, content=b"\xff=%", headers=typed).status_code in (400, 403)
    assert client.post(path, json={"answer": "neon", "page": page}).status_code == 415
    assert client.post(path, data={"note": "x" * MAX_FORM_BYTES}).status_code == 413
    assert (
        client.post(path, content=iter([b"x" * MAX_FORM_BYTES] * 2), headers=typed).status_code
        == 413
    )
    found = [pick.answer(path, "", page=page).status_code for _ in range(MAX_ANSWERS)]
    assert (found[0], found[-1]) == (400, 429)
    assert pick.journaled == []


def test_a_round_takes_a_bounded_number_of_answers(
    review: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews, "MAX_TURNS", 2)
    path = review.link("legal", "sign_off")
    found = [review.answer(path, "approve").status_code for _ in range(3)]
    assert found == [303, 303, 429]
    assert len(review.journaled) == 2


def test_a_link_shows_the_media_of_its_question_in_parts_and_no_other(pick: Outside) -> None:
    path = pick.link()
    shown = media_of(pick.page(path))
    assert len({*shown}) == 2
    whole = pick.page(shown[0])
    part = pick.page(shown[0], Range="bytes=2-5")
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    assert whole.headers["cache-control"] == "no-store"
    for number in ("0", "3", "-1", "1x", "99999999999999999999"):
        assert pick.page(f"{path}/media/{number}").status_code == 404


def test_a_medium_that_is_not_of_the_run_is_not_shown(studio: Studio) -> None:
    secret_picture = studio.folder / "secret.png"
    secret_picture.write_bytes(b"\x89PNG of another run")
    with outside(studio, PICK) as out:
        sha256 = out.stage.assets.put(secret_picture)
        invented = {"kind": "image", "mime_type": "image/png", "sha256": sha256}
        made = STOLEN.replace("ASSET", json.dumps(invented))
        studio.started(made, "run-2")
        other = replace(out, run_id="run-2")
        path = other.link(step="hero")
        page = other.page(path)
        assert page.status_code == 200
        assert "cannot be shown" in page.text
        assert other.page(f"{path}/media/1").status_code == 404


def test_the_page_is_closed_to_frames_scripts_caches_and_referrers(review: Outside) -> None:
    path = review.link("legal", "sign_off")
    page = review.page(path)
    policy = page.headers["content-security-policy"]
    for rule in (
        "default-src 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
        "base-uri 'none'",
    ):
        assert rule in policy
    assert "unsafe" not in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"
    assert "noindex" in page.headers["x-robots-tag"]
    assert not re.findall(r"https?://", page.text)
    [nonce] = {*re.findall(r'nonce="([^"]+)"', page.text)}
    assert f"'nonce-{nonce}'" in policy
    assert nonce not in review.page(path).text
    assert " style=" not in page.text  # which the policy would drop
    assert not re.search(r" on\w+=", page.text)


def test_text_of_people_and_models_is_text(studio: Studio) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    spec = REVIEW.replace("Ready to publish?", f"'{evil}'").replace(
        "A lamp for every desk.", f"'{evil}'"
    )
    with outside(studio, spec) as out:
        assert out.answer(out.link("brand", "sign_off"), "changes", note=evil).status_code == 303
        page = out.page(out.link("legal", "sign_off")).text
        assert page.count("&lt;/script&gt;&lt;img") >= 3
        assert "<img src=x" not in page


def test_no_log_has_the_token_of_a_link(pick: Outside, caplog: pytest.LogCaptureFixture) -> None:
    path = pick.link()
    token = path.rpartition("/")[2]
    with caplog.at_level(logging.DEBUG):
        for logger in ("uvicorn", "uvicorn.access", "uvicorn.error", "rivya_flows", "starlette"):
            logging.getLogger(logger).setLevel(logging.DEBUG)
        pick.page(path)
        pick.page(path + "/media/9")
        pick.page(path + "%00")
        pick.answer(path, "neon")
    ours = [one for one in caplog.records if not one.name.startswith(("httpx", "httpcore"))]
    assert not [one for one in ours if token in one.getMessage() or token in str(one.exc_text)]
    names = [path for path in pick.studio.folder.rglob("*") if path.is_file()]
    assert not [one for one in names if token.encode() in one.read_bytes()]


@pytest.mark.parametrize(
    ("accepted", "says"),
    [
        ("hi-IN,hi;q=0.9,en;q=0.8", "स्वीकार करें"),
        ("en-GB,hi;q=0.5", "Approve"),
        ("de", "Approve"),
        ("hi;q=0, en", "Approve"),
        ("x" * 10_000 + ";q=", "Approve"),
    ],
)
def test_the_page_speaks_the_language_of_the_browser(
    review: Outside, accepted: str, says: str
) -> None:
    page = review.page(review.link("legal", "sign_off"), **{"Accept-Language": accepted})
    assert says in page.text
    assert f'lang="{page.headers["content-language"]}"' in page.text


def test_both_languages_have_the_same_texts() -> None:
    english, hindi = TEXTS["en"], TEXTS["hi"]
    assert english.keys() == hindi.keys()
    assert not [name for name in english if hasattr(english, name)]  # which a template would find
    fields = re.compile(r"\{\w+\}")
    for name, text in english.items():
        assert sorted(fields.findall(text)) == sorted(fields.findall(hindi[name])), name
    assert len(english["months"].split()) == len(hindi["months"].split()) == 12


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("width", [390, 1440])
def test_in_chromium_a_pick_is_answered_by_thumb_or_mouse_and_axe_finds_nothing(
    pick: Outside, tmp_path: Path, width: int
) -> None:
    with browsing(tmp_path / "profile", width=width, height=844) as tab:
        tab.open(pick.stage.url + pick.link("Legal"))
        assert tab.axe_violations() == []
        assert tab.value("document.documentElement.scrollWidth") == width
        assert tab.value(f"({IN_REACH})('.bar .first')")
        assert [one["width"] > 0 for one in tab.pictures()] == [True, True]
        tab.press("a")  # goes to the first choice, and chooses nothing
        assert tab.value("document.activeElement.value") == "studio"
        tab.click("label", "neon")
        tab.wait_for_text("neon", ".bar .picked")
        tab.click("button", "Send")
        tab.wait_for_text("You chose neon")
        assert tab.axe_violations() == []
    assert pick.journaled == [("neon", "Legal", "")]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_in_chromium_a_note_takes_the_second_of_the_film_and_keys_do_what_help_says(
    studio: Studio, tmp_path: Path
) -> None:
    with outside(studio, FILM) as out, browsing(tmp_path / "profile", width=390, height=844) as tab:
        tab.do("Network.enable")
        path = out.link("legal", "sign_off")
        tab.do("Network.setExtraHTTPHeaders", headers={"Accept-Language": "hi"})
        tab.open(out.stage.url + path)
        assert tab.axe_violations() == []
        tab.do("Network.setExtraHTTPHeaders", headers={"Accept-Language": "en"})
        tab.open(out.stage.url + path)
        for selector in ("video", ".bar .first", ".bar .second"):
            assert tab.value(f"({IN_REACH})({selector!r})"), selector
        tab.until("document.querySelector('video').readyState > 0")
        tab.value("document.querySelector('video').currentTime = 0.9")
        tab.until("!document.querySelector('video').seeking")
        tab.press("?")
        tab.wait_for_text("play or pause", "dialog[open]")
        assert tab.value("document.querySelector('dialog h2').textContent") == "Keys"
        assert tab.axe_violations() == []
        tab.press("Escape")
        tab.wait_gone("dialog[open]")
        tab.press("a")
        assert tab.value("document.activeElement.value") == "approve"
        tab.press("n")
        tab.do("Input.insertText", text="the logo is cut")
        assert tab.value("document.getElementById('note').value") == "0:00 the logo is cut"
        tab.click("button", "Mark a place")
        assert tab.axe_violations() == []
        tab.click(".layer")  # in the middle
        note = "0:00 (50%, 50%): the logo is cut"
        assert tab.value("document.getElementById('note').value") == note
        assert tab.value(f"({MIDDLE})('.layer i')") == tab.value(f"({MIDDLE})('video')")
        assert tab.value(f"({ON_TOP})('video')") == "VIDEO"  # its controls are in reach again
        tab.click("button", "Ask for changes")
        tab.wait_for_text("You asked for changes")
    assert out.journaled == [("changes", "legal", note)]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_in_chromium_a_place_on_a_picture_is_marked_for_who_looks_later(
    review: Outside, tmp_path: Path
) -> None:
    legal, brand = review.link("legal", "sign_off"), review.link("brand", "sign_off")
    with browsing(tmp_path / "profile", width=1440, height=900) as tab:
        tab.open(review.stage.url + legal)
        tab.click("button", "Mark a place")
        tab.press("Escape")
        assert tab.value("!document.querySelector('.armed')")
        tab.click("button", "Mark a place")
        tab.click(".layer")
        tab.do("Input.insertText", text="too dark\n0:01 a second that no picture has")
        tab.click("button", "Ask for changes")
        tab.wait_for_text("You asked for changes")
        tab.open(review.stage.url + brand)
        tab.wait_for(".layer i")
        assert tab.value(f"({MIDDLE})('.layer i')") == tab.value(f"({MIDDLE})('figure img')")
        assert tab.value("document.querySelectorAll('.layer i').length") == 1
