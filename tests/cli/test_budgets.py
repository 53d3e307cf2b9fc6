"""`budgets`: pools are made, changed, listed and removed."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from rivya_flows.settings import read_settings
from rivya_flows.store.deployments import DeploymentAgreement, Most, record_agreements
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from support.cli_calls import Terminal
from support.journal_entries import frozen, intent


def bought(credits: int, service: str = "sandbox:test") -> None:
    """A run of acme that reserves so many credits now."""
    run = frozen().model_copy(update={"labels": {"client": "acme"}, "service": service})
    with closing(Journal(read_settings().store_url)) as journal:
        journal.create(run, Path("/runs"))
        fence = Leases(journal.engine).acquire("run-1").fence
        journal.append("run-1", intent().model_copy(update={"reserve": credits}), fence)


def test_a_pool_is_made_changed_listed_and_removed(call: Terminal) -> None:
    assert call("budgets", "list").out.startswith("no pools; make one with")
    made = call("budgets", "set", "acme", "--match", "client=acme", "--credits", 500)
    assert made.out == "pool acme made\n  500 credits a month (UTC) for runs with client=acme\n"
    changed = call("budgets", "set", "acme", "--credits", 300, "--soft", 1, "--period", "total")
    assert changed.out.splitlines() == [
        "pool acme changed: credits 500 → 300, period month → total, soft none → 1",
        "  300 credits in all for runs with client=acme; warns above 1",
    ]
    assert call("budgets", "set", "acme").out.startswith("pool acme as it was")
    bought(2)
    listed = call("budgets", "list")
    assert [line.split() for line in listed.out.splitlines()] == [
        ["pool", "covers", "credits", "period", "spent", "left", "until", "(UTC)", "at"],
        ["acme", "client=acme", "300", "total", "2", "298", "–", "sandbox:test", "soft", "limit", "passed"],
    ]  # fmt: skip
    assert call("budgets", "remove", "acme").out == "pool acme removed\n"
    made = call("budgets", "set", "all", "--credits", 1, "--period", "day")
    assert "1 credit a day (UTC) for every run" in made.out
    assert "covers every run of this store" in made.err


def test_the_last_cap_of_a_deployment_goes_with_a_yes_alone(call: Terminal) -> None:
    call("budgets", "set", "acme", "--match", "client=acme", "--credits", 500)
    with closing(Journal(read_settings().store_url)) as journal:
        labels = {"client": "acme"}
        capped = DeploymentAgreement("lamp/weekly", "https://rivya.ai", Most(60, 1, 5), labels)
        record_agreements(journal.engine, "https://rivya.ai", [capped])
    assert call("budgets", "set", "acme", "--credits", 900).code == 0
    for change in (["remove", "acme"], ["set", "acme", "--match", "client=other"]):
        refused = call("budgets", *change)
        assert (refused.code, refused.out) == (3, "")
        assert "lamp/weekly may buy without a cap over time; the pool is as it was" in refused.err
    removed = call("budgets", "remove", "acme", "--yes")
    assert removed.out == "pool acme removed\n"
    assert "at most 300 credits a month" in removed.err


def test_a_pool_that_is_smaller_than_what_is_spent_is_said(call: Terminal) -> None:
    bought(5)
    made = call("budgets", "set", "acme", "--match", "client=acme", "--credits", 4)
    assert made.code == 0
    first, second = made.err.splitlines()
    assert first.startswith(
        "5 credits of it are spent at the sandbox (pretend credits) already: it lets nothing more be"
        " bought there until "
    )
    assert "budgets set acme --match LABEL=VALUE" in second
    assert "over its limit" in call("budgets", "list").out
    [pool] = call("budgets", "list", "--json").document
    until = datetime.fromisoformat(pool.pop("until"))
    assert until > datetime.now(UTC)
    assert until.day == 1
    assert pool == {
        "name": "acme",
        "match": {"client": "acme"},
        "credits": 4,
        "soft": None,
        "period": "month",
        "service": "sandbox:test",
        "spent": 5,
        "left": 0,
        "soft_passed": False,
    }
