"""What each command prints with `--json` has exactly the fields of docs/reference/json.md."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.engine.publishing import payload_of
from rivya_flows.flows.deployment.drift import drift_event
from rivya_flows.flows.execution.job_notifications import event_of
from rivya_flows.preparation.drift import Credits, Drift
from rivya_flows.processes.registry import ManagedProcess
from rivya_flows.receiver.notification import JobNotification
from rivya_flows.up.options import UpStatus
from rivya_flows.webhook_receiver import Ready
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Said, Terminal, buy_from
from support.composed_media import still
from support.documented_json import REFERENCE, differences, sections
from support.receipts import parsed
from support.signed_media import signed_card

SECTIONS = sections("json.md")
EXAMPLES = {
    heading: found
    for heading, text in re.findall(
        r"^## (.+?)$\n(.*?)(?=^## |\Z)",
        (REFERENCE / "json.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    for found in re.findall(r"```json\n(.*?)```", text, re.DOTALL)
}
SPEC = """
version: 1
name: spot
inputs: {product: {type: string}}
budget: {credits: 6}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ inputs.product }}, ${{ matrix.style }}"}
    fallback: [{model: seedream-5-lite}]
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human}
outputs: {hero: "${{ steps.hero.asset }}"}
"""
TESTS = """
version: 1
cases:
  - {name: right, inputs: {product: lamp}, answers: {hero: neon}, expect: {credits: 2}}
  - {name: wrong, inputs: {product: lamp}, answers: {hero: neon}, expect: {credits: 3}}
"""


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    """The commands in a folder with a spec, without a key."""
    monkeypatch.setenv("RIVYA_FLOWS_DATA", str(tmp_path / "data"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("spot.yaml").write_text(SPEC)
    Path("spot.test.yaml").write_text(TESTS)
    Path("draft.yaml").write_text(SPEC.replace("model: z-image", "model: z-imge"))
    return Terminal(capsys)


def holds(said: Said, heading: str) -> Any:
    """The document of a command, which has the fields of that section."""
    document = said.document
    assert differences(document, SECTIONS[heading]) == []
    return document


@pytest.mark.parametrize("heading", EXAMPLES)
def test_an_example_has_the_fields_of_its_table(heading: str) -> None:
    assert differences(json.loads(EXAMPLES[heading]), SECTIONS[heading]) == []


def test_a_difference_is_told() -> None:
    document = {"credits": "1000", "more": 1}
    assert differences(document, SECTIONS["`credits`"]) == [
        "credits is '1000', not whole number",
        "more is not documented",
        "service is documented and not there",
    ]


def test_mistakes(call: Terminal) -> None:
    holds(call("plan", "--json"), "Error")
    holds(call("plan", "draft.yaml", "-i", "product=lamp", "--json"), "Error")
    found = holds(call("check", "draft.yaml", "spot.yaml", "--json"), "`check`")
    assert [one["code"] for one in found["problems"]] == ["unknown-model"]
    fixed = holds(call("check", "draft.yaml", "--fix", "--json"), "`check`")["fixed"]
    assert len(fixed) == 1


def test_specs_before_and_now_and_a_code(call: Terminal) -> None:
    order = ("plan", "spot.yaml", "--against", "draft.yaml", "-i", "product=lamp", "--json")
    [spec] = holds(call(*order), "`plan --against`")["specs"]
    assert (spec["change"], len(spec["problems"]["old"])) == ("unknown", 1)
    holds(call("explain", "unknown-alias", "--json"), "`explain`")


def test_cases_of_a_test(call: Terminal) -> None:
    found = holds(call("test", "spot.test.yaml", "--json"), "`test`")
    assert (found["passed"], found["failed"]) == (1, 1)


def test_models_and_this_machine(call: Terminal) -> None:
    holds(call("models", "--json"), "`models`")
    holds(call("init", "--list", "--json"), "`init`")
    one = call("models", "elevenlabs-turbo-2-5", "--json").document
    one["models"] = [one.pop("model")]
    assert differences(one, SECTIONS["`models`"]) == []
    holds(call("doctor", "--json"), "`doctor`")
    holds(call("down", "--json"), "`down`")
    assert holds(call("cache", "list", "--json"), "`cache list`") == []


def test_pools(call: Terminal, shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    buy_from(shared_sandbox, monkeypatch)
    assert call("budgets", "set", "acme", "--match", "client=acme", "--credits", 9).code == 0
    assert call("budgets", "set", "all", "--credits", 9, "--period", "total").code == 0
    assert len(holds(call("budgets", "list", "--json"), "`budgets list`")) == 2
    holds(call("credits", "--json"), "`credits`")
    quoted = "-i", "product=lamp", "--label", "client=acme", "--out", "spot.quote", "--json"
    assert len(holds(call("plan", "spot.yaml", *quoted), "`plan`")["pools"]) == 2
    quote = json.loads(Path("spot.quote").read_text())
    assert differences(quote, SECTIONS["A quote"]) == []


def test_the_sandbox(call: Terminal, tmp_path: Path) -> None:
    folder = ("--data", tmp_path / "sandbox", "--json")
    holds(call("sandbox", "keys", "create", *folder), "`sandbox keys create`")
    assert holds(call("sandbox", "keys", "list", *folder), "`sandbox keys list`")
    holds(call("sandbox", "credits", "add", 5, *folder), "`sandbox credits add`")
    holds(call("sandbox", "ledger", *folder), "`sandbox ledger`")
    Path("faults.yaml").write_text("faults: [{on: generation, do: fail, times: 2}]\n")
    answers = "[{when: slogan, text: Light.}, {when: x, json: {a: 1}}]"
    Path("answers.yaml").write_text(answers)
    assert holds(call("sandbox", "faults", "set", "faults.yaml", *folder), "`sandbox faults list`")
    holds(call("sandbox", "answers", "set", "answers.yaml", *folder), "`sandbox answers list`")


def test_what_up_and_the_receiver_say() -> None:
    process = ManagedProcess(name="worker", pid=1, birth="1", mark="1", log="/data/worker.log")
    status = UpStatus(Path("/data"), {"worker": process}, ["worker"], deployments=("spot/weekly",))
    assert differences(status.as_json(), SECTIONS["`up`"]) == []
    ready = Ready("http://a", "http://a", "http://a/webhooks", "http://a/api", None, True)
    assert differences(asdict(ready), SECTIONS["`webhooks listen`"]) == []
    told = event_of(JobNotification("evt_1", "task_1", "succeeded", "z-image"))
    assert differences(told.payload, SECTIONS["Event of a job"]) == []
    drift = Drift("spot/weekly", "sha256:1", before=Credits(1, 2), now=Credits(2, None))
    event = drift_event(uuid.uuid4(), drift, "")
    assert differences(event.payload, SECTIONS["Event of a drift"]) == []


def test_content_credentials(call: Terminal, tmp_path: Path) -> None:
    holds(call("verify", still(tmp_path / "plain.png", (8, 8)), "--json"), "`verify`")
    assert holds(call("verify", signed_card(tmp_path), "--json"), "`verify`")["valid"]


@pytest.mark.prefect
def test_deployments_and_automations(call: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_SANDBOX", "true")
    name = f"spec-{uuid.uuid4().hex[:8]}"  # of no other test on this server
    entry = 'deploy: [{name: weekly, schedules: [{cron: "0 9 * * 1"}], inputs: {product: lamp}}]\n'
    Path("spot.yaml").write_text(SPEC.replace("name: spot", f"name: {name}") + entry)
    holds(call("deploy", "spot.yaml", "--plan", "--json"), "`deploy`")
    assert holds(call("deploy", "spot.yaml", "--json"), "`deploy`")["deployments"]
    checked = holds(call("check", "--deployed", "--json"), "`check --deployed`")["deployments"]
    assert f"{name}/weekly" in [one["deployment"] for one in checked]
    assert holds(call("automations", "apply", "--json"), "`automations apply`")
    assert holds(call("automations", "list", "--json"), "`automations list`")


@pytest.mark.prefect
def test_a_run_and_what_the_store_says_of_it(
    call: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy_from(sandbox, monkeypatch)
    order = ("spot.yaml", "-i", "product=lamp", "--label", "client=acme")
    run = holds(call("run", *order, "--json"), "`run`")["run_id"]
    done = holds(call("resume", run, "--answer", "hero=neon", "--json"), "`run`")
    assert done["status"] == "completed"
    fork = holds(call("fork", run, "-i", "product=desk", "--plan", "--json"), "`plan`")
    assert fork["verdict"] == "ok"
    other = holds(call("run", *order, "--cache", "spec", "--json"), "`run`")["run_id"]
    assert len(holds(call("runs", "--json"), "`runs`")) == 2
    assert holds(call("spend", "--by", "client,model", "--json"), "`spend`")["rows"]
    assert holds(call("insights", "--json"), "`insights`")["rows"]
    holds(call("compare", run, other, "--json"), "`compare`")
    monkeypatch.setenv("RIVYA_FLOWS_PUBLIC_URL", "https://media.example.org")
    for option in ("--replace", "--list", "--revoke"):
        link = call("review", run, "hero", "--for", "Ana", option, "--json")
        assert holds(link, "`review`")["links"]
    assert holds(call("cache", "list", "--json"), "`cache list`")
    holds(call("cache", "prune", "--all", "--plan", "--json"), "`cache prune`")
    holds(call("store", "prune", "--older-than", 0, "--plan", "--json"), "`cache prune`")
    holds(call("store", "remove", other, "--yes", "--json"), "`store remove`")
    for line in call("store", "export", run).out.splitlines():
        assert differences(json.loads(line), SECTIONS["`store export`"]) == []
    receipt = call("receipt", run, "--json").document
    payload = payload_of(parsed(receipt), lambda _: None, None, deployed=True).model_dump(
        mode="json"
    )
    assert differences(payload, SECTIONS["Event of a run's end"]) == []
    Path("rows.csv").write_text("product,x-who\nsofa,Asha\n")
    batch = ("batch", "spot.yaml", "--rows", "rows.csv", "--json")
    assert holds(call(*batch, "--plan"), "`batch --plan`")["rows"]
    assert holds(call(*batch), "`batch`")["rows"]
