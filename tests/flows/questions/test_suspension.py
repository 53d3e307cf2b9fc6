"""The pick on a real server and worker: in the page, by the API, at its deadline, in a terminal."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from sqlite3 import connect
from typing import Any
from uuid import UUID

import pytest

from rivya_flows.flows.deployment.infrastructure import deploy_maintenance
from rivya_flows.flows.questions import WAKER, WAKER_DEPLOYMENT, wake, wake_run
from rivya_flows.process_identity import find_process
from rivya_flows.processes.registry import LeftRunning, ManagedProcess, write
from rivya_flows.questions.question import Answer
from rivya_flows.runs.execution import deliver
from rivya_flows.store import mailbox
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import last_sweep
from support.browser import CHROMIUM, browsing
from support.prefect_workers import STUDIO, Place, Server, deploy_specs, eventually, without_waker

pytestmark = pytest.mark.prefect

PICKED = """\
version: 1
name: picked
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon, "a|b <i>"]}
    with: {model: z-image, prompt: "A desk lamp on an oak table, ${{ matrix.style }}"}
  hero:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: human
      question: Which still becomes the film?
      timeout: 48h
      on_timeout: first
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow push-in, references: ["${{ steps.hero.asset }}"]}
outputs:
  film: ${{ steps.film.asset }}
deploy:
  - {name: studio, work_pool: studio}
"""
FILMED = """\
version: 1
name: filmed
steps:
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow push-in}
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "A desk lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    needs: [film]
    with: {from: "${{ steps.stills.items }}", mode: human}
deploy:
  - {name: studio, work_pool: studio}
"""
STRICT = PICKED.replace("name: picked", "name: strict").replace(
    "on_timeout: first", "on_timeout: fail"
)
HURRIED = PICKED.replace("name: picked", "name: hurried").replace("48h", "2s")


@pytest.fixture(scope="module")
def place(server: Server, studio: Place) -> Place:
    """The studio with the specs."""
    deploy_specs(studio, server, [PICKED, FILMED, HURRIED, STRICT])
    return studio


def resume(server: Server, run: str, answers: dict[str, Any]) -> dict[str, Any]:
    """What the docs tell people to send, with these answers."""
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "questions.md").read_text()
    call = re.search(r"\$PREFECT_API_URL(/\S+)\".*?-d '(.*?)'", page, re.DOTALL)
    assert call is not None
    body = json.loads(call[2])
    assert body["run_input"] == {"hero": "neon"}
    path = call[1].replace("$FLOW_RUN_ID", run)
    answer: dict[str, Any] = server.ask("POST", path, {**body, "run_input": answers})
    return answer


def questions(place: Place, run: str) -> int:
    """How many questions were asked."""
    return sum(entry.event.kind == "question.asked" for entry in place.entries(run))


def check_film_is_made_from(place: Place, run: str, key: str) -> None:
    """The film's parent is the picked still, and each thing was bought once."""
    receipt = place.receipt(run)
    steps = {step["id"]: step for step in receipt["steps"]}
    still = next(item for item in steps["stills"]["items"] if item["key"] == key)
    [film] = steps["film"]["items"]
    assert receipt["status"] == "completed"
    assert film["parents"] == [still["assets"][0]["sha256"]]
    assert sorted(place.bought(run).values()) == [1, 1, 1, 1]


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_in_chromium_the_pictures_are_looked_at_and_the_film_is_made_from_the_picked_one(
    server: Server, place: Place, tmp_path: Path
) -> None:
    run = server.start("picked/studio")
    server.question(run)
    with browsing(tmp_path / "profile") as tab:
        tab.open(server.page(f"/v2/runs/flow-run/{run}"))
        tab.click("button", "Open menu")
        tab.click("[role=menuitem]", "Resume")
        tab.wait_for("[role=dialog] img")
        tab.until(
            "[...document.querySelectorAll('[role=dialog] img')].every(one => one.naturalWidth)"
        )
        assert [one["alt"] for one in tab.pictures("[role=dialog]")] == [
            "studio",
            "neon",
            "a|b <i>",
        ]
        told = tab.value("document.querySelector('[role=dialog]').innerText")
        assert "A desk lamp on an oak table" in told
        for words in (
            "1 · studio · 1 credit", "3 · a|b <i> · 1 credit", "… a|b <i>",
            "after that the first one is taken.", f"rivya-flows resume run-{run} --answer hero=NUMBER",
        ):  # fmt: skip
            assert words in told, words

        tab.click("[role=dialog] button", "Select")
        tab.click("[role=option]", "neon")
        tab.click_until_gone("[role=dialog] button", "Resume", "[role=dialog]")
        server.end(run, "COMPLETED")
        assert place.answers(run) == [("neon", "form")]
        check_film_is_made_from(place, run, "neon")
        # Also in the graph, where what goes on follows what was there before the question.
        after = server.graph(run)["after"]
        assert after["film upload"] == {"hero pick"}
        assert {"stills[neon] collect", "stills[studio] collect"} < after["hero pick"]

        # The button of people who press buttons: nothing is asked again, nothing is bought.
        server.let_go(run)
        tab.open(f"{server.api_url.removesuffix('/api')}/v2/runs/flow-run/{run}")
        tab.click("button", "Open menu")
        tab.click("[role=menuitem]", "Retry")
        tab.click_until_gone("[role=alertdialog] button", "Retry", "[role=alertdialog]")
        server.logged(run, "is completed; nothing is executed again")
        server.end(run, "COMPLETED")
        assert place.ends(run)[1:] == ["completed"]
    assert (place.answers(run), questions(place, run)) == ([("neon", "form")], 1)
    check_film_is_made_from(place, run, "neon")
    log = server.logged(run, "hero: neon, in Prefect's form")
    assert not [line for line in log.splitlines() if int(line.split()[0]) >= 40]


def test_the_plain_api_answers_and_a_retry_while_suspended_asks_again_for_nothing(
    server: Server, place: Place
) -> None:
    run = server.start("picked/studio")
    first = server.question(run)
    for wrong in ({}, {"hero": "noir"}):
        refused = resume(server, run, wrong)
        assert refused["status"] == "REJECT"
        assert "hero" in refused["details"]["reason"]

    server.retry(run)
    server.question(run, after=first)
    again = server.state(run)
    assert again["state_details"]["pause_timeout"] is None  # Prefect's own would fail the run
    assert (questions(place, run), place.answers(run)) == (1, [])
    assert sorted(place.bought(run).values()) == [1, 1, 1]

    taken = resume(server, run, {"hero": "a|b <i>"})
    assert taken["status"] == "ACCEPT", taken
    # Whoever comes second is told, also the waker.
    assert resume(server, run, {"hero": "neon"})["status"] == "ABORT"
    assert asyncio.run(wake(UUID(run))) is False
    server.end(run, "COMPLETED")
    assert place.answers(run) == [("a|b <i>", "form")]
    check_film_is_made_from(place, run, "a|b <i>")


@pytest.mark.parametrize(("kind", "name"), [("SCHEDULED", "AwaitingRetry"), ("CRASHED", "Crashed")])
def test_a_run_that_is_taken_for_dead_while_it_works_asks_in_its_next_execution(
    server: Server, place: Place, kind: str, name: str
) -> None:
    """As where the server lost its heartbeats, and before and after an automation starts it again."""
    with place.films_held():
        run = server.start("filmed/studio")
        eventually(lambda: place.has_bought(run, "film"), "the film")
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        dead = {"type": kind, "name": name, "state_details": {"scheduled_time": later}}
        server.ask("POST", f"/flow_runs/{run}/set_state", {"state": dead, "force": True})
    server.let_go(run)
    assert server.state(run)["name"] == name
    assert place.ends(run) == ["suspended"]
    server.retry(run)
    server.question(run)
    assert (questions(place, run), sum(place.bought(run).values())) == (1, 3)


def test_an_answer_of_a_link_completes_the_flow_run_that_waits(
    server: Server, place: Place
) -> None:
    run = server.start("picked/studio")
    server.question(run)
    with closing(Journal(f"sqlite:///{place.folder / 'journal.sqlite'}")) as journal:
        answer = Answer(("neon",), name="Legal", channel="link")
        name = f"run-{run}"
        mailbox.put(journal.engine, name, ("hero", "", 0), answer, datetime.now(UTC))
        asyncio.run(deliver(journal, name, partial(wake_run, tell=print)))
    server.end(run, "COMPLETED")
    assert place.answers(run) == [("neon", "link")]
    check_film_is_made_from(place, run, "neon")


def test_a_pick_that_nobody_answers_goes_on_at_its_deadline(server: Server, place: Place) -> None:
    without_waker(server)
    try:
        assert asyncio.run(deploy_maintenance([STUDIO])) is None
        found = server.ask("GET", f"/deployments/name/{WAKER}/{WAKER_DEPLOYMENT}")
        assert set(found["tags"]) == {"maintenance", "rivya-flows"}
        assert len(found["schedules"]) == 1

        run = server.start("hurried/studio")
        server.end(run, "COMPLETED")
        assert place.answers(run) == [("studio", "deadline")]
        assert place.ends(run) == ["suspended", "completed"]
        check_film_is_made_from(place, run, "studio")
        server.logged(run, "hero: studio, after its deadline")
        with closing(Journal(f"sqlite:///{place.folder / 'journal.sqlite'}")) as journal:
            eventually(lambda: last_sweep(journal.engine), "the record of the sweep")
    finally:
        without_waker(server)


def pass_the_deadline(place: Place, run: str) -> None:
    """What two days do to the question of a run that waits."""
    at = "2026-01-01T00:00:00Z"
    with closing(connect(place.folder / "journal.sqlite", isolation_level=None)) as journal:
        journal.execute("PRAGMA busy_timeout = 60000")
        done = journal.execute(
            "UPDATE events SET body = json_set(body, '$.deadline', ?)"
            " WHERE run_id = ? AND kind = 'question.asked'",
            (at, f"run-{run}"),
        )
        assert done.rowcount == 1
    assert asyncio.run(wake(UUID(run)))


def test_a_retry_after_the_deadline_failed_a_pick_opens_the_question_again(
    server: Server, place: Place
) -> None:
    run = server.start("strict/studio")
    first = server.question(run)
    recorded = "stills[neon] collect"  # the server records task runs when it has time
    eventually(
        lambda: any(one["name"] == recorded for one in server.task_runs(run)), "its task run"
    )
    pass_the_deadline(place, run)
    reason = "no one answered by 2026-01-01 00:00 UTC"
    assert "hero" in server.end(run, "FAILED")["message"]
    picks = [one for one in server.task_runs(run) if one["name"] == "hero pick"]
    assert [(one["state_type"], one["state"]["message"]) for one in picks] == [("FAILED", reason)]
    assert server.graph(run)["after"]["hero pick"] >= {recorded}
    server.logged(run, f"hero failed: {reason}")

    server.let_go(run)
    server.retry(run)
    eventually(lambda: place.ends(run)[2:], "the end of the retry")
    server.question(run, after=first)
    assert resume(server, run, {"hero": "neon"})["status"] == "ACCEPT"
    server.end(run, "COMPLETED")
    assert place.ends(run) == ["suspended", "failed", "suspended", "completed"]
    assert (place.answers(run), questions(place, run)) == ([("neon", "form")], 2)
    check_film_is_made_from(place, run, "neon")


def test_an_answer_in_a_terminal_completes_the_flow_run_that_waits(
    server: Server, place: Place, prefect_data: Path
) -> None:
    run = server.start("picked/studio")
    server.question(run)
    keys = server.state(run)["state_details"]["run_input_keyset"]
    # Without its form no one can fill it in.
    server.ask("DELETE", f"/flow_runs/{run}/input/{keys['schema']}")
    # Nothing names the server: it is the one that `up` left running in the data folder.
    environment = dict(place.environment)
    process = find_process(os.getpid())
    assert process is not None
    url = environment.pop("PREFECT_API_URL").removesuffix("/api")
    server_process = ManagedProcess(
        name="server", pid=process.pid, birth=process.birth, mark="mark", url=url
    )
    write(place.folder, LeftRunning((server_process,)))
    environment.pop("PREFECT_API_AUTH_STRING")
    # Its locks say that it lives, and its password lies beside them.
    (place.folder / "prefect").symlink_to(prefect_data / "prefect")
    command = [sys.executable, "-m", "rivya_flows.cli.main", "resume", f"run-{run}"]
    done = subprocess.run(
        [*command, "--answer", "hero=neon"],
        cwd=place.folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"its suspended flow run {run} continues in Prefect" in done.stderr
    (place.folder / "prefect").unlink()
    write(place.folder, LeftRunning(()))
    server.end(run, "COMPLETED")
    assert place.answers(run) == [("neon", "command")]
    check_film_is_made_from(place, run, "neon")
