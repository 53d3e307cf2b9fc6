"""`review`: links for people outside, and `resume` with what they answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rivya_flows.questions.question import Answer
from rivya_flows.runs.lookup import open_journal
from rivya_flows.settings import read_settings
from rivya_flows.store import mailbox
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from
from support.finished_runs import finish
from support.outsiders import PICK, REVIEW

pytestmark = pytest.mark.slow

URL = "https://media.example.org"


@pytest.fixture(autouse=True)
def made(shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run-1` waits for a review and `run-2` for a pick, and a receiver has a public address."""
    buy_from(shared_sandbox, monkeypatch)
    finish(shared_sandbox, REVIEW, "run-1")
    finish(shared_sandbox, PICK, "run-2")
    monkeypatch.setenv("RIVYA_FLOWS_PUBLIC_URL", URL)


def test_each_reviewer_gets_a_link_of_their_own_until_a_time(call: Terminal) -> None:
    before = datetime.now(UTC)
    said = call("review", "run-1", "--expires", "24h", "--json")
    assert said.code == 0, said.err
    assert said.document["run_id"] == "run-1"
    legal, brand = said.document["links"]
    assert {*legal} == {"step", "for", "url", "expires_at"}
    assert [(one["step"], one["for"]) for one in (legal, brand)] == [
        ("sign_off", "legal"),
        ("sign_off", "brand"),
    ]
    assert legal["url"].startswith(f"{URL}/review/")
    assert legal["url"] != brand["url"]
    until = datetime.fromisoformat(legal["expires_at"]) - before
    assert timedelta(hours=23, minutes=59) < until < timedelta(hours=24, minutes=5)
    plain = call("review", "run-2", "hero", "--for", "Ana")
    assert f"{URL}/review/" in plain.out
    assert "hero for Ana" in plain.out


def test_links_are_listed_replaced_and_revoked(call: Terminal) -> None:
    first = call("review", "run-1", "--for", "legal", "--by", "Ana", "--json").document["links"]
    second = call("review", "run-1", "--for", "Legal", "--replace", "--json").document["links"]
    call("review", "run-1", "--for", "brand")
    listed = call("review", "run-1", "--list", "--json").document["links"]
    assert [(one["for"], one["revoked_at"] is None) for one in listed] == [
        ("legal", False),
        ("legal", True),
        ("brand", True),
    ]
    assert [one["url"] for one in listed[:2]] == [None, second[0]["url"]]
    assert listed[0]["created_by"] == "Ana"
    assert first[0]["url"] != second[0]["url"]
    revoked = call("review", "run-1", "--for", "legal", "--revoke", "--json").document["links"]
    assert [(one["for"], one["url"]) for one in revoked] == [("legal", None)]
    assert call("review", "run-1", "--revoke", "--json").document["links"][0]["for"] == "brand"
    assert call("review", "run-1", "--revoke", "--json").document["links"] == []
    assert "revoked" in call("review", "run-1", "--list").out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--list"], "run-1 has no links; make one with: rivya-flows review run-1 --for NAME"),
        (["--list", "--for", "legal"], "run-1 has no such link; make one with: "),
        (["--revoke"], "run-1 has no link to end"),
    ],
)
def test_a_run_without_links_says_so_and_how_one_is_made(
    call: Terminal, arguments: list[str], says: str
) -> None:
    assert says in call("review", "run-1", *arguments).err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run-1", "--for", "sales"), "it is for legal, brand"),
        (("run-2",), "write --for NAME"),
        (("run-2", "her", "--for", "Ana"), "did you mean 'hero'?"),
        (("run-2", "stills", "--for", "Ana"), "the run does not ask about 'stills'"),
        (("run-2", "hero[neon]", "--for", "Ana"), "the run does not ask about 'hero[neon]'"),
        (("run-2", "--for", "Ana", "--expires", "0"), "write --expires 72h"),
        (("run-2", "--for", "Ana", "--expires", "91d"), "write --expires 72h"),
        (("run-2", "--for", "Ana", "--expires", "soon"), "is not a time of hours"),
        (("run-2", "--for", "a" * 101), "is too long"),
        (("run-9", "--for", "Ana"), "run-9"),
        (("run-2", "--list", "--revoke"), "exclude each other"),
    ],
)
def test_a_wrong_call_makes_no_link_and_says_what_to_write(
    call: Terminal, arguments: tuple[str, ...], says: str
) -> None:
    said = call("review", *arguments)
    assert (said.code, says in said.err) == (2, True), said.err
    for run in ("run-1", "run-2"):
        assert call("review", run, "--list", "--json").document["links"] == []


def test_without_a_receiver_it_says_what_to_start(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RIVYA_FLOWS_PUBLIC_URL")
    said = call("review", "run-2", "--for", "Ana")
    assert said.code == 2
    for words in ("no receiver runs", "`rivya-flows up`", "RIVYA_FLOWS_PUBLIC_URL"):
        assert words in said.err


def test_a_resume_takes_what_was_answered_with_a_link(call: Terminal) -> None:
    with open_journal(read_settings()) as journal:
        answer = Answer(("neon",), name="Legal", channel="link")
        for name in (("hero", "", 0), ("hero", "", 7)):
            mailbox.put(journal.engine, "run-2", name, answer, datetime.now(UTC))
        before = len(journal.entries("run-2"))
        planned = call("resume", "run-2", "--plan")
        assert (planned.code, len(journal.entries("run-2"))) == (0, before), planned.err
        refused = call("resume", "run-2", "--answer", "hero=studio")
        assert "hero is already answered with 'neon'" in refused.err
        assert len(journal.entries("run-2")) == before
        done = call("resume", "run-2", "--answer", "hero=neon")
        assert done.code == 0, done.err
        assert "hero: neon, by Legal with a link" in done.err
        left = [one.question for _, one in mailbox.waiting(journal.engine, "run-2")]
        assert ("hero", "", 0) not in left
