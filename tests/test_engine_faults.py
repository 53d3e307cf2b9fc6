"""Whatever the service answers or fails to answer, each thing is paid for once and accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from engine_runs import Bomb, DirectCalls, Studio, accounts_agree, customer, order, stills
from prefect_workers import eventually

from flows.wish import Wish
from rivya_flows.plan.events import Event
from rivya_flows.plan.state import State
from rivya_flows.sandbox import admin
from rivya_flows.sandbox.database import Database
from rivya_flows.sandbox.serve import running
from rivya_flows.sandbox.site import Sandbox

CREATE = "POST /api/v1/generations"
UPLOAD = "POST /api/v1/files"
CHAT = "POST /api/v1/chat/completions"
SCRIPT = """
version: 1
name: script
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: A line for a lamp}
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("faults") / "sandbox") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(serving: Sandbox) -> Iterator[Sandbox]:
    yield serving
    admin.set_faults(serving.data, "")


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


def executed(studio: Studio, run_id: str = "run-1", wish: Wish | None = None) -> dict[str, Any]:
    """The receipt after one more execution."""
    asyncio.run(studio.execute(run_id, wish, conflict_seconds=0.2))
    return studio.receipt(run_id)


def started(studio: Studio, text: str, run_id: str = "run-1", **options: Any) -> dict[str, Any]:
    """The receipt after the first execution of a new run."""
    asyncio.run(studio.start(text, run_id, **options))
    return executed(studio, run_id)


def codes(receipt: dict[str, Any]) -> list[str | None]:
    """Why the items of the first step failed, in order."""
    return [item["code"] for item in receipt["steps"][0]["items"]]


def jobs(studio: Studio, sandbox: Sandbox) -> list[dict[str, Any]]:
    """What the service has sold to this studio."""
    return list(admin.ledger(sandbox.data, account=studio.account)["generations"])


@pytest.mark.parametrize(
    "faults",
    [
        ["do: drop_before, times: 2"],
        ["do: drop_after_commit, times: 2"],
        ["do: status, status: 500, times: 2"],
        ["do: status, status: 408, times: 2"],
        ["do: status, status: 429, times: 3"],
        ["do: drop_after_commit, times: 1", "do: status, status: 503, times: 2"],
        ["do: status, status: 409, times: 2"],
    ],
    ids=["drop before", "drop after", "500", "408", "429", "drop after, then 503", "409 in flight"],
)
@pytest.mark.parametrize(("route", "text"), [(CREATE, stills(3)), (CHAT, SCRIPT)])
def test_a_passing_fault_of_a_purchase_costs_nothing_more(
    studio: Studio, sandbox: Sandbox, route: str, text: str, faults: list[str]
) -> None:
    order(sandbox, *[f'on: "{route}", {fault}' for fault in faults])
    receipt = started(studio, text)
    assert receipt["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == (3 if route == CREATE else 1)


@pytest.mark.parametrize("do", ["drop_after_commit", "drop_before", "status, status: 500"])
def test_a_purchase_without_any_answer_stays_open_and_a_resume_settles_it(
    studio: Studio, sandbox: Sandbox, do: str
) -> None:
    order(sandbox, f'on: "{CREATE}", do: {do}')
    receipt = started(studio, stills(2))
    assert receipt["status"] == "failed"
    assert [row["status"] for row in receipt["ledger"]] == ["intended", "intended"]
    assert receipt["credits"]["spent"] == 2, "what may be bought counts as spent"
    order(sandbox)
    assert executed(studio)["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


def test_a_burst_of_429_that_outlasts_the_patience_is_no_refusal(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, f'on: "{CREATE}", do: status, status: 429')
    receipt = started(studio, stills(2))
    assert codes(receipt) == ["rate_limited"] * 2
    order(sandbox)
    assert executed(studio)["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


def test_a_conflict_that_never_clears_is_uncertain_and_counts_as_spent_until_it_is_resubmitted(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, f'on: "{CREATE}", do: status, status: 409')
    receipt = started(studio, stills(1, top="budget: {credits: 1}"))
    assert codes(receipt) == ["uncertain"]
    assert receipt["credits"]["spent"] == 1
    order(sandbox)
    assert codes(executed(studio)) == ["uncertain"], "a plain resume never sends it again"
    assert jobs(studio, sandbox) == []
    receipt = executed(studio, wish=Wish(resubmit=("stills[0]",)))
    assert receipt["status"] == "completed"
    assert [row["n"] for row in receipt["ledger"]] == [1]
    assert accounts_agree(studio, sandbox.data, "run-1") == 1


def test_a_definite_refusal_closes_the_purchase_and_the_next_one_has_another_key(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, f'on: "{CREATE}", do: status, status: 400, times: 1')
    receipt = started(studio, stills(1))
    assert codes(receipt) == ["validation_failed"]
    assert receipt["credits"]["spent"] == 0
    receipt = executed(studio)
    assert receipt["status"] == "completed"
    first, second = receipt["ledger"]
    assert (first["status"], second["status"]) == ("refused", "succeeded")
    assert first["idempotency_key"] != second["idempotency_key"]
    assert accounts_agree(studio, sandbox.data, "run-1") == 1


def test_a_revoked_key_in_a_resume_does_not_close_what_may_have_been_bought(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, f'on: "{CREATE}", do: drop_after_commit')
    started(studio, stills(1))
    order(sandbox, f'on: "{CREATE}", do: status, status: 401')
    assert [row["status"] for row in executed(studio)["ledger"]] == ["intended"]
    order(sandbox)
    assert executed(studio)["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 1


def test_credits_that_ran_out_are_added_and_the_resume_buys_the_rest_alone(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    studio = customer(sandbox, tmp_path / "studio", credits=2)
    receipt = started(studio, stills(4))
    assert sorted(map(str, codes(receipt))) == ["None"] * 2 + ["insufficient_credits"] * 2
    assert accounts_agree(studio, sandbox.data, "run-1", granted=2) == 2
    admin.add_credits(sandbox.data, 5, account=studio.account)
    assert executed(studio)["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1", granted=7) == 4


def test_a_purchase_that_emptied_the_wallet_unheard_is_not_closed_for_lack_of_credits(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    studio = customer(sandbox, tmp_path / "studio", credits=1)
    order(sandbox, f'on: "{CREATE}", do: drop_after_commit')
    started(studio, stills(1))
    # As of a service that looks at the wallet before it looks at the key.
    order(sandbox, f'on: "{CREATE}", do: status, status: 402')
    receipt = executed(studio)
    assert codes(receipt) == ["insufficient_credits"]
    assert [row["status"] for row in receipt["ledger"]] == ["intended"]
    admin.add_credits(sandbox.data, 5, account=studio.account)
    order(sandbox)
    assert executed(studio)["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1", granted=6) == 1


def test_a_service_that_forgot_the_key_is_never_asked_by_itself_after_the_window(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, f'on: "{CREATE}", do: drop_after_commit')
    started(studio, stills(1))
    order(sandbox)
    with closing(Database(sandbox.data)) as database, database.transaction() as forgetting:
        forgetting.execute("DELETE FROM idempotency")

    async def a_day_later() -> None:
        await studio.execute("run-1", resend_hours=0)

    asyncio.run(a_day_later())
    receipt = studio.receipt("run-1")
    assert (codes(receipt), receipt["credits"]["spent"]) == (["uncertain"], 1)
    assert len(jobs(studio, sandbox)) == 1
    assert receipt["credits"]["unexplained"] == 0


def test_a_failed_job_costs_nothing_and_is_bought_anew_only_where_the_spec_says_so(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, "on: generation, do: fail, times: 1")
    assert codes(started(studio, stills(1))) == ["job_failed"]
    assert codes(executed(studio)) == ["job_failed"], "a plain resume buys nothing anew"
    assert accounts_agree(studio, sandbox.data, "run-1") == 0
    order(sandbox, "on: generation, do: fail, times: 1, seconds: 0")
    receipt = started(studio, stills(1, step="regenerate: 1"), "run-2")
    assert receipt["status"] == "completed"
    assert [row["status"] for row in receipt["ledger"]] == ["failed", "succeeded"]
    assert accounts_agree(studio, sandbox.data, "run-1", "run-2") == 1


def test_each_regenerate_of_a_resume_allows_one_job_for_each_named_item(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, "on: generation, do: fail")
    started(studio, stills(2, step="max_parallel: 1"))
    receipt = executed(studio, wish=Wish(regenerate=("stills[1]",)))
    assert [row["key"] for row in receipt["ledger"]] == ["0", "1", "1"]
    # Said twice, because the first resume was killed before it bought.
    wish = Wish(regenerate=("stills",))
    asyncio.run(studio.execute("run-1", wish, bomb=Bomb(write=2)))
    receipt = executed(studio, wish=wish)
    assert [row["key"] for row in receipt["ledger"]] == ["0", "1", "1", "0", "1"]
    order(sandbox)
    receipt = executed(studio, wish=wish)
    assert receipt["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


@pytest.mark.parametrize("do", ["drop_before", "drop_after_commit", "status, status: 404"])
def test_a_result_that_cannot_be_fetched_leaves_its_cost_told_and_is_fetched_for_free(
    studio: Studio, sandbox: Sandbox, do: str
) -> None:
    order(sandbox, f'on: "GET /media/results/*", do: {do}')
    receipt = started(studio, stills(2))
    assert codes(receipt) == ["download"] * 2
    assert [row["final"] for row in receipt["ledger"]] == [1, 1]
    order(sandbox)
    assert executed(studio)["status"] == "completed"
    assert len(jobs(studio, sandbox)) == 2
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


def test_a_completed_run_brings_home_what_is_paid_and_keeps_its_other_failures_as_they_are(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(
        sandbox,
        f'on: "{CREATE}", do: status, status: 400, times: 1',
        'on: "GET /media/results/*", do: status, status: 404, times: 1',
    )
    receipt = started(studio, stills(3, step="allow_failures: 2"))
    assert receipt["status"] == "completed"
    assert sorted(map(str, codes(receipt))) == ["None", "download", "validation_failed"]
    receipt = executed(studio, wish=Wish(unpaid="completed"))
    assert (receipt["status"], len(receipt["ledger"])) == ("completed", 3)
    assert sorted(map(str, codes(receipt))) == ["None", "None", "validation_failed"]
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


def test_results_that_are_gone_for_good_are_bought_anew_only_where_the_item_is_named(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, 'on: "GET /media/results/*", do: status, status: 404')
    started(studio, stills(2))
    assert codes(executed(studio, wish=Wish(regenerate=("*", "stills")))) == ["download"] * 2
    assert len(jobs(studio, sandbox)) == 2, "a plain resume may still bring them"
    order(sandbox)
    for file in (sandbox.data / "results").iterdir():
        file.unlink()
    receipt = executed(studio, wish=Wish(regenerate=("stills[1]",)))
    assert codes(receipt) == ["download", None]
    assert [(row["key"], row["n"]) for row in receipt["ledger"]] == [("0", 1), ("1", 1), ("1", 2)]
    assert accounts_agree(studio, sandbox.data, "run-1") == 3


def test_a_result_that_is_no_medium_is_not_kept_and_is_fetched_again_for_free(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, 'on: "GET /media/results/*", do: status, status: 404')
    started(studio, stills(1))
    order(sandbox)
    file = max((sandbox.data / "results").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    picture = file.read_bytes()
    file.write_bytes(b"<html>come back later</html>")
    receipt = executed(studio)
    assert codes(receipt) == ["download"]
    assert receipt["steps"][0]["items"][0]["assets"] == []
    file.write_bytes(picture[: len(picture) // 2])
    assert codes(executed(studio)) == ["download"], "half a picture is none"
    file.write_bytes(picture)
    assert executed(studio)["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 1


@pytest.mark.parametrize(("attempts", "status"), [(1, "failed"), (2, "completed")])
def test_an_upload_is_tried_as_often_as_its_step_says(
    studio: Studio, sandbox: Sandbox, attempts: int, status: str
) -> None:
    text = stills(1).replace(
        "outputs:\n",
        f"""  kept:
    uses: upload
    retry: {{attempts: {attempts}}}
    with: {{file: "${{{{ steps.stills.items[0].asset }}}}"}}
outputs:
""",
    )
    order(sandbox, f'on: "{UPLOAD}", do: status, status: 503, times: 1')
    assert started(studio, text)["status"] == status


def test_a_refused_request_is_made_anew_with_files_that_are_uploaded_anew(
    studio: Studio, sandbox: Sandbox
) -> None:
    text = stills(1).replace(
        "outputs:\n",
        """  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: A push-in, references: ["${{ steps.stills.items[0].asset }}"]}
outputs:
""",
    )
    asyncio.run(studio.start(text, "run-1"))

    def meanwhile(event: Event, _: State) -> None:
        if event.kind == "file.uploaded":  # as if it had expired before it was used
            order(sandbox, f'on: "{CREATE}", do: status, status: 400')

    asyncio.run(studio.execute("run-1", listen=meanwhile))
    order(sandbox)
    receipt = executed(studio)
    assert receipt["status"] == "completed"
    refused, film = (row for row in receipt["ledger"] if row["step"] == "film")
    assert (refused["status"], film["status"]) == ("refused", "succeeded")
    with closing(Database(sandbox.data)) as database:
        [account] = database.rows("SELECT id FROM accounts WHERE name = ?", studio.account)
        query = "SELECT id FROM files WHERE account_id = ?"
        assert len(database.rows(query, account["id"])) == 2
    accounts_agree(studio, sandbox.data, "run-1")


def test_a_stalled_job_ends_at_the_time_out_and_a_resume_waits_for_the_same_job(
    studio: Studio, sandbox: Sandbox
) -> None:
    # The time-out is over after two looks, before the stall ends on the slowest machine.
    order(sandbox, "on: generation, do: stall, seconds: 1.5")
    receipt = started(studio, stills(1, step="timeout: 1s"))
    assert codes(receipt) == ["job_timeout"]
    assert receipt["credits"]["spent"] == 1, "it may still end, and then it has cost"
    eventually(lambda: jobs(studio, sandbox)[0]["status"] == "succeeded", "the end of the stall")
    assert executed(studio)["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 1


@dataclass
class Rambling(DirectCalls):
    """Lets the first so many chat answers end in the middle, or be something else."""

    answers: int = 0
    instead: str | None = None

    async def __call__(self, task: Any, stage: str, step: str, key: str, arguments: Any) -> Any:
        answer = await super().__call__(task, stage, step, key, arguments)
        if stage == "chat" and self.answers > 0:
            self.answers -= 1
            cut = answer["message"]["content"][:-4]
            return {**answer, "message": {"content": self.instead or cut}}
        return answer


@pytest.mark.parametrize(("wrong", "turns"), [(1, 2), (2, 3), (3, 3)])
def test_an_answer_of_a_wrong_shape_is_asked_again_in_its_session_and_every_turn_is_paid(
    studio: Studio, sandbox: Sandbox, wrong: int, turns: int
) -> None:
    async def once() -> None:
        await studio.start(SCRIPT.replace("lamp}", "lamp, expect: {line: string}}"), "run-1")
        await studio.execute("run-1", calls=Rambling(Bomb(), answers=wrong))

    asyncio.run(once())
    receipt = studio.receipt("run-1")
    assert codes(receipt) == [None if wrong < 3 else "unexpected_answer"]
    assert [row["n"] for row in receipt["ledger"]] == list(range(1, turns + 1))
    assert accounts_agree(studio, sandbox.data, "run-1") == turns
    with closing(Database(sandbox.data)) as database:
        [row] = database.rows("SELECT id FROM accounts WHERE name = ?", studio.account)
        query = "SELECT id FROM chat_sessions WHERE account_id = ?"
        assert len(database.rows(query, row["id"])) == 1
    assert executed(studio)["credits"]["spent"] == turns, "a plain resume asks no more"
    if wrong == 3:
        assert executed(studio, wish=Wish(regenerate=("script",)))["status"] == "completed"
        assert accounts_agree(studio, sandbox.data, "run-1") == turns + 1


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("9" * 5000, id="endless number"),
        pytest.param("1e999", id="infinite"),
        pytest.param("NaN", id="no number"),
        pytest.param("[" * 700 + "]" * 700, id="deep"),
    ],
)
def test_an_answer_that_holds_what_no_reader_takes_is_asked_again_like_a_wrong_one(
    studio: Studio, sandbox: Sandbox, more: str
) -> None:
    async def once() -> None:
        await studio.start(SCRIPT.replace("lamp}", "lamp, expect: {line: string}}"), "run-1")
        answer = f'{{"line": "so", "more": {more}}}'
        await studio.execute("run-1", calls=Rambling(Bomb(), answers=1, instead=answer))

    asyncio.run(once())
    receipt = studio.receipt("run-1")
    assert receipt["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


def test_half_a_character_in_an_answer_stops_no_run_that_makes_a_request_of_it(
    studio: Studio, sandbox: Sandbox
) -> None:
    text = """
version: 1
name: listed
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Two things, expect: {things: [string]}}
  stills:
    uses: generate
    foreach: "${{ steps.script.json.things }}"
    with: {model: z-image, prompt: "a ${{ item }}"}
"""

    async def once() -> None:
        await studio.start(text, "run-1")
        answer = r'{"things": ["lamp \ud83d", "chair \ud83e\ude91"]}'
        await studio.execute("run-1", calls=Rambling(Bomb(), answers=1, instead=answer))

    asyncio.run(once())
    receipt = studio.receipt("run-1")
    assert receipt["status"] == "completed"
    assert [item["prompt"] for item in receipt["steps"][1]["items"]] == [
        "a lamp \ufffd",
        "a chair 🪑",
    ]
    assert accounts_agree(studio, sandbox.data, "run-1") == 3


def test_a_wallet_that_cannot_be_read_stops_nothing(studio: Studio, sandbox: Sandbox) -> None:
    asyncio.run(studio.start(stills(2), "run-1"))
    order(sandbox, 'on: "GET /api/v1/credits", do: status, status: 500')
    receipt = executed(studio)
    assert receipt["status"] == "completed"
    assert receipt["credits"]["unexplained"] is None
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


def test_a_chat_session_that_cannot_be_used_is_refused_and_holds_no_credits(
    studio: Studio, sandbox: Sandbox
) -> None:
    chats = "gemini-2-5-flash-chat", "gpt-5-2-chat"
    text = """
version: 1
name: two-models
steps:
  first: {{uses: chat, with: {{model: {}, message: A line}}}}
  second:
    uses: chat
    with: {{model: {}, message: Another, session: "${{{{ steps.first.session_id }}}}"}}
"""
    receipt = started(studio, text.format(*chats))
    assert receipt["steps"][1]["items"][0]["code"] == "chat_session_conflict"
    assert [row["status"] for row in receipt["ledger"]] == ["answered", "refused"]
    assert accounts_agree(studio, sandbox.data, "run-1") == receipt["ledger"][0]["final"]


def test_a_refusal_of_what_was_sent_before_without_an_answer_is_uncertain(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, f'on: "{CREATE}", do: drop_after_commit')
    started(studio, stills(1))
    # As when the model is withdrawn: the request is looked at before its key.
    order(sandbox, f'on: "{CREATE}", do: status, status: 400')
    receipt = executed(studio)
    assert (codes(receipt), receipt["credits"]["spent"]) == (["uncertain"], 1)
    order(sandbox)
    assert executed(studio, wish=Wish(resubmit=("stills[0]",)))["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 1


def test_a_refusal_of_a_resubmitted_purchase_closes_it(studio: Studio, sandbox: Sandbox) -> None:
    order(sandbox, f'on: "{CREATE}", do: drop_before')
    started(studio, stills(1))
    order(sandbox, f'on: "{CREATE}", do: status, status: 400')
    executed(studio)
    receipt = executed(studio, wish=Wish(resubmit=("stills[0]",)))
    assert (codes(receipt), receipt["credits"]["spent"]) == (["validation_failed"], 0)
    order(sandbox)
    assert executed(studio)["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 1
