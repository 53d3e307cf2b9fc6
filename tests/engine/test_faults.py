"""Whatever the service answers or fails to answer, each thing is paid for once and accounted for."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from rivya_flows.queue.events import Event
from rivya_flows.queue.state import State
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import CHAT, CREATE, LINE, Studio, codes, customer, stills

pytestmark = pytest.mark.slow

UPLOAD = "POST /api/v1/files"


@pytest.mark.parametrize(
    ("route", "faults"),
    [
        (CREATE, ["do: drop_before, times: 2"]),
        (CREATE, ["do: status, status: 500, times: 2"]),
        (CREATE, ["do: status, status: 408, times: 2"]),
        (CREATE, ["do: status, status: 429, times: 3"]),
        (CREATE, ["do: drop_after_commit, times: 1", "do: status, status: 503, times: 2"]),
        (CREATE, ["do: status, status: 409, times: 2"]),
        (CHAT, ["do: drop_after_commit, times: 2"]),
        (CHAT, ["do: status, status: 409, times: 2"]),
    ],
)
def test_a_passing_fault_of_a_purchase_costs_nothing_more(
    studio: Studio, route: str, faults: list[str]
) -> None:
    studio.order(*[f'on: "{route}", {fault}' for fault in faults])
    assert studio.started(stills(3) if route == CREATE else LINE)["status"] == "completed"
    assert studio.audit() == (3 if route == CREATE else 1)


def test_a_definite_refusal_closes_the_purchase_and_the_next_one_has_another_key(
    studio: Studio,
) -> None:
    studio.order(f'on: "{CREATE}", do: status, status: 400, times: 1')
    receipt = studio.started(stills(1))
    assert (codes(receipt), receipt["credits"]["spent"]) == (["validation_failed"], 0)
    receipt = studio.executed()
    assert receipt["status"] == "completed"
    first, second = receipt["ledger"]
    assert (first["status"], second["status"]) == ("refused", "succeeded")
    assert first["idempotency_key"] != second["idempotency_key"]
    assert studio.audit() == 1


def test_a_purchase_that_is_not_sent_again_after_the_window_counts_as_what_the_wallet_lost(
    studio: Studio,
) -> None:
    studio.order(f'on: "{CREATE}", do: drop_after_commit')
    studio.started(stills(1))
    studio.order()
    receipt = studio.executed(resend_hours=0)
    assert (codes(receipt), receipt["credits"]["spent"]) == (["uncertain"], 1)
    assert (len(studio.jobs()), receipt["credits"]["unexplained"]) == (1, 0)


def test_credits_that_ran_out_are_added_and_the_resume_buys_the_rest_alone(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    studio = customer(sandbox, tmp_path / "studio", credits=2)
    receipt = studio.started(stills(4))
    assert sorted(map(str, codes(receipt))) == ["None"] * 2 + ["insufficient_credits"] * 2
    assert studio.audit(granted=2) == 2
    studio.add_credits(5)
    assert studio.executed()["status"] == "completed"
    assert studio.audit(granted=7) == 4


@pytest.mark.parametrize(("attempts", "status"), [(1, "failed"), (2, "completed")])
def test_an_upload_is_tried_as_often_as_its_step_says(
    studio: Studio, attempts: int, status: str
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
    studio.order(f'on: "{UPLOAD}", do: status, status: 503, times: 1')
    assert studio.started(text)["status"] == status


def test_a_refused_request_is_made_anew_with_files_that_are_uploaded_anew(studio: Studio) -> None:
    text = stills(1).replace(
        "outputs:\n",
        """  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: A push-in, references: ["${{ steps.stills.items[0].asset }}"]}
outputs:
""",
    )
    studio.prepared(text)

    def meanwhile(event: Event, _: State) -> None:
        if event.kind == "file.uploaded":  # as if it had expired before it was used
            studio.order(f'on: "{CREATE}", do: status, status: 400')

    asyncio.run(studio.execute("run-1", listen=meanwhile))
    studio.order()
    receipt = studio.executed()
    assert receipt["status"] == "completed"
    refused, film = (row for row in receipt["ledger"] if row["step"] == "film")
    assert (refused["status"], film["status"]) == ("refused", "succeeded")
    with closing(Database(studio.data)) as database:
        [account] = database.rows("SELECT id FROM accounts WHERE name = ?", studio.account)
        query = "SELECT id FROM files WHERE account_id = ?"
        assert len(database.rows(query, account["id"])) == 2
    studio.audit()


def test_a_wallet_that_cannot_be_read_stops_nothing(studio: Studio) -> None:
    studio.prepared(stills(2))
    studio.order('on: "GET /api/v1/credits", do: status, status: 500')
    receipt = studio.executed()
    assert receipt["status"] == "completed"
    assert receipt["credits"]["unexplained"] is None
    assert studio.audit() == 2
