"""Batches with the real engine, client, journal and sandbox, without Prefect."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field

from rivya_flows.batch.execution import run_batch
from rivya_flows.batch.pricing import BatchOptions
from rivya_flows.batch.summary import BatchResult
from rivya_flows.engine.run import Run, Runner
from rivya_flows.engine.run_context import RunContext
from rivya_flows.money.live_guard import Confirm
from rivya_flows.preparation.prepare import RunRequest
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.queue.events import Event, RunFrozen
from rivya_flows.queue.state import State
from rivya_flows.receipt.report import RunReport
from rivya_flows.runs.execution import Caller
from rivya_sandbox.service.admin import ledger
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio

SPEC = """
version: 1
name: shop
inputs:
  product: {type: string}
  views: {type: list, of: string, default: [front, back]}
  photo: {type: file, kind: image, required: false}
steps:
  stills:
    uses: generate
    matrix: {view: "${{ inputs.views }}"}
    with: {model: z-image, prompt: "${{ inputs.product }}, ${{ matrix.view }}"}
outputs:
  stills: ${{ steps.stills.assets }}
"""
ROWS = "product,views\nLamp,\nDesk,\nChair,\nSofa,[front]\n"
COST = 2 + 2 + 2 + 1


@dataclass
class Observer:
    """Remembers what a batch said."""

    lines: list[str] = field(default_factory=list)

    def shown(self) -> AbstractContextManager[None]:
        return nullcontext()

    def row_event(self, name: str, event: Event, state: State) -> None:
        """Follows nothing."""


@dataclass(frozen=True)
class EngineRunner(Runner):
    """Executes rows with the engine of a studio, without Prefect.

    Attributes:
        bombs: Stop the execution of a product's row.
    """

    studio: Studio
    bombs: Mapping[str, Bomb]

    async def execute(self, run: Run) -> RunReport:
        run_id = run.reporter.row.run_id
        frozen = run.context.journal.entries(run_id)[0].event
        assert isinstance(frozen, RunFrozen)
        bomb = self.bombs.get(str(frozen.inputs["product"]))
        await self.studio.execute(
            run_id, run.options, bomb=bomb, listen=run.listen, uploads=run.context.uploads
        )
        return run.reporter.write()


def batch_options(
    studio: Studio, table: str, *, budget: int | None = None, parallel: int = 1, spec: str = SPEC
) -> BatchOptions:
    """A batch of `SPEC`, or of another spec."""
    request = RunRequest(SpecFile(spec, "spec.yaml", None), lambda _: {})
    return BatchOptions(request, table, "rows.csv", budget, parallel, studio.folder / "runs")


async def run(
    studio: Studio,
    table: str,
    *,
    budget: int | None = None,
    parallel: int = 1,
    bombs: Mapping[str, Bomb] | None = None,
    observer: Observer | None = None,
    spec: str = SPEC,
) -> BatchResult:
    """Runs a batch, or continues it."""
    options = batch_options(studio, table, budget=budget, parallel=parallel, spec=spec)
    observer = observer or Observer()
    caller = caller_of(studio, EngineRunner(studio, bombs or {}), observer)
    return await run_batch(options, caller, row_event=observer.row_event)


def caller_of(
    studio: Studio, runner: Runner, observer: Observer, confirm: Confirm | None = None
) -> Caller:
    """Who runs a batch on the service of a studio."""
    return OfStudio(
        studio.settings,
        runner,
        notify=observer.lines.append,
        progress=observer.shown,
        confirm=confirm,
        studio=studio,
    )


@dataclass(frozen=True, kw_only=True)
class OfStudio(Caller):
    """Uses what is open in a studio."""

    studio: Studio

    @asynccontextmanager
    async def connect(self, wallet: str | None = None) -> AsyncIterator[RunContext]:
        with self.studio.context(Bomb()) as context:
            yield context


def bought(sandbox: Sandbox) -> Counter[str]:
    """Jobs at the service, by what they were bought for."""
    return Counter(str(job["client_request_id"]) for job in ledger(sandbox.data)["generations"])


def statuses(result: BatchResult) -> list[str]:
    return [row.status for row in result.batch.rows]
