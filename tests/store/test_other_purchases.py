"""What other runs spent from the same wallet while a run was executed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rivya_flows.planning.queue.events import ChatAnswered, JobEnded, PurchaseAccepted
from rivya_flows.store.journal import Journal
from rivya_flows.store.other_purchases import spent_by_others
from support.journal_entries import balance, begun, frozen


def accepted(n: int, credits: int) -> PurchaseAccepted:
    return PurchaseAccepted(step="s", key="", n=n, task_id=f"task_{n}", reserved_credits=credits)


def ended(n: int, credits: int) -> JobEnded:
    return JobEnded(step="s", key="", n=n, status="failed", final_credits=credits)


def answered(n: int, credits: int) -> ChatAnswered:
    return ChatAnswered(
        step="s",
        key="",
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
        assert spent_by_others(journal.engine, "mine", "sandbox:test") == {"other": -10 + 4 + 2}
        assert spent_by_others(journal.engine, "mine", "https://rivya.ai") == {}
