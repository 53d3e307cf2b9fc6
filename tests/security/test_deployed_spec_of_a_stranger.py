"""A spec of a stranger that is deployed: it chooses no code, reads no block, and does not buy on."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from rivya_flows.app.spec_file import specs_at
from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError
from rivya_flows.language.load import load
from support.cli_calls import Terminal
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
BLOCK = "{{ prefect.blocks.secret.rivya-api-key }}"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


def put(folder: Path, entry: str = "tags: []") -> str:
    """Writes the only spec of a folder, and gives its name."""
    name = f"innocent-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "innocent.yaml").write_text(SPEC.replace("NAME", name).replace("ENTRY", entry))
    return name


def job_variable(text: str) -> str:
    return f"work_pool: {{name: campaigns, job_variables: {{{text}}}}}"


@pytest.mark.prefect
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
    ],
)
def test_a_spec_chooses_no_code_and_reads_no_block(
    call: Terminal, server: Server, tmp_path: Path, entry: str, code: str
) -> None:
    name = put(tmp_path / "specs", entry)
    for command in ("check", "deploy", "up"):
        said = call(command, *([] if command == "up" else ["specs"]))
        assert (said.code, code in said.err) == (2, True), said.err
    assert not (tmp_path / "data" / "up.json").exists()
    path = tmp_path / "specs" / "innocent.yaml"
    with pytest.raises(SpecError):  # the way to a prefect.yaml
        load(path.read_text(), file=str(path), catalogue=shipped())
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
