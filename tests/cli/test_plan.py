"""`plan`: what a run would cost, and the inputs that it reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rivya_flows.queue.events import JobEnded
from rivya_flows.settings import read_settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.pools import Pool, Pools
from rivya_sandbox.service.admin import ledger
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from
from support.journal_entries import frozen

SPECS = Path(__file__).parents[2] / "specs"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("sandbox"), credits=15) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def service(served: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox with 15 credits as the service."""
    buy_from(served, monkeypatch)
    return served


@pytest.mark.parametrize("command", [("plan",), ("run", "--plan")])
def test_plan_prices_each_item_and_spends_nothing(
    call: Terminal, service: Sandbox, command: tuple[str, ...]
) -> None:
    said = call(*command, SPECS / "own-photo.yaml", "-i", "styles=[noir, comic]", "--json")
    assert said.code == 0
    assert said.document["credits"] == {"min": 10, "max": 10}
    assert (said.document["balance"], said.document["budget"]) == (15, 30)
    assert said.document["verdict"] == "ok"
    [step] = said.document["steps"]
    assert [item["key"] for item in step["items"]] == ["noir", "comic"]
    assert ledger(service.data)["generations"] == []


def test_plan_tells_what_jobs_of_a_model_usually_took(call: Terminal, service: Sandbox) -> None:
    spec = SPECS / "first-picture.yaml"
    [step] = call("plan", spec, "--json").document["steps"]
    assert step["usual_seconds"] is None
    with closing(Journal(read_settings().store_url)) as journal:
        journal.create(frozen().model_copy(update={"service": service.base_url}), Path("run"))
        lease = Leases(journal.engine).acquire("run-1")
        for key, seconds in enumerate((39.0, 40.04, 41.0)):
            end = JobEnded(
                step="picture",
                key=str(key),
                n=1,
                status="succeeded",
                final_credits=1,
                model="z-image",
                seconds=seconds,
            )
            journal.append("run-1", end, lease.fence)
    [step] = call("plan", spec, "--json").document["steps"]
    assert step["usual_seconds"] == 40.0
    assert "usually 40 s" in call("plan", spec).out


def test_a_label_decides_which_pools_a_plan_is_held_against(call: Terminal, tmp_path: Path) -> None:
    with closing(Journal(read_settings().store_url)) as journal:
        Pools(journal.engine).set(Pool("acme", {"client": "acme"}, 11, soft=9, period="total"))
    labelled = ("plan", SPECS / "own-photo.yaml", "--label", "client=acme")
    said = call(*labelled, "-i", "styles=[noir, comic]")
    assert said.code == 0
    assert "\npool acme: 11 of 11 credits left\n" in said.out
    assert "may take 10 credits and pass its soft limit of 9" in said.err
    said = call(*labelled, "-i", "styles=[noir, comic, oil]")
    assert said.code == 3
    assert "over the pool acme: 11 of 11 credits left; it takes at least 15 credits" in said.out
    said = call("run", *labelled[1:], "-i", "styles=[a, b, c]", "--out", tmp_path / "out")
    assert (said.code, (tmp_path / "out").exists()) == (3, False)
    assert "pool" not in call("plan", labelled[1], "--label", "client=other").out


def test_values_of_the_command_line_win_over_the_file(call: Terminal, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.yaml"
    inputs.write_text('{"styles": ["a", "b", "c"], "keep": "the mug"}')  # JSON is YAML
    given = ("plan", SPECS / "own-photo.yaml", "--inputs", inputs, "--json")
    assert call(*given, "-i", "styles=[a]").document["credits"]["min"] == 5
    assert call(*given).document["credits"]["min"] == 15


def test_what_cannot_be_paid_exits_3_with_the_numbers_and_makes_nothing(
    call: Terminal, tmp_path: Path
) -> None:
    small = call("plan", SPECS / "social-set.yaml", "--budget", 2)
    assert small.code == 3
    assert "over the budget: at least 3 credits, and the budget is 2" in small.out
    dear, out = SPECS / "product-launch.yaml", tmp_path / "out"
    said = call("plan", dear, "--json")
    assert (said.code, said.document["verdict"]) == (3, "over_balance")
    quoted = call("plan", dear, "--budget", 100, "--out", out)
    assert (quoted.code, "error: over the balance" in quoted.err) == (3, True)
    said = call("run", dear, "--out", out, "--json")
    assert (said.code, said.document["error"]["code"]) == (3, "over_budget")
    assert not out.exists()
    (tmp_path / "file").write_text("")
    said = call("run", SPECS / "first-picture.yaml", "--out", tmp_path / "file" / "out")
    assert (said.code, "nothing was bought" in said.err) == (2, True)


def test_problems_of_an_inputs_file_have_a_place(call: Terminal, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.yaml"
    inputs.write_text("prompt: [1, 2]\nprmpt: A lamp\n")
    said = call("plan", SPECS / "first-picture.yaml", "--inputs", inputs, "--json")
    assert said.code == 2
    places = [(one["line"], one["column"], one["code"]) for one in said.document["problems"]]
    assert places == [(1, 9, "wrong-input"), (2, 1, "unknown-input")]


def test_plan_out_writes_a_quote_and_says_how_to_run_it(call: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "a quote.json"
    spec = SPECS / "first-picture.yaml"
    told = call("plan", spec, "--out", out).out.splitlines()[-2:]
    written = json.loads(out.read_text())
    until = written["expires_at"][:16].replace("T", " ")
    assert told == [
        f"quote a quote.json: at most 1 credit, once, until {until} UTC",
        "run it with: rivya-flows run --quote 'a quote.json'",
    ]
    document = call("plan", spec, "--out", out, "--json").document
    again = json.loads(out.read_text())
    assert document["quote"] | {"expires_at": ""} == {
        "file": str(out),
        "id": again["id"],
        "credits": 1,
        "expires_at": "",
    }
    assert again["id"] != written["id"]


def test_a_quote_that_does_not_hold_is_not_run_and_says_what_differs(
    call: Terminal, tmp_path: Path, service: Sandbox
) -> None:
    spec, out = tmp_path / "spec.yaml", tmp_path / "quote.json"
    text = (SPECS / "first-picture.yaml").read_text()
    spec.write_text(text)
    assert call("plan", spec, "-i", "prompt=A lamp", "--out", out).code == 0
    spec.write_text(text.replace("A paper boat", "A paper\x1b[2J boat"))
    said = call("run", "--quote", out, "--out", tmp_path / "runs", "--json")
    assert (said.code, said.document["error"]["code"]) == (3, "quote")
    said = call("run", "--quote", out, "--out", tmp_path / "runs")
    first, second, *diff = said.err.splitlines()[1:]
    assert first == "error: quote.json: the quote does not hold: 1 difference"
    assert second == "  spec.yaml: its text has changed"
    assert any(line.startswith("    +") and "\\x1b[2J boat" in line for line in diff)
    assert diff[-1] == "hint: nothing was bought; make a new quote with `plan --out`"
    assert not (tmp_path / "runs").exists()
    assert ledger(service.data)["generations"] == []
