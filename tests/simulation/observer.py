"""The invariants: an observer of what is on disk, of what is sent, and of all books at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rivya_flows.plans.names import label
from rivya_flows.queue import events
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receipt.model import Receipt
from rivya_flows.store.charges import charges as all_charges, spent_by
from rivya_flows.store.journal import Journal
from rivya_flows.store.pools import Pool, Pools
from simulation.service import Job, Service
from simulation.world import Process, ViolationError, World

TOO_OLD = timedelta(hours=23)
"""A run may send again what it intended 20 hours before it was resumed. It takes less than an hour, and its
clock may be set by two."""

Name = tuple[str, str, int]
"""Step, key of the item and number of a purchase."""


@dataclass
class Purchase:
    """A purchase whose intent is on disk.

    Attributes:
        label: Of its item.
        intended_at: Or when a person sent it again.
        planned: Credits that the intent reserves.
        held: Credits that it holds now.
        is_open: It has no answer yet; `was_silent`: an execution, or all attempts of one, ended without.
        is_uncertain: Only a person may send it again.
        was_sent: A request with its key left some process.
        may_be_lost: Its step refuses a picture of one colour, and nobody took it after all.
    """

    run_id: str
    label: str
    key: str
    intended_at: datetime
    planned: int
    held: int
    is_open: bool = True
    was_silent: bool = False
    is_uncertain: bool = False
    was_sent: bool = False
    may_be_lost: bool = False

    @property
    def excess(self) -> int:
        """Credits that it cost more than was planned."""
        return max(0, self.held - self.planned)


@dataclass
class Books:
    """What is known of the money of one run.

    Attributes:
        cap: Of the run; None without one.
        floor: What was held when the cap was set: it may be more.
        refusing: The step whose pictures of one colour are refused.
    """

    cap: int | None = None
    floor: int = 0
    refusing: str | None = None
    purchases: dict[Name, Purchase] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Credits that the run holds."""
        return sum(one.held for one in self.purchases.values())

    @property
    def most(self) -> int | None:
        """Credits that the run may hold; None without a cap.

        One purchase may cost more than was known before it, and so may each that was left without an answer.
        """
        if self.cap is None:
            return None
        found = self.purchases.values()
        silent = sum(one.excess for one in found if one.was_silent)
        one_more = max([one.excess for one in found if not one.was_silent], default=0)
        return max(self.cap, self.floor) + silent + one_more

    def set_cap(self, credits: int) -> None:
        """A person sets another cap."""
        self.cap, self.floor = credits, self.total

    def hold(self, event: events.PurchaseEvent, credits: int) -> None:
        """A purchase holds other credits than before."""
        bought = self.purchases[event.step, event.key, event.n]
        bought.held, bought.is_open, bought.is_uncertain = credits, False, False


@dataclass
class Observer:
    """Knows only what is on disk and on the wire.

    Attributes:
        pool: Credits of the pool of all runs; None without one.
        purchases: By idempotency key.
        resubmitted: The keys that a person sent again.
    """

    world: World
    service: Service
    books: dict[str, Books] = field(default_factory=dict)
    pool: int | None = None
    purchases: dict[str, Purchase] = field(default_factory=dict)
    resubmitted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.service.on_forgotten = self.observe_forgotten

    def set_pool(self, credits: int) -> None:
        """Sets the credits of the pool. Its total is checked first, since a change recounts it."""
        self._check_pool()
        self.pool = credits
        Pools(self.world.engine, self.world.now).set(Pool("acme", {}, credits, None, "total"))

    def observe(self, run_id: str, event: events.Event) -> None:
        """Hears of an event that is on disk."""
        books = self.books[run_id]
        match event:
            case events.RunResumed():
                if event.budget is not None:
                    books.set_cap(event.budget)
                for one in books.purchases.values():
                    one.was_silent |= one.is_open
                self._resubmit(books, event)
            case events.PurchaseIntended():
                self._intend(run_id, books, event)
            case events.PurchaseAccepted():
                books.hold(event, event.reserved_credits)
            case events.JobEnded() | events.ChatAnswered():
                books.hold(event, event.final_credits)
            case events.PurchaseRefused():
                books.hold(event, 0)
            case events.MediaAccepted():
                books.purchases[event.step, event.key, event.n].may_be_lost = False
            case events.PurchaseUnanswered():
                books.purchases[event.step, event.key, event.n].was_silent = True
            case events.PurchaseUncertain():
                bought = books.purchases[event.step, event.key, event.n]
                bought.was_silent = bought.is_uncertain = True
        if books.most is not None and books.total > books.most:
            self.world.violate(f"{run_id}: holds {books.total} credits, its budget is {books.cap}")

    def observe_purchase(self, process: Process, key: str) -> None:
        """Sees a paid request leave a process."""
        bought = self.purchases.get(key)
        if bought is None:
            self.world.violate(f"a purchase was sent before its intent was on disk: {key!r}")
            return
        is_again, bought.was_sent = bought.was_sent, True
        if self.world.drivers[bought.run_id] is not process:
            return  # it does not know yet that its lease is lost, and repeats what is on disk
        if bought.is_uncertain:
            self.world.violate(f"{bought.label} is uncertain, and was sent again without a person")
        elif is_again and process.now() > bought.intended_at + TOO_OLD:
            self.world.violate(f"{bought.label} of {bought.intended_at} was sent again, too late")

    def observe_forgotten(self, key: str) -> None:
        """Sees the service sell again what it has forgotten."""
        if key not in self.resubmitted:
            self.world.violate(f"{self.purchases[key].label} was bought again, its key forgotten")

    def compare(self, run_id: str, spent: int) -> None:
        """Compares what a run believes to have spent with what is on disk."""
        if spent != self.books[run_id].total:
            held = self.books[run_id].total
            self.world.violate(f"{run_id}: counts {spent} credits, and its journal has {held}")

    def audit(self, journal: Journal) -> None:
        """All books at the end, when every purchase is decided."""
        receipts = [receipt(journal.entries(run_id)) for run_id in self.books]
        self._check_ledgers(receipts)
        self._check_pool()
        charges, lost = spent_by(self.world.engine, "run-"), self._lost()
        for charge in all_charges(self.world.engine, since=None, until=None):
            lost[charge.run_id] -= charge.credits if charge.lost else 0
        if any(lost.values()):
            raise ViolationError(f"charges and service differ in what is lost: {lost}")
        for run_id, one in zip(self.books, receipts, strict=True):
            if one.credits.lost != self._lost()[run_id]:
                raise ViolationError(f"{run_id}: {one.credits.lost} credits lost in its receipt")
            spent = sum(row.held for row in one.ledger)
            if one.credits.spent != spent or charges.get(run_id, (0, 0)) != (spent, 0):
                raise ViolationError(f"{run_id}: a ledger of {spent} credits, unlike other books")
            if one.agreement and (wrong := _differences(one)):
                raise ViolationError(f"{run_id}: the service differs: {wrong}")
        self._check_nothing_twice(receipts)

    def _check_ledgers(self, receipts: Sequence[Receipt]) -> None:
        """Every credit that left the wallet is in one row of one ledger."""
        ledger = [row for one in receipts for row in one.ledger]
        rows = {row.idempotency_key: row for row in ledger}
        if len(rows) < len(ledger):
            raise ViolationError("two rows of the ledgers have one key")
        # The newest of a key: a person buys again what the service has forgotten.
        for job in {job.key: job for job in self.service.jobs.values()}.values():
            row = rows.pop(job.key, None)
            if row is None:
                raise ViolationError(f"{job.id} is in no ledger")
            if row.held != job.final:
                raise ViolationError(f"{job.id} cost {job.final}, and its ledger says {row.held}")
        if unsold := [row.client_request_id for row in rows.values() if row.held]:
            raise ViolationError(f"the ledgers have credits for what was never sold: {unsold}")
        taken = sum(job.final or 0 for job in self.service.jobs.values())
        if self.service.granted - self.service.balance != taken:
            raise ViolationError("the model of the service miscounts")

    def _lost(self) -> Counter[str]:
        """What the service took from each run for pictures that its step refuses."""
        lost = Counter[str]()
        for job in {job.key: job for job in self.service.jobs.values()}.values():
            if self._is_lost(job):
                lost[self.purchases[job.key].run_id] += job.final or 0
        return lost

    def _is_lost(self, job: Job) -> bool:
        return job.is_blank and not job.fails and self.purchases[job.key].may_be_lost

    def _check_nothing_twice(self, receipts: Sequence[Receipt]) -> None:
        """Each item has one job at most that it can use, but for what a person bought again."""
        jobs = self.service.jobs.values()
        useful = {job.key for job in jobs if job.is_useful and not self._is_lost(job)}
        bought = [self.purchases[key] for key in useful]
        made = Counter((one.run_id, one.label) for one in bought)
        if again := [name for name, count in made.items() if count > 1]:
            raise ViolationError(f"bought twice: {again}")

    def _intend(self, run_id: str, books: Books, event: events.PurchaseIntended) -> None:
        name = label(event.step, event.key)
        bought = Purchase(
            run_id, name, event.idempotency_key, event.at, event.reserve, event.reserve
        )
        bought.may_be_lost = event.step == books.refusing
        if bought.key in self.purchases:
            self.world.violate(f"{name}: two intents have one key")
        books.purchases[event.step, event.key, event.n] = self.purchases[bought.key] = bought
        if books.cap is not None and books.total > books.cap:
            self.world.violate(f"{run_id}: plans {books.total} credits, its budget is {books.cap}")
        held = sum(one.total for one in self.books.values())
        if self.pool is not None and held > self.pool:
            self.world.violate(
                f"{run_id}: plans {held} credits with others, a pool has {self.pool}"
            )

    def _resubmit(self, books: Books, event: events.RunResumed) -> None:
        newest = {one.label: one for one in books.purchases.values()}
        for name in newest.keys() & set(event.resubmit):
            newest[name].is_uncertain, newest[name].intended_at = False, event.at
            self.resubmitted.add(newest[name].key)

    def _check_pool(self) -> None:
        held = sum(one.total for one in self.books.values())
        for total in Pools(self.world.engine, self.world.now).matching({}, "simulated"):
            if total.spent != held:
                self.world.violate(f"a pool counts {total.spent} credits, and journals have {held}")


def _differences(one: Receipt) -> list[str]:
    """What differs between ledger and service; the wallet also pays for other runs."""
    assert one.agreement is not None
    return [
        f"{one.kind} {one.task_id}" for one in one.agreement.differences if one.kind != "wallet"
    ]
