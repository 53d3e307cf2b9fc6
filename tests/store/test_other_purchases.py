"""What other runs spent from the same wallet while a run was executed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rivya_flows.queue.events import (
    ChatAnswered,
    JobEnded,
    OtherRun,
    PurchaseAccepted,
    PurchaseRefused,
    PurchaseUnanswered,
)
from rivya_flows.store.charges import LONGEST_JOB_SECONDS, spent_by_others, spent_since
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from support.journal_entries import balance, begun, frozen, intent


def accepted(n: int, credits: int) -> PurchaseAccepted:
    return PurchaseAccepted(
        step="stills", key="neon", n=n, task_id=f"task_{n}", reserved_credits=credits
    )


def ended(n: int, credits: int) -> JobEnded:
    return JobEnded(step="stills", key="neon", n=n, status="failed", final_credits=credits)


def answered(n: int, credits: int) -> ChatAnswered:
    return ChatAnswered(
        step="stills",
        key="neon",
        n=n,
        completion_id="c",
        session_id="s",
        content="",
        reserved_credits=9,
        final_credits=credits,
    )


def test_other_runs_count_from_the_first_balance_on_with_what_their_jobs_cost_at_last(
    tmp_path: Path,
) -> None:
    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        other = begun(journal, "other")
        journal.append("other", intent(1), other)
        journal.append("other", accepted(1, 10), other)
        journal.append("other", accepted(2, 5), other)
        mine = begun(journal, "mine")
        journal.append("mine", balance(100), mine)
        journal.append("mine", accepted(1, 50), mine)
        for event in (ended(1, 0), accepted(3, 4), answered(4, 2)):
            journal.append("other", event, other)
        elsewhere = frozen("elsewhere").model_copy(update={"service": "https://rivya.ai"})
        journal.create(elsewhere, tmp_path)
        # The job of 10 credits gave them back; that of 5 had been paid before.
        spent = OtherRun(run_id="other", name="small", credits=-10 + 4 + 2)
        assert spent_by_others(journal.engine, "mine", "sandbox:test", None) == (spent,)
        assert spent_by_others(journal.engine, "mine", "https://rivya.ai", None) == ()
        assert spent_since(journal.engine, 0, "sandbox:test", None, {"mine", "other"}) == ()


def test_purchases_of_other_runs_without_a_response_may_have_been_charged(tmp_path: Path) -> None:
    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        mine, other = begun(journal, "mine"), begun(journal, "other")
        journal.append("mine", balance(100), mine)
        for n in (1, 2, 3, 4):
            journal.append("other", intent(n), other)
        of = {"step": "stills", "key": "neon", "n": 2}
        journal.append("other", accepted(1, 7), other)
        refused = PurchaseRefused(**of, code="connection", message="no connection", status=None)
        journal.append("other", refused, other)
        journal.append("other", PurchaseUnanswered(**of | {"n": 3}, reason="cut"), other)
        [found] = spent_by_others(journal.engine, "mine", "sandbox:test", None)
        assert (found.credits, found.held) == (7, 2 * intent(3).reserve)
        assert found.most == 7 + found.held


def test_what_a_removed_run_spent_is_known_from_its_charges(tmp_path: Path) -> None:
    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        mine = begun(journal, "mine")
        journal.append("mine", balance(100), mine)
        journal.create(frozen("gone"), tmp_path / "gone")
        lease = Leases(journal.engine).acquire("gone")
        journal.append("gone", intent(1), lease.fence)
        journal.append("gone", accepted(1, 2), lease.fence)
        found = spent_by_others(journal.engine, "mine", "sandbox:test", None)
        assert [(one.run_id, one.credits, one.held) for one in found] == [("gone", 2, 0)]
        journal.hide(lease)
        assert spent_by_others(journal.engine, "mine", "sandbox:test", None) == found
        journal.remove(lease)
        assert spent_by_others(journal.engine, "mine", "sandbox:test", None) == found
        assert spent_by_others(journal.engine, "mine", "https://rivya.ai", None) == ()
        assert spent_since(journal.engine, 0, "sandbox:test", None, {"mine", "gone"}) == ()


def test_the_runs_that_spent_most_come_first_and_those_of_another_time_are_not_read(
    tmp_path: Path,
) -> None:
    now = [0.0]
    with closing(
        Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}", clock=lambda: now[0])
    ) as journal:
        old, mine = begun(journal, "old"), begun(journal, "mine")
        journal.append("old", intent(1), old)
        now[0] = LONGEST_JOB_SECONDS + 1
        assert spent_by_others(journal.engine, "mine", "sandbox:test", None) == ()
        journal.append("mine", balance(100), mine)
        journal.append("old", accepted(1, 9), old)
        for run_id, credits in (("few", 2), ("many", 30)):
            fence = begun(journal, run_id)
            journal.append(run_id, intent(1), fence)
            journal.append(run_id, accepted(1, credits), fence)
        found = spent_by_others(journal.engine, "mine", "sandbox:test", None)
    assert [(one.run_id, one.credits) for one in found] == [("many", 30), ("few", 2)]


def test_only_runs_of_the_same_wallet_explain_it(tmp_path: Path) -> None:
    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        for run_id, wallet in (("acme-1", "acme"), ("acme-2", "acme"), ("ours", None)):
            journal.create(frozen(run_id).model_copy(update={"wallet": wallet}), tmp_path)
            fence = Leases(journal.engine).acquire(run_id).fence
            journal.append(run_id, balance(100), fence)
            journal.append(run_id, intent(1), fence)
            journal.append(run_id, accepted(1, 7), fence)
        row = journal.run("acme-1")
        assert row is not None
        assert row.wallet == "acme"
        found = spent_by_others(journal.engine, "acme-1", "sandbox:test", "acme")
        assert [one.run_id for one in found] == ["acme-2"]
        assert spent_by_others(journal.engine, "ours", "sandbox:test", None) == ()
