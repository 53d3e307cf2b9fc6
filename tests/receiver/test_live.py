"""Pages that follow their runs: the stream over HTTP, and moments of a run from its journal."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_flows.questions.open_questions import answerable
from rivya_flows.queue.queue import replay
from rivya_flows.receipt.contact_sheet import sheet_pieces
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receiver import live
from rivya_flows.receiver.addresses import SECRET_NAME, report_address
from rivya_flows.receiver.live import changes
from rivya_flows.receiver.media import served_from
from rivya_flows.store.journal import Journal
from rivya_flows.store.secrets import shared_secret
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Studio, customer, stills
from support.receiver_stage import Stage, receiving

RUN = "run-1"


@pytest.fixture
def studio(shared_sandbox: Sandbox, tmp_path: Path) -> Studio:
    """A studio with a run that has not begun."""
    made = customer(shared_sandbox, tmp_path / "studio")
    made.prepared(stills(2), RUN)
    return made


@pytest.fixture
def stage(studio: Studio) -> Iterator[Stage]:
    with receiving(f"sqlite:///{studio.folder / 'journal.sqlite'}", studio.folder) as opened:
        yield opened


def folder_of(stage: Stage, run_id: str = RUN) -> str:
    """Where the pages of a run are at the receiver."""
    secret = shared_secret(stage.journal.engine, SECRET_NAME)
    return report_address("", secret, run_id).rpartition("/")[0]


def events(answer: httpx.Response) -> Generator[tuple[str, dict[str, Any]]]:
    """The ids and messages of a stream, which ends when this is dropped."""
    found = ""
    for line in answer.iter_lines():
        if line.startswith("id: "):
            found = line.removeprefix("id: ")
        elif line.startswith("data: "):
            yield found, json.loads(line.removeprefix("data: "))


def applied(before: list[str], message: dict[str, Any]) -> list[str]:
    """The page of a message, for who has the one before."""
    pieces: list[str] = []
    for one in message["pieces"]:
        pieces += [one] if isinstance(one, str) else before[slice(*one)]
    return pieces


def test_a_medium_reaches_the_page_as_the_piece_that_changed(stage: Stage, studio: Studio) -> None:
    with stage.client.stream("GET", f"{folder_of(stage)}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        following = events(answer)
        first, message = next(following)
        page = applied([], message)
        assert "/stills/" not in "".join(page)
        working = threading.Thread(target=studio.executed, args=(RUN,))
        working.start()
        sizes, ids = [], [first]
        while message["status"] == "running":
            number, message = next(following)
            sizes.append(sum(len(one) for one in message["pieces"] if isinstance(one, str)))
            ids.append(number)
            page = applied(page, message)
        working.join()
    assert "".join(page).count('src="../../stills/') == 4  # two in their step, and as outputs
    assert message["credits"] == "2"
    assert len(set(ids)) == len(ids)
    assert all(size < len("".join(page)) for size in sizes), "no message has the whole page"


def test_a_stream_goes_on_after_the_last_event_and_an_unknown_one_gets_the_whole_page(
    stage: Stage, studio: Studio
) -> None:
    studio.executed(RUN)
    path = f"{folder_of(stage)}/events"
    with stage.client.stream("GET", path) as answer:
        last, message = next(following := events(answer))
        whole = applied([], message)
        studio.executed(RUN)
        with stage.client.stream("GET", path, headers={"Last-Event-ID": last}) as again:
            _, message = next(events(again))
            assert sum(isinstance(one, str) for one in message["pieces"]) < len(whole) / 2
            after = applied(whole, message)
        with stage.client.stream("GET", path, headers={"Last-Event-ID": "0-1"}) as other:
            _, message = next(events(other))
            assert message["pieces"] == after
        following.close()


def test_each_moment_is_the_sheet_of_the_journal_until_then(stage: Stage, studio: Studio) -> None:
    studio.executed(RUN)
    served = served_from("../..", shared_secret(stage.journal.engine, SECRET_NAME))
    with closing(Journal(f"sqlite:///{studio.folder / 'journal.sqlite'}")) as journal:
        entries = journal.entries(RUN)
    last = len(entries)
    for seq in (1, last // 2, last, 3):  # forward, and back
        begun = entries[:seq]
        state = replay(one.event for one in begun)
        shown = stage.get(f"{folder_of(stage)}/past?seq={seq}").json()
        assert shown["seq"] == seq
        assert tuple(shown["pieces"]) == sheet_pieces(receipt(begun), served, answerable(state))


def test_a_page_without_a_valid_address_and_a_moment_that_is_none_are_refused(stage: Stage) -> None:
    for path in ("events", "past?seq=1"):
        assert stage.get(f"/runs/guessed/{path}").status_code == 404
        assert stage.get(f"{folder_of(stage, 'run-2')}/{path}").status_code == 404
    for seq in ("", "0x1", "-1", "1" * 400, "\u0661"):
        assert stage.get(f"{folder_of(stage)}/past?seq={seq}").status_code == 400
    assert stage.get(f"{folder_of(stage)}/past?seq=0").status_code == 404


def test_viewers_and_runs_are_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_VIEWERS", 1)
    with stage.client.stream("GET", f"{folder_of(stage)}/events") as answer:
        following = events(answer)
        next(following)
        assert stage.get(f"{folder_of(stage)}/events").status_code == 503
        assert stage.get(f"{folder_of(stage)}/report.html").status_code == 200


@pytest.mark.parametrize("after", ["abcd", "", "xabcd", "axbycdz", "dcba", "aabb"])
def test_a_page_is_told_by_what_is_new_and_by_ranges_of_the_one_before(after: str) -> None:
    before = list("abcd")
    message = {"pieces": changes(before, list(after))}
    assert applied(before, message) == list(after)
    assert changes(before, before) == [(0, 4)]
    assert changes(None, before) == before
