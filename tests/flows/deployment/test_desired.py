"""What `deploy` decides without a server: events, late runs, pruning, places that are shared."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.server.utilities.user_templates import TemplateRenderError, render_user_template

from rivya_flows.app.shared_store_checks import UNKNOWN_MACHINE, machine_of, shown_url, unshared
from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError
from rivya_flows.flows.deploy_blocks import OWNER_TAG, schedule_of
from rivya_flows.flows.deployment.desired import prefect_schedule, read_sources
from rivya_flows.flows.deployment.pruning import ExistingDeployment, gone
from rivya_flows.flows.recovery.catchup import Due, decide
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.load import check
from rivya_flows.language.trigger_values import for_prefect
from rivya_flows.language.workflow import Deploy, Schedule, Workflow
from rivya_flows.settings import Settings
from support.cli_calls import Terminal

SPEC = """\
version: 1
name: NAME
inputs:
  product: {type: string}
  count: {type: integer, default: 1}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: "${{ inputs.product }}"}
deploy:
  - name: on-brief
    triggers:
      - TRIGGER
"""
EVENT = SimpleNamespace(
    id="5f0c",
    event="campaign.brief.created",
    occurred=datetime(2026, 11, 25, 9, tzinfo=UTC),
    payload={
        "product": 'Lamp "A" {{ x }}',
        "count": 3,
        "items": ["studio", "neon"],
        "brief": {"mood": "warm", "note": None},
    },
    resource=SimpleNamespace(id="campaign.7"),
)


def put(folder: Path, name: str, trigger: str = "{event: x, inputs: {product: Lamp}}") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(SPEC.replace("NAME", name).replace("TRIGGER", trigger))
    return path


def rendered(value: Any) -> Any:
    """What Prefect makes of the value of a trigger's input when the event comes."""
    made = for_prefect(value)
    if not (isinstance(made, dict) and "__prefect_kind" in made):
        return made
    assert (made["__prefect_kind"], made["value"]["__prefect_kind"]) == ("json", "jinja")
    text = asyncio.run(render_user_template(made["value"]["template"], {"event": EVENT}))
    return json.loads(text)


# --- events ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "worth"),
    [
        ("Lamp", "Lamp"),
        (5, 5),
        ("a {{ brace }} and {% block %}", "a {{ brace }} and {% block %}"),
        ("${{ event.payload.product }}", 'Lamp "A" {{ x }}'),
        ("${{ event.payload.count }}", 3),
        ("${{ event.payload.items }}", ["studio", "neon"]),
        ("${{ event.payload.items[1] }}", "neon"),
        ("${{ event.payload.brief.mood }}", "warm"),
        ("${{ event.payload }}", EVENT.payload),
        ("${{ event.payload.price | default(9) }}", 9),
        ("${{ event.payload.brief.note | default('it\\'s {{ none }}') }}", "it's {{ none }}"),
        ("${{ event.payload.brief.mood | default('cold') }}", "warm"),
        ("“${{ event.payload.brief.mood }}” 😀 ${{ event.payload.count }}", "“warm” 😀 3"),
        (["${{ event.payload.brief.mood }}", "plain"], ["warm", "plain"]),
        ({"a{{b": {"c": "${{ event.id }}"}}, {"a{{b": {"c": "5f0c"}}),
        ("${{ event.event }}", "campaign.brief.created"),
        ("${{ event.occurred }}", "2026-11-25 09:00:00+00:00"),
        ("${{ event.resource.id }}", "campaign.7"),
    ],
)
def test_an_event_gives_a_value_of_its_own_type(written: Any, worth: Any) -> None:
    assert rendered(written) == worth


@pytest.mark.parametrize(
    "written", ["${{ event.payload.nothing }}", "For ${{ event.payload.brief.nothing }}"]
)
def test_a_field_that_the_event_lacks_begins_no_run(written: str) -> None:
    with pytest.raises(TemplateRenderError):
        rendered(written)


@pytest.mark.parametrize(
    "written",
    [
        "${{ inputs.product }}",
        "${{ event.payload.a + 1 }}",
        "${{ event.payload.a | upper }}",
        "${{ event.payload.a | default(event.payload.b) }}",
        "${{ event.related }}",
        "${{ event }}",
    ],
)
def test_an_event_gives_fields_and_nothing_that_is_computed(written: str) -> None:
    with pytest.raises(ExpressionError):
        for_prefect(written)


@pytest.mark.parametrize(
    ("trigger", "code", "words"),
    [
        ("{event: a b, inputs: {product: x}}", "bad-name", "not an event name"),
        ("{event: a}", "missing-input", "an event cannot ask"),
        ("{event: a, inputs: {produkt: x}}", "unknown-input", "unknown input 'produkt'"),
        ("{event: a, inputs: {product: x, count: x}}", "wrong-input", "a whole number"),
        ("{evnt: a}", "unknown-key", "unknown key 'evnt'"),
        (
            '{event: a, inputs: {product: "${{ steps.still.asset }}"}}',
            "bad-expression",
            "field of its event",
        ),
    ],
)
def test_a_wrong_trigger_is_told_before_anything_is_deployed(
    trigger: str, code: str, words: str
) -> None:
    text = SPEC.replace("NAME", "tea-time").replace("TRIGGER", trigger)
    _, problems = check(text, file="tea-time.yaml", catalogue=shipped())
    found = next(one for one in problems if one.code == code)
    assert words in found.message
    assert found.line == 13


def test_a_brace_that_prefect_would_fill_in_is_told() -> None:
    text = SPEC.replace("NAME", "tea-time").replace("TRIGGER", "{event: a, inputs: {product: x}}")
    text += "  - {name: weekly, inputs: {product: '{{ $HOME }}'}, when_busy: cancel}\n"
    _, problems = check(text, file="tea-time.yaml", catalogue=shipped())
    assert [one.code for one in problems] == ["expression-not-allowed", "needless-key"]


# --- late runs ------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
GRACE = timedelta(minutes=5)


def hours(count: float, *, cancelled: bool = False) -> Due:
    return Due(NOON + timedelta(hours=count), cancelled)


@pytest.mark.parametrize(
    ("catchup", "late", "others", "runs"),
    [
        pytest.param("skip", timedelta(seconds=40), [], True, id="on time"),
        pytest.param("skip", timedelta(hours=3), [], False, id="late"),
        pytest.param("all", timedelta(days=30), [hours(1)], True, id="all"),
        pytest.param("latest", timedelta(hours=3), [], True, id="the only one"),
        pytest.param("latest", timedelta(hours=3), [hours(-1)], True, id="the latest"),
        pytest.param("latest", timedelta(hours=3), [hours(1), hours(2)], False, id="an older one"),
        pytest.param(
            "latest", timedelta(hours=3), [hours(1, cancelled=True)], True, id="latest cancelled"
        ),
        pytest.param("latest", timedelta(seconds=40), [hours(0.01)], True, id="latest on time"),
    ],
)
def test_catchup_decides_about_late_runs(
    catchup: Any, late: timedelta, others: list[Due], runs: bool
) -> None:
    schedule = Schedule(cron="0 * * * *", catchup=catchup)
    found = decide(schedule, NOON, NOON + late, GRACE, others)
    assert (found is None) == runs
    if found is not None:
        assert found.status == "skipped"
        assert "3 h late" in found.sentence
        assert "nothing was bought" in found.sentence


def test_a_schedule_is_known_by_its_slug() -> None:
    first, second = Schedule(cron="0 9 * * 1"), Schedule(interval=60)
    made = Workflow(
        version=1,
        name="a",
        steps={},
        deploy=(Deploy(name="d", schedules=(first, second)), Deploy(name="e")),
    )
    assert schedule_of(made, "d", "schedule-2") is second
    for deployment, slug in (("d", "schedule-3"), ("e", "schedule-1"), ("d", "mine"), ("d", "")):
        assert schedule_of(made, deployment, slug) is None


# --- pruning --------------------------------------------------------------------------------------


def standing(name: str, collection: str = "/specs", *, ours: bool = True) -> ExistingDeployment:
    env = {"RIVYA_FLOWS_SPEC": "sha256:1", "RIVYA_FLOWS_COLLECTION": collection} if ours else {}
    return ExistingDeployment(name, name.partition("/")[0], [OWNER_TAG], {"env": env})


def test_only_what_a_call_shows_to_be_gone_is_pruned() -> None:
    there = [
        standing("a/weekly"),
        standing("a/daily"),
        standing("b/weekly"),
        standing("c/weekly", "/other"),
        standing("rivya-flows-waker/sweep", ours=False),
        ExistingDeployment("d/weekly", "d", [], {"env": {"RIVYA_FLOWS_SPEC": "sha256:1"}}),
    ]
    one = gone(there, {"a/weekly"}, {"a"}, {"/specs"}, set())
    assert (one.stale, one.unsure) == (("a/daily",), ("b/weekly",))
    whole = gone(there, {"a/weekly"}, {"a"}, {"/specs"}, {"/specs"})
    assert (whole.stale, whole.unsure) == (("a/daily", "b/weekly"), ())


def test_a_folder_is_given_as_a_whole_if_it_is_named_or_each_of_its_specs(tmp_path: Path) -> None:
    first, second = put(tmp_path, "first"), put(tmp_path, "second")
    for paths in ([tmp_path], [first, second], [first, tmp_path]):
        found = read_sources(paths, shipped())
        assert set(found.specs) == {"first", "second"}
        assert found.covered == {str(tmp_path)}
    assert read_sources([first], shipped()).covered == frozenset()
    named = read_sources([first], shipped(), collection="spring")
    assert named.covered == {"spring"}
    assert named.specs["first"].collection == "spring"


def test_a_folder_from_which_all_specs_are_gone_is_given_as_a_whole(tmp_path: Path) -> None:
    found = read_sources([tmp_path], shipped(), empty=True)
    assert not found.specs
    assert found.covered == {str(tmp_path)}


def test_intervals_count_from_midnight_of_their_zone() -> None:
    made = prefect_schedule(Schedule(interval=3600, timezone="Asia/Kolkata"))
    assert made.model_dump(mode="json")["anchor_date"] == "2024-01-01T00:00:00+05:30"


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


def test_problems_of_all_specs_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    twin = put(tmp_path / "twin", "first")
    paths = [put(tmp_path, "first"), twin, put(tmp_path, "wrong", "{event: a}"), Path("none.yaml")]
    with pytest.raises(SpecError) as raised:
        read_sources([*paths, tmp_path / "empty"], shipped())
    found = sorted((one.code, Path(one.file).name) for one in raised.value.diagnostics)
    assert found == [
        ("duplicate-name", "first.yaml"),
        ("missing-input", "wrong.yaml"),
        ("unreadable", "empty"),
        ("unreadable", "none.yaml"),
    ]


# --- places ---------------------------------------------------------------------------------------

MOUNTS = (("/", "ext4"), ("/mnt/studio", "nfs4"), ("/mnt/studio/local", "tmpfs"))


@pytest.mark.parametrize(
    ("store", "assets", "machines", "refused"),
    [
        ("sqlite:////data/j.sqlite", "file:///data/assets", {"here"}, []),
        ("sqlite:////data/j.sqlite", "file:///data/assets", {"here", "b"}, ["STORE", "ASSETS"]),
        ("sqlite:////data/j.sqlite", "/data/assets", {UNKNOWN_MACHINE}, ["STORE", "ASSETS"]),
        ("postgresql://u:p@db/n", "s3://bucket/assets", {"a", "b"}, []),
        ("postgresql://u:p@db/n", "file:///mnt/studio/assets", {"a", "b"}, []),
        ("postgresql://u:p@db/n", "file:///mnt/studio/local/assets", {"a", "b"}, ["ASSETS"]),
        ("sqlite:////mnt/studio/j.sqlite", "s3://bucket/assets", {"a"}, ["STORE"]),
        ("sqlite:///j.sqlite", "file://assets", {"here"}, ["STORE", "ASSETS"]),
        ("sqlite://", "memory://assets", {"here"}, ["STORE", "ASSETS"]),
        ("sqlite:///:memory:", "assets", {"here"}, ["STORE", "ASSETS"]),
    ],
)
def test_places_that_a_worker_cannot_reach_are_told(
    store: str, assets: str, machines: set[str], refused: list[str]
) -> None:
    chosen = Settings(rivya_flows_store=store, rivya_flows_assets=assets)
    found = unshared(chosen, machines, here="here", mounts=MOUNTS)
    assert [one.setting.rpartition("_")[2] for one in found] == refused


def test_a_worker_may_tell_its_machine_by_its_name() -> None:
    assert machine_of("one@render-7") == "render-7"
    assert machine_of("ProcessWorker 5f0c") == UNKNOWN_MACHINE


def test_a_password_is_not_shown() -> None:
    assert shown_url("postgresql://me:secret@db/name") == "postgresql://me:***@db/name"
    assert shown_url("sqlite:////data/j.sqlite") == "sqlite:////data/j.sqlite"


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("FREQ=SECONDLY", "a rule has one FREQ"),
        ("RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", "a rule has one FREQ"),
        ("RRULE:FREQ=DAILY\nEXRULE:FREQ=DAILY", "a rule has one FREQ"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31", "no date within 50 years"),
        ("FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=1,2,3,4,5", "at most 24 times a day"),
        ("DTSTART:00010101T000000\nRRULE:FREQ=DAILY", "before 2000"),
        ("FREQ=DAILY;BYDAY=" + ",".join(["MO"] * 200), "616 characters; it may have 500"),
    ],
)
def test_a_recurrence_that_would_stop_the_server_is_refused(
    tmp_path: Path, rule: str, told: str
) -> None:
    path = put(tmp_path, "a")
    text = path.read_text().partition("    triggers:")[0]
    schedule = json.dumps({"rrule": rule})
    path.write_text(f"{text}    inputs: {{product: Lamp}}\n    schedules: [{schedule}]\n")
    with pytest.raises(SpecError, match=told):
        read_sources([path], shipped())


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=9;BYMINUTE=30",
        "RRULE:FREQ=DAILY;COUNT=3",
        "DTSTART:20240101T090000Z\nRRULE:FREQ=MONTHLY;BYDAY=1MO;UNTIL=20300101T000000Z",
        "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO\nEXDATE:20200229T000000",
    ],
)
def test_a_recurrence_of_some_dates_is_taken(rule: str) -> None:
    assert prefect_schedule(Schedule(rrule=rule)).rrule == rule  # type: ignore[union-attr]
