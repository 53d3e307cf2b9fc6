"""The automation that sends how runs end, and what the command refuses before it asks a server."""

from __future__ import annotations

from uuid import UUID

import pytest
from prefect.client.schemas.objects import BlockDocument
from prefect.events.schemas.automations import CompoundTrigger

from rivya_flows.flows.notifications import notification
from support.cli_calls import Terminal

BLOCK = BlockDocument(
    id=UUID(int=1), name="team", block_schema_id=UUID(int=2), block_type_id=UUID(int=3)
)


def test_a_block_has_one_automation_for_each_spec_and_one_for_all() -> None:
    one = notification("slack-webhook/team", BLOCK, ["suspended", "failed"], "spot")
    every = notification("slack-webhook/team", BLOCK, ["failed"], None)
    assert one.name == "rivya-flows: notify slack-webhook/team of spot"
    assert every.name == "rivya-flows: notify slack-webhook/team"
    assert isinstance(one.trigger, CompoundTrigger)
    failed, suspended = (found.model_dump() for found in one.trigger.triggers)
    assert failed["expect"] == {
        "rivya-flows.run.failed",
        "prefect.flow-run.Failed",
        "prefect.flow-run.TimedOut",
    }
    assert suspended["expect"] == {"rivya-flows.run.suspended"}
    flow = {"prefect.resource.role": "flow", "prefect.resource.name": "spot"}
    assert failed["match_related"][1] == suspended["match_related"][1] == flow


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--on", "failed"], "--on and --spec belong to --notify"),
        (["--notify", "slack-webhook/team", "--on", "failed,never"], "'never' is not an end"),
        (["--notify", "slack-webhook/team"], "no Prefect server answers at http://127.0.0.1:9"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_with_it(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    said = Terminal(capsys)("automations", "apply", *arguments)
    assert (said.code, words in said.err) == (2, True)
