"""A spec of a stranger that is deployed: it chooses no code, reads no block, and does not buy on."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError
from rivya_flows.preparation.spec_file import specs_at
from rivya_flows.spec.load import load
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from
from support.prefect_workers import Server

SPEC = """\
version: 1
name: NAME
inputs: {words: {type: string, default: a lamp}}
budget: {credits: 2}
steps:
  still: {uses: generate, with: {model: z-image, prompt: "${{ inputs.words }}"}}
deploy:
  - name: d
    schedules: [{interval: 10}]
    ENTRY
"""
VARIABLE = "{__prefect_kind: workspace_variable, variable_name: token}"
BLOCK = "{{ prefect.blocks.secret.rivya-api-key }}"


def spec(name: str, entry: str) -> str:
    return SPEC.replace("NAME", name).replace("ENTRY", entry)


def put(folder: Path, entry: str = "tags: []") -> str:
    """Writes the only spec of a folder, and gives its name."""
    name = f"innocent-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "innocent.yaml").write_text(spec(name, entry))
    return name


def job_variable(text: str) -> str:
    return f"work_pool: {{name: campaigns, job_variables: {{{text}}}}}"


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (job_variable("command: sh -c env"), "operator-only"),
        (job_variable("working_dir: /tmp"), "operator-only"),
        (job_variable("image: theirs"), "operator-only"),
        (job_variable("env: {PYTHONPATH: .}"), "operator-only"),
        (job_variable("env.LD_PRELOAD: x.so"), "operator-only"),
        (job_variable(f"memory_limit: '{BLOCK}'"), "wrong-value"),
        (f"work_pool: {{name: campaigns, queue: '{BLOCK}'}}", "expression-not-allowed"),
        (f"tags: ['{BLOCK}']", "expression-not-allowed"),
        ("description: 'Home of {{ $HOME }}'", "expression-not-allowed"),
        ("inputs: {words: '{{ $RIVYA_API_KEY }}'}", "expression-not-allowed"),
        ("triggers: [{event: 'a{{b}}'}]", "expression-not-allowed"),
        (f"triggers: [{{event: a, match: {{b: '{BLOCK}'}}}}]", "expression-not-allowed"),
        (f"triggers: [{{event: a, inputs: {{words: [{VARIABLE}]}}}}]", "expression-not-allowed"),
    ],
)
def test_a_spec_chooses_no_code_and_reads_no_block(entry: str, code: str) -> None:
    with pytest.raises(SpecError) as wrong:
        load(spec("innocent", entry), file="innocent.yaml", catalogue=shipped())
    assert code in [problem.code for problem in wrong.value.diagnostics]


@pytest.mark.prefect
@pytest.mark.parametrize("entry", [job_variable("command: sh -c env"), f"tags: ['{BLOCK}']"])
def test_no_command_deploys_a_spec_that_chooses_code_or_reads_a_block(
    call: Terminal, server: Server, tmp_path: Path, entry: str
) -> None:
    name = put(tmp_path / "specs", entry)
    for command in (("check", "specs"), ("deploy", "specs"), ("up",)):
        said = call(*command)
        assert (said.code, "innocent.yaml" in said.err) == (2, True), said.err
    assert not (tmp_path / "data" / "up.json").exists()
    found = server.ask("POST", "/flows/filter", {"flows": {"name": {"any_": [name]}}})
    assert found == []


@pytest.mark.prefect
def test_a_folder_whose_name_prefect_would_fill_in_is_not_deployed(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / BLOCK
    put(folder)
    assert specs_at(folder)
    said = call("deploy", folder)
    assert said.code == 2
    assert "has '{{', which Prefect would fill in" in said.err


@pytest.mark.prefect
def test_a_schedule_multiplies_no_budget_without_a_cap_over_time(
    call: Terminal,
    server: Server,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buy_from(sandbox, monkeypatch)
    monkeypatch.setenv("RIVYA_FLOWS_LIVE", "true")
    name, specs = put(tmp_path / "specs"), tmp_path / "specs"
    price = "at most 2 credits a run, 17,280 credits a day, 535,680 credits a month"

    def deployed() -> bool:
        flows = {"flows": {"name": {"any_": [name]}}}
        return bool(server.ask("POST", "/deployments/filter", flows))

    for command in (("deploy", specs), ("up", "--specs", specs)):
        said = call(*command)
        assert said.code == 3, said.err
        for words in (
            f"Deployments buy from {sandbox.base_url} with the key rvya_sk_…",
            "(wallet: 1,000 credits).",
            f"{name}/d starts by itself, next on ",
            price,
            f"not confirmed: {name}/d may buy without a cap over time; nothing was deployed",
            "budgets set NAME --credits N --period month",
        ):
            assert words in said.err
    assert not (tmp_path / "data" / "up.json").exists()
    said = call("deploy", specs, "--plan")
    assert (said.code, price in said.err) == (0, True)
    assert not deployed()

    assert call("budgets", "set", "all", "--credits", 9, "--period", "day").code == 0
    said = call("deploy", specs)
    assert (said.code, "(pool all: 9 credits a day)" in said.err) == (0, True)
    assert deployed()
    assert call("budgets", "remove", "all").code == 3
    assert call("budgets", "remove", "all", "--yes").code == 0
    assert call("deploy", specs).code == 0  # agreed to
    path = specs / "innocent.yaml"
    path.write_text(path.read_text().replace("interval: 10", "interval: 9"))
    assert call("deploy", specs).code == 3  # dearer
    assert call("deploy", specs, "--yes").code == 0
    assert call("deploy", specs).code == 0


@pytest.mark.prefect
def test_the_env_of_a_folder_makes_no_rehearsal_of_workers(
    call: Terminal, server: Server, sandbox: Sandbox, tmp_path: Path
) -> None:
    name = put(tmp_path / "specs")
    (tmp_path / ".env").write_text(
        f"RIVYA_API_KEY={sandbox.api_key}\nRIVYA_BASE_URL={sandbox.base_url}\n"
    )
    said = call("deploy", "specs")
    assert (said.code, f"not confirmed: {name}/d may buy" in said.err) == (3, True), said.err
