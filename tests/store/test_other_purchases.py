"""What other runs spent from the same wallet while a run was executed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rivya_flows.queue.events import OtherRun, PurchaseRefused, PurchaseUnanswered
from rivya_flows.store.charges import LONGEST_JOB_SECONDS, spent_by_others, spent_since
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from support.journal_entries import accepted, answered, balance, begun, ended, frozen, intent, of


def others(
    journal: Journal, run_id: str = "mine", service: str = "sandbox:test", wallet: str | None = None
) -> tuple[OtherRun, ...]:
    return spent_by_others(journal.engine, run_id, service, wallet)


def test_other_runs_count_from_the_first_balance_on_with_what_their_jobs_cost_at_last(
    sqlite: Journal,
) -> None:
    other = begun(sqlite, "other")
    sqlite.submit("other", (intent(1), accepted(1, 10), accepted(2, 5)), other).result(60)
    mine = begun(sqlite, "mine")
    sqlite.append("mine", balance(100), mine)
    sqlite.append("mine", accepted(1, 50), mine)
    sqlite.submit("other", (ended(1, 0), accepted(3, 4), answered(4, 2)), other).result(60)
    begun(sqlite, "elsewhere", service="https://rivya.ai")
    # The job of 10 credits gave them back; that of 5 had been paid before.
    assert others(sqlite) == (OtherRun(run_id="other", name="small", credits=-10 + 4 + 2),)
    assert others(sqlite, service="https://rivya.ai") == ()
    assert spent_since(sqlite.engine, 0, "sandbox:test", None, {"mine", "other"}) == ()


def test_purchases_of_other_runs_without_a_response_may_have_been_charged(sqlite: Journal) -> None:
    mine, other = begun(sqlite, "mine"), begun(sqlite, "other")
    sqlite.append("mine", balance(100), mine)
    away = PurchaseRefused(**of(2), code="connection", message="no connection", status=None)
    cut = PurchaseUnanswered(**of(3), reason="cut")
    intents = map(intent, (1, 2, 3, 4))
    sqlite.submit("other", (*intents, accepted(1, 7), away, cut), other).result(60)
    [found] = others(sqlite)
    assert (found.credits, found.held, found.most) == (7, 2, 9)


def test_what_a_removed_run_spent_is_known_from_its_charges(sqlite: Journal) -> None:
    sqlite.append("mine", balance(100), begun(sqlite, "mine"))
    sqlite.create(frozen("gone"), Path("/runs/gone"))
    lease = Leases(sqlite.engine).acquire("gone")
    sqlite.append("gone", intent(1), lease.fence)
    sqlite.append("gone", accepted(1, 2), lease.fence)
    found = others(sqlite)
    assert [(one.run_id, one.credits, one.held) for one in found] == [("gone", 2, 0)]
    for remove in (sqlite.hide, sqlite.remove):
        remove(lease)
        assert others(sqlite) == found
    assert others(sqlite, service="https://rivya.ai") == ()
    assert spent_since(sqlite.engine, 0, "sandbox:test", None, {"mine", "gone"}) == ()


def test_the_runs_that_spent_most_come_first_and_those_of_another_time_are_not_read(
    tmp_path: Path,
) -> None:
    now = [0.0]
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    with closing(Journal(url, clock=lambda: now[0])) as journal:
        old, mine = begun(journal, "old"), begun(journal, "mine")
        journal.append("old", intent(1), old)
        now[0] = LONGEST_JOB_SECONDS + 1
        assert others(journal) == ()
        journal.append("mine", balance(100), mine)
        journal.append("old", accepted(1, 9), old)
        for run_id, credits in (("few", 2), ("many", 30)):
            fence = begun(journal, run_id)
            journal.submit(run_id, (intent(1), accepted(1, credits)), fence).result(60)
        found = others(journal)
    assert [(one.run_id, one.credits) for one in found] == [("many", 30), ("few", 2)]


def test_only_runs_of_the_same_wallet_explain_it(sqlite: Journal) -> None:
    for run_id, wallet in (("acme-1", "acme"), ("acme-2", "acme"), ("ours", None)):
        fence = begun(sqlite, run_id, wallet=wallet)
        sqlite.submit(run_id, (balance(100), intent(1), accepted(1, 7)), fence).result(60)
    row = sqlite.run("acme-1")
    assert row is not None
    assert row.wallet == "acme"
    assert [one.run_id for one in others(sqlite, "acme-1", wallet="acme")] == ["acme-2"]
    assert others(sqlite, "ours") == ()
