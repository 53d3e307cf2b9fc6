"""What `deploy` decides without a server: events, late runs, pruning, places that are shared."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rivya_flows.errors import SpecError
from rivya_flows.flows.deployment.desired import DeployOptions, desired_deployments, read_specs
from rivya_flows.store.assets import AssetStore
from support.cli_calls import Terminal
from support.triggered_spec import SPEC

PART = """\
version: 1
name: part
steps: {one: {uses: generate, with: {model: z-image, prompt: A lamp}}}
outputs: {one: "${{ steps.one.asset }}"}
"""


def put(folder: Path, name: str, trigger: str = "{event: x, inputs: {product: Lamp}}") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(SPEC.replace("NAME", name).replace("TRIGGER", trigger))
    return path


def test_a_folder_is_given_as_a_whole_if_it_is_named_or_each_of_its_specs(tmp_path: Path) -> None:
    first, second = put(tmp_path, "first"), put(tmp_path, "second")
    for paths in ([tmp_path], [first, second], [first, tmp_path]):
        found = read_specs(paths)
        assert set(found.specs) == {"first", "second"}
        assert found.covered == {str(tmp_path)}
    assert read_specs([first]).covered == frozenset()
    named = read_specs([first], collection="spring")
    assert named.covered == {"spring"}
    assert named.specs["first"].collection == "spring"


def test_a_folder_from_which_all_specs_are_gone_is_given_as_a_whole(tmp_path: Path) -> None:
    found = read_specs([tmp_path], empty=True)
    assert not found.specs
    assert found.covered == {str(tmp_path)}


def test_tests_beside_the_specs_are_left_out_and_alone_refused(tmp_path: Path) -> None:
    first, tests = put(tmp_path, "first"), tmp_path / "first.test.yaml"
    tests.write_text("version: 1\ncases: [{name: one}]\n")
    assert set(read_specs([first, tests]).specs) == {"first"}
    with pytest.raises(SpecError) as caught:
        read_specs([tests])
    [problem] = caught.value.diagnostics
    assert problem.message == "has tests, and is not a spec"
    assert problem.hint == f"run `rivya-flows test {tests}`"


def test_what_was_checked_is_deployed_whatever_becomes_of_the_folder(tmp_path: Path) -> None:
    path, part = put(tmp_path, "first"), tmp_path / "parts" / "part.yaml"
    part.parent.mkdir()
    part.write_text(PART)
    included = "steps:\n  more: {uses: include, with: {spec: parts/part.yaml}}\n"
    path.write_text(path.read_text().replace("steps:\n", included))
    sources = read_specs([tmp_path])
    part.write_text(PART.replace("z-image", "veo3"))
    path.write_text("")
    assets = AssetStore((tmp_path / "assets").as_uri(), tmp_path)
    [wanted] = desired_deployments(sources, DeployOptions(), {}, assets)
    assert wanted.spec
    assert wanted.spec.includes == {"parts/part.yaml": PART}


@pytest.mark.parametrize(
    ("budget", "inputs", "price"),
    [
        ("budget: {credits: 20}", "", "At most 20 credits a run."),
        ("", "", "1 credit a run."),
        ("", "inputs: {n: {type: integer, default: 2}}", "1 credit a run with these inputs."),
        (
            "",
            "inputs: {n: {type: integer}}",
            "No budget: the price of a run depends on its inputs.",
        ),
    ],
)
def test_a_deployment_says_what_a_run_costs(
    budget: str, inputs: str, price: str, tmp_path: Path
) -> None:
    wanted_if = "if: '${{ inputs.n > 0 }}', " if inputs else ""
    (tmp_path / "lamp.yaml").write_text(
        f"version: 1\nname: lamp\n{budget}\n{inputs}\ndeploy: [{{name: by-hand}}]\nsteps:\n"
        f"  still: {{uses: generate, {wanted_if}with: {{model: z-image, prompt: A lamp}}}}\n"
    )
    sources = read_specs([tmp_path])
    assets = AssetStore((tmp_path / "assets").as_uri(), tmp_path)
    [wanted] = desired_deployments(sources, DeployOptions(), {}, assets)
    assert str(wanted.fields.description).split("\n\n")[0] == price


def test_a_server_must_be_there_to_deploy_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Terminal(capsys)("deploy", put(tmp_path, "first"))
    assert said.code == 2
    assert "rivya-flows up" in said.err


def test_a_server_that_does_not_answer_is_told_without_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("PREFECT_API_URL", f"http://me:hushed@127.0.0.1:{port}/api")
    said = Terminal(capsys)("deploy", put(tmp_path, "first"))
    assert said.code == 2
    assert f"no Prefect server answers at http://me:***@127.0.0.1:{port}/api" in said.err
    assert "hushed" not in said.out + said.err


def test_a_server_that_is_not_prefect_is_refused_with_what_its_address_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}")
        said = Terminal(capsys)("deploy", put(tmp_path, "first"))
        server.shutdown()
    assert said.code == 2
    assert f"no Prefect server answers at http://127.0.0.1:{server.server_port}" in said.err
    assert "which ends in /api" in said.err


def test_problems_of_all_specs_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    twin = put(tmp_path / "twin", "first")
    paths = [put(tmp_path, "first"), twin, put(tmp_path, "wrong", "{event: a}"), Path("none.yaml")]
    with pytest.raises(SpecError) as raised:
        read_specs([*paths, tmp_path / "empty"])
    found = sorted((one.code, Path(one.file).name) for one in raised.value.diagnostics)
    assert found == [
        ("duplicate-name", "first.yaml"),
        ("missing-input", "wrong.yaml"),
        ("unreadable", "empty"),
        ("unreadable", "none.yaml"),
    ]
