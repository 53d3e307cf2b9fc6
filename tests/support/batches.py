"""Batches with the real engine, client, journal and sandbox, without Prefect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from rivya_flows.batch.execution import run_batch_in
from rivya_flows.batch.pricing import BatchOptions
from rivya_flows.batch.scheduler import Batch
from rivya_flows.batch.summary import BatchResult
from rivya_flows.engine.run import Run, Runner
from rivya_flows.preparation.prepare import RunRequest
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.queue.events import Event, RunFrozen
from rivya_flows.queue.state import State
from rivya_flows.receipt.report import RunReport
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

    def say(self, line: str) -> None:
        self.lines.append(line)

    def shown(self) -> AbstractContextManager[None]:
        return nullcontext()

    def changed(self, batch: Batch) -> None:
        """Follows nothing."""

    def row_event(self, name: str, event: Event, state: State) -> None:
        """Follows nothing."""

    def absorb_cancel(self) -> None:
        """Is never cancelled."""


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
    runner = EngineRunner(studio, bombs or {})
    with studio.context(Bomb()) as context:
        return await run_batch_in(context, options, runner, observer or Observer())


def bought(sandbox: Sandbox) -> Counter[str]:
    """Jobs at the service, by what they were bought for."""
    return Counter(str(job["client_request_id"]) for job in ledger(sandbox.data)["generations"])


def statuses(result: BatchResult) -> list[str]:
    return [row.status for row in result.batch.rows]
