"""Whatever the service answers or fails to answer, each thing is paid for once and accounted for."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from rivya_flows.engine.run import RunOptions
from rivya_flows.queue.events import Event
from rivya_flows.queue.state import State
from rivya_sandbox.service import admin
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.startup import Sandbox
from support.engine_receipts import CHAT, CREATE, codes, executed, jobs, started
from support.engine_runs import Studio, accounts_agree, customer, order, stills

UPLOAD = "POST /api/v1/files"
SCRIPT = """
version: 1
name: script
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: A line for a lamp}
"""


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


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
    asyncio.run(studio.start(stills(1, top="budget: {credits: 1}"), "run-1"))
    receipt = executed(studio, conflict_seconds=0.2)
    assert codes(receipt) == ["uncertain"]
    assert receipt["credits"]["spent"] == 1
    order(sandbox)
    assert codes(executed(studio)) == ["uncertain"], "a plain resume never sends it again"
    assert jobs(studio, sandbox) == []
    receipt = executed(studio, wish=RunOptions(resubmit=("stills[0]",)))
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


def test_a_wallet_that_cannot_be_read_stops_nothing(studio: Studio, sandbox: Sandbox) -> None:
    asyncio.run(studio.start(stills(2), "run-1"))
    order(sandbox, 'on: "GET /api/v1/credits", do: status, status: 500')
    receipt = executed(studio)
    assert receipt["status"] == "completed"
    assert receipt["credits"]["unexplained"] is None
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


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
    assert executed(studio, wish=RunOptions(resubmit=("stills[0]",)))["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 1


def test_a_refusal_of_a_resubmitted_purchase_closes_nothing_until_a_person_gives_it_up(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, f'on: "{CREATE}", do: drop_after_commit')
    started(studio, stills(1))
    order(sandbox, f'on: "{CREATE}", do: status, status: 400')
    executed(studio)
    receipt = executed(studio, wish=RunOptions(resubmit=("stills[0]",)))
    assert (codes(receipt), receipt["credits"]["spent"]) == (["uncertain"], 1)
    order(sandbox)
    receipt = executed(studio, wish=RunOptions(regenerate=("stills[0]",)))
    assert receipt["status"] == "completed"
    assert [row["status"] for row in receipt["ledger"]] == ["uncertain", "succeeded"]
    # The guess was wrong, and what it cost was counted all along.
    assert receipt["credits"]["spent"] == 2
    assert receipt["credits"]["unexplained"] == 0
