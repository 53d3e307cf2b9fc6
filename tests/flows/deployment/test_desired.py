"""What `deploy` decides without a server: events, late runs, pruning, places that are shared."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest
from prefect.client.schemas.responses import DeploymentResponse

from rivya_flows.errors import SpecError, UsageError
from rivya_flows.flows.deployment.desired import (
    DeployOptions,
    desired_deployments,
    prefect_schedule,
    read_specs,
    schedule_problems,
)
from rivya_flows.flows.deployment.sync import find_unspecified
from rivya_flows.flows.prefect_internals import dates_of
from rivya_flows.language.workflow import Deploy, Schedule, Workflow
from rivya_flows.preparation.deploy_blocks import OWNER_TAG
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
        (
            'budget: {credits: "${{ inputs.n * 4 }}"}',
            "inputs: {n: {type: integer, default: 2}}",
            "At most 8 credits a run that starts by itself.",
        ),
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
    starts = ", schedules: [{cron: '0 6 * * *'}]" if "inputs" in budget else ""
    wanted_if = "if: '${{ inputs.n > 0 }}', " if inputs else ""
    (tmp_path / "lamp.yaml").write_text(
        f"version: 1\nname: lamp\n{budget}\n{inputs}\ndeploy: [{{name: lamp{starts}}}]\nsteps:\n"
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


@pytest.mark.parametrize(("hours", "zone"), [(24, "Asia/Kolkata"), (25, "UTC"), (1, "UTC")])
def test_intervals_count_from_midnight_of_their_zone_and_whole_days_in_it(
    hours: int, zone: str
) -> None:
    made = prefect_schedule(Schedule(interval=hours * 3600, timezone="Asia/Kolkata"))
    found = made.model_dump(mode="json")
    assert (found["anchor_date"], found["timezone"]) == ("2024-01-01T00:00:00+05:30", zone)


async def test_a_later_look_finds_no_other_dates_of_an_interval() -> None:
    made = prefect_schedule(Schedule(interval=25 * 3600, timezone="America/New_York"))
    begin, end = datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)
    change = datetime(2026, 11, 5, tzinfo=UTC)  # behind the end of summer time
    planned = [one for one in await dates_of(made, 99, begin, end) if one >= change]
    assert planned == await dates_of(made, 99, change, end)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("FREQ=SECONDLY", "a rule has one FREQ"),
        ("RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", "a rule has one FREQ"),
        ("RRULE:FREQ=DAILY\nEXRULE:FREQ=DAILY", "a rule has one FREQ"),
        ("RRULE:FREQ=DAILY\nRRULE:INTERVAL=2", "cannot be parsed"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL is at least 1"),
        ("FREQ=MONTHLY;BYDAY=20SU,1MO", "BYDAY counts to 5 at most"),
        ("FREQ=YEARLY;BYDAY=54SU,1MO", "BYDAY counts to 53 at most"),
        ("FREQ=YEARLY;BYEASTER=0,300", "BYEASTER is not of RFC 5545"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31", "no date within 50 years"),
        ("FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=1,2,3,4,5", "at most 24 times a day"),
        ("DTSTART:00010101T000000\nRRULE:FREQ=DAILY", "before 2000"),
        ("FREQ=DAILY;BYDAY=" + ",".join(["MO"] * 200), "616 characters; at most 500"),
    ],
)
def test_a_recurrence_that_would_block_the_server_is_refused(rule: str, reason: str) -> None:
    schedule = Schedule(rrule=rule)
    with pytest.raises(UsageError, match=reason):
        prefect_schedule(schedule)
    deploy = Deploy(name="d", schedules=(schedule,))
    (found,) = schedule_problems(
        Workflow(version=1, name="a", steps={}, deploy=(deploy,)), "a.yaml"
    )
    assert (found.code, found.file) == ("bad-schedule", "a.yaml")
    assert reason in found.message


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=9;BYMINUTE=30",
        "RRULE:FREQ=DAILY;COUNT=3",
        "DTSTART:20240101T090000Z\nRRULE:FREQ=MONTHLY;BYDAY=1MO;UNTIL=20300101T000000Z",
        "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO\nEXDATE:20200229T000000",
    ],
)
def test_a_recurrence_of_some_dates_is_accepted(rule: str) -> None:
    assert prefect_schedule(Schedule(rrule=rule)).rrule == rule  # type: ignore[union-attr]


def existing(
    collection: str = "/specs", *, spec: bool = True, tags: tuple[str, ...] = (OWNER_TAG,)
) -> DeploymentResponse:
    env = {"RIVYA_FLOWS_SPEC": "sha256:1", "RIVYA_FLOWS_COLLECTION": collection} if spec else {}
    return DeploymentResponse(
        id=uuid4(),
        flow_id=uuid4(),
        name="one",
        tags=list(tags),
        labels={},
        job_variables={"env": env},
    )


def test_only_what_a_call_shows_to_be_gone_is_pruned() -> None:
    there = {
        "a/weekly": existing(),
        "a/daily": existing(),
        "b/weekly": existing(),
        "c/weekly": existing("/other"),
        "rivya-flows-waker/sweep": existing(spec=False),
        "d/weekly": existing(tags=()),
    }
    one = find_unspecified(there, {"a/weekly"}, {"a"}, {"/specs"}, set())
    assert one == (("a/daily",), ("b/weekly",))
    whole = find_unspecified(there, {"a/weekly"}, {"a"}, {"/specs"}, {"/specs"})
    assert whole == (("a/daily", "b/weekly"), ())
