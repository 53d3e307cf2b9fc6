"""A batch of real runs: one budget, nothing bought twice, whatever stops it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import update

from rivya_flows.batch import execution
from rivya_flows.batch.execution import run_rows
from rivya_flows.batch.pricing import Batch, RowResult
from rivya_flows.batch.rows import Row
from rivya_flows.batch.summary import BatchResult
from rivya_flows.errors import BudgetError, LeaseLostError, StoreError
from rivya_flows.queue.events import FileUploaded
from rivya_flows.receipt.phrases import budget_warning
from rivya_flows.runs import retention
from rivya_flows.runs.retention import removable, remove_run
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Lease, Leases
from rivya_flows.store.tables import LEASES
from rivya_sandbox.service.admin import add_credits, ledger
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.batches import COST, ROWS, Observer, bought, run, statuses
from support.engine_runs import Bomb, Studio, studio_at
from support.sandbox_calls import calling, order

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def looked_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LOOKED_UP_SECONDS", 0)


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path, small_pictures: None) -> Studio:
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


def test_each_row_is_a_run_a_second_start_buys_nothing_and_a_new_row_alone(
    studio: Studio, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str | None] = []
    monkeypatch.setattr(
        Observer, "row_event", lambda _, name, event, state: warned.append(budget_warning(state))
    )
    first = asyncio.run(run(studio, ROWS, budget=COST, parallel=3))
    assert {*warned} == {None}, "the budget covers each row"
    observer = Observer()
    second = asyncio.run(run(studio, ROWS, budget=COST, observer=observer))
    assert statuses(first) == statuses(second) == ["completed"] * 4
    assert first.batch.spent == second.batch.spent == COST
    assert observer.lines[-1] == "every row is already completed; writing the summary again"
    assert set(bought(sandbox).values()) == {1}
    assert ledger(sandbox.data)["balance"] == 1000 - COST
    more = asyncio.run(run(studio, "product\nShelf\nLamp\n"))
    assert statuses(more) == ["completed"] * 2
    assert sum(bought(sandbox).values()) == COST + 2


@pytest.mark.parametrize("parallel", [1, 4])
def test_the_budget_buys_what_it_covers_and_not_a_credit_more(
    studio: Studio, sandbox: Sandbox, parallel: int
) -> None:
    table = "product\nLamp 0\nLamp 1\nLamp 2\n"
    ended = asyncio.run(run(studio, table, budget=5, parallel=parallel))
    assert Counter(statuses(ended)) == {"completed": 2, "over_budget": 1}
    assert ended.batch.spent == sum(bought(sandbox).values()) == 4
    assert ended.batch.outcome == "over_budget"

    more = asyncio.run(run(studio, table, budget=6, parallel=parallel))
    assert (statuses(more), more.batch.spent) == (["completed"] * 3, 6)
    assert set(bought(sandbox).values()) == {1}


@pytest.mark.parametrize("side", [1, -1], ids=["before", "after"])
def test_a_batch_stopped_around_any_write_continues_and_buys_nothing_twice(
    studio: Studio, sandbox: Sandbox, side: int
) -> None:
    async def stopped_and_started_again() -> tuple[BatchResult, BatchResult]:
        bombs = {"Lamp": 6, "Desk": 8, "Chair": 10}
        first = await run(
            studio,
            ROWS,
            budget=COST,
            parallel=2,
            bombs={product: Bomb(write=side * write) for product, write in bombs.items()},
        )
        return first, await run(studio, ROWS, budget=COST, parallel=2)

    first, second = asyncio.run(stopped_and_started_again())
    assert statuses(first)[:3] == ["failed"] * 3
    assert first.batch.spent <= COST
    assert (statuses(second), second.batch.spent) == (["completed"] * 4, COST)
    assert set(bought(sandbox).values()) == {1}
    assert ledger(sandbox.data)["balance"] == 1000 - COST


def removed(studio: Studio, run_id: str) -> None:
    with studio.context(Bomb()) as context:
        found = removable(context.journal, run_id, studio.folder)
        remove_run(context.journal, context.assets, found)


def test_a_row_whose_run_was_removed_is_made_again_and_what_it_spent_counts(
    studio: Studio, sandbox: Sandbox
) -> None:
    table, observer = "product\nLamp\nDesk\n", Observer()
    lamp = asyncio.run(run(studio, table, budget=7)).batch.rows[0].run_id
    removed(studio, lamp)
    again = asyncio.run(run(studio, table, budget=7, observer=observer))
    assert "the run of Lamp was removed: it is made again, 2 credits" in observer.lines
    assert "1 done, 2 credits to go" in observer.lines[1]
    assert "4 of it spent (2 on removed rows and runs)" in observer.lines[1]
    assert (statuses(again), again.batch.spent) == (["completed"] * 2, 6)
    assert again.batch.rows[0].run_id == f"{lamp}-r2"
    sheet = again.sheet_path.read_text()
    assert "2 of 2 rows completed" in sheet
    assert asyncio.run(run(studio, table, budget=7)).batch.spent == 6
    assert [*bought(sandbox).values()] == [1] * 6, "each under a name of its own, and once"

    removed(studio, f"{lamp}-r2")
    with pytest.raises(BudgetError, match="Lamp needs at least 2 credits; 1 of 7 budget credits"):
        asyncio.run(run(studio, table, budget=7))
    assert sum(bought(sandbox).values()) == 6


@pytest.mark.parametrize("write", [1, -1, 3, -3, 6, -6])
def test_a_row_that_is_made_again_goes_on_wherever_it_was_stopped(
    studio: Studio, sandbox: Sandbox, write: int
) -> None:
    table = "product,views\nLamp,[front]\n"
    first = asyncio.run(run(studio, table))
    removed(studio, first.batch.rows[0].run_id)
    asyncio.run(run(studio, table, bombs={"Lamp": Bomb(write=write)}))
    ended = asyncio.run(run(studio, table))
    assert statuses(ended) == ["completed"]
    assert [*bought(sandbox).values()] == [1] * 2


def test_no_run_of_a_batch_is_removed_while_the_batch_runs(studio: Studio) -> None:
    table = "product,views\nLamp,[front]\n"
    first = asyncio.run(run(studio, table))
    with studio.context(Bomb()) as context:
        lease = context.leases.acquire(first.batch.batch_id, "elsewhere:1:1")
        with pytest.raises(StoreError, match=first.batch.batch_id):
            removed(studio, first.batch.rows[0].run_id)
        context.leases.release(lease)
    removed(studio, first.batch.rows[0].run_id)


def test_folders_stay_wherever_their_rows_move_and_a_changed_row_gets_its_own(
    studio: Studio,
) -> None:
    def folders(table: str) -> list[str]:
        ended = asyncio.run(run(studio, table, parallel=4))
        with studio.context(Bomb()) as context:
            rows = [context.journal.run(row.run_id) for row in ended.batch.rows]
        assert all(row and (row.folder / "receipt.json").is_file() for row in rows)
        return [row.folder.name for row in rows if row]

    assert folders("product\nLamp\nDesk\n") == ["lamp", "desk"]
    moved = folders("product,views\nDesk,\nLamp,[front]\nLamp,\nDesk,[front]\n")
    assert moved == ["desk", "lamp-row-2", "lamp", "desk-row-4"]
    changed = folders("product,views\nLamp,[back]\n")
    assert changed[0].startswith("lamp-")


RESTYLED = """
version: 1
name: shop
labels: {client: "${{ inputs.product }}"}
inputs:
  product: {type: string}
  photo: {type: file, kind: image}
steps:
  kept: {uses: upload, with: {file: "${{ inputs.photo }}"}}
  still:
    uses: generate
    with: {model: nano-banana-2, prompt: "${{ inputs.product }}", references: ["${{ inputs.photo }}"]}
"""


def test_rows_that_name_the_same_file_upload_it_once_and_each_knows_it(
    studio: Studio, sandbox: Sandbox, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64), "red").save(photo)
    table = "product,photo\n" + "".join(f"Lamp {n},{photo}\n" for n in range(3))
    ended = asyncio.run(run(studio, table, parallel=3, spec=RESTYLED))
    assert statuses(ended) == ["completed"] * 3
    with studio.context(Bomb()) as context:
        runs = [context.journal.entries(row.run_id) for row in ended.batch.rows]
        rows = [context.journal.run(row.run_id) for row in ended.batch.rows]
    files = [
        [one.event.file.id for one in of if isinstance(one.event, FileUploaded)] for of in runs
    ]
    assert files == [files[0]] * 3
    with closing(Database(sandbox.data)) as database:
        # One for the step, and one for the model, whose limits are its own.
        assert len(database.rows("SELECT id FROM files")) == 2
    assert [row.labels["client"] for row in rows if row] == [f"Lamp {n}" for n in range(3)]


def test_the_budget_also_counts_rows_that_were_changed_or_removed(
    studio: Studio, sandbox: Sandbox
) -> None:
    asyncio.run(run(studio, ROWS, budget=COST + 3))
    changed, observer = "product\nShelf\nStool\n", Observer()
    ended = asyncio.run(run(studio, changed, budget=COST + 3, observer=observer))
    assert f"budget 10, {COST} of it spent ({COST} on removed rows" in observer.lines[0]
    assert statuses(ended) == ["completed", "over_budget"]
    assert ended.batch.spent == sum(bought(sandbox).values()) == COST + 2
    unlimited = asyncio.run(run(studio, changed))
    assert unlimited.batch.spent == 4, "without a budget the file's rows alone"


def test_a_balance_that_does_not_cover_the_rows_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "poor", credits=3) as sandbox:
        studio = studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)
        with pytest.raises(BudgetError, match="at least 7 credits, and the balance is 3") as caught:
            asyncio.run(run(studio, ROWS))
        assert "give --budget 3 to run what they cover" in str(caught.value.hint)
        assert bought(sandbox) == {}
        assert not (studio.folder / "runs").exists()


def test_an_empty_wallet_stops_the_batch_until_credits_are_added(tmp_path: Path) -> None:
    class Spender(Observer):
        """Spends most of the wallet on something else when the rows begin."""

        def shown(self) -> AbstractContextManager[None]:
            with calling(sandbox) as client:
                for _ in range(COST - 3):
                    order(client)
            return super().shown()

    with running(tmp_path / "poor", credits=COST) as sandbox:
        studio = studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)
        ended = asyncio.run(run(studio, ROWS, observer=Spender()))
        assert statuses(ended) == ["completed", "failed", "waiting", "waiting"]
        assert ended.batch.outcome == "over_budget"
        assert ended.batch.stopped is not None
        assert ended.wallet.warning is not None
        add_credits(sandbox.data, COST - 3)
        ended = asyncio.run(run(studio, ROWS))
        assert (statuses(ended), ended.batch.spent) == (["completed"] * 4, COST)


def batch(count: int, *, parallel: int = 1) -> Batch:
    """A batch of rows that cost 10 credits each."""
    rows = tuple(Row(f"run-{n}", f"row {n}", least=10, most=10) for n in range(1, count + 1))
    return Batch(rows, None, parallel)


class Service:
    """Runs rows at their number of credits, or as told, and remembers how many ran at once."""

    def __init__(self, told: dict[int, Exception]) -> None:
        self.told = told
        self.now = self.most = 0
        self.ended: dict[str, RowResult] = {}
        self.threads: set[threading.Thread] = set()

    async def run(self, start: Row) -> None:
        number = int(start.name.removeprefix("row "))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            if number in self.told:
                raise self.told[number]
            self.ended[start.run_id] = RowResult("completed", number)
        finally:
            self.now -= 1

    def result_of(self, run_id: str) -> RowResult:
        self.threads.add(threading.current_thread())
        return self.ended.get(run_id, RowResult("failed", 2))


async def test_all_rows_are_run_no_more_than_allowed_at_once_and_read_beside_their_loop() -> None:
    held = StoreError("run-1 is being driven by process 7 on elsewhere")
    service, rows, seen = Service({1: held}), batch(6, parallel=3), list[int]()
    await run_rows(rows, service.run, service.result_of, changed=lambda b: seen.append(b.spent))
    assert (service.most, rows.spent, rows.outcome) == (3, 22, "failed")
    assert (seen[0], seen[-1]) == (0, 22)
    failed, *others = rows.rows
    assert (failed.status, failed.spent, failed.reason) == ("failed", 2, str(held))
    assert {one.status for one in others} == {"completed"}
    assert threading.current_thread() not in service.threads


async def test_something_unforeseen_ends_the_batch_after_its_rows() -> None:
    service = Service({1: ZeroDivisionError()})
    with pytest.raises(ZeroDivisionError):
        await run_rows(batch(2, parallel=2), service.run, service.result_of)
    assert service.now == 0


async def test_a_cancel_ends_every_running_row_first() -> None:
    begun, ended = list[str](), list[str]()

    async def forever(start: Row) -> None:
        begun.append(start.name)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(start.name)

    task = asyncio.create_task(run_rows(batch(3, parallel=2), forever, Service({}).result_of))
    while len(begun) < 2:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert begun == ended == ["row 1", "row 2"]


# Cancelled requests leave connections behind; the process of such a batch ends now.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_batch_whose_lease_is_lost_stops_and_says_so(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_RENEWAL_SECONDS", 0.01)

    class Thief(Observer):
        """Takes the lease when the rows begin."""

        def shown(self) -> AbstractContextManager[None]:
            with studio.context(Bomb()) as context, context.journal.engine.begin() as connection:
                connection.execute(update(LEASES).values(fence=LEASES.c.fence + 1))
            return super().shown()

    with pytest.raises(LeaseLostError, match="another process drives batch-shop-"):
        await run(studio, ROWS, observer=Thief())
    gc.collect()  # here, and not in the test that happens to come next


async def test_a_batch_whose_lease_is_lost_as_it_ends_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_RENEWAL_SECONDS", 0.01)
    renews, ends = threading.Event(), threading.Event()

    def renew(_: Lease) -> None:
        renews.set()
        ends.wait()
        raise LeaseLostError("another process drives it now")

    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        leases = Leases(journal.engine)
        monkeypatch.setattr(leases, "renew", renew)
        async with execution._hold_lease(leases, "batch-1"):
            await asyncio.to_thread(renews.wait)
            ends.set()
