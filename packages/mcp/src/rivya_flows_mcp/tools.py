"""What an agent may do over MCP: look, plan, run a quote, answer. It is not trusted.

It names specs and files inside one folder, the root, and runs that were made there. It buys only
with a quote, which has a price and a cap and can be used once. A process of its own executes a run
and outlives this one; the journal says how the run ends.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from rivya_client.catalogue.prices import price_of
from rivya_flows.engine.run import Runner
from rivya_flows.errors import BudgetError, UsageError
from rivya_flows.money.live_guard import is_rehearsal, sentence, spending_of
from rivya_flows.money.quotes import Quote
from rivya_flows.preparation.catalogue_cache import known_catalogue
from rivya_flows.preparation.check import check_spec, lint_spec
from rivya_flows.preparation.prepare import RunRequest, prepare_here, verdict
from rivya_flows.preparation.spec_file import specs_at
from rivya_flows.private import private_folder
from rivya_flows.processes.continued import continue_run, is_at_work, log_of
from rivya_flows.processes.supervisor import last_lines, wait_until
from rivya_flows.receipt.phrases import credits_of, is_sandbox, total_of
from rivya_flows.receipt.report import write_report
from rivya_flows.receipt.summary import choices, full_sentence, troubles
from rivya_flows.runs.execution import Caller, ready_to_start, write_start
from rivya_flows.runs.lookup import open_assets, open_journal
from rivya_flows.runs.results import plan_of
from rivya_flows.settings import Settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.run_list import listed_runs
from rivya_flows_mcp import results
from rivya_flows_mcp.results import Reply
from rivya_flows_mcp.root import (
    AS_TEXT,
    answers_of,
    inputs_inside,
    path_inside,
    read_saved,
    run_inside,
    save_quote,
    spec_inside,
)

LABEL = {"via": "mcp"}
"""Each run of an agent has this label, so that a pool can limit all of them together."""

MAX_SPECS = 100
MAX_INPUT_BYTES = 1 << 20  # of all inputs of a plan, as JSON
ENDING_SECONDS = 10  # how long an answer waits for the process that has asked to end


_Spec = Annotated[
    str,
    Field(
        max_length=1 << 20,
        description="Path of a spec inside the root, such as specs/spot.yaml; or the whole text of"
        " one, which has line breaks: its paths are relative to the root.",
    ),
]
_Run = Annotated[
    str, Field(min_length=1, max_length=200, description="Id of a run, as `run` gives it.")
]


@dataclass(frozen=True)
class AgentTools:
    """The tools of one server. Their docstrings and the types of their arguments are what its clients
    read. Those that are no coroutines read files, and are called in a thread.
    """

    settings: Settings
    root: Path
    runner: Runner
    sandbox: bool = False
    notify: Callable[[str], object] = lambda _: None

    def list_specs(self) -> Reply[results.Specs]:
        """List the specs of the root, and of its folder `specs`, with their inputs."""
        folders = [one for one in (self.root, self.root / "specs") if one.is_dir()]
        paths = [path for folder in folders for path in specs_at(folder)]
        found = []
        for path in paths[:MAX_SPECS]:
            with suppress(UsageError):  # a link that leads elsewhere, or not a text
                spec = spec_inside(self.root, str(path))
                workflow = check_spec(spec, known_catalogue(self.settings))[0]
                found.append(results.spec_of(str(path.relative_to(self.root)), workflow))
        lines = [f"{one.path}: {one.title or one.name or 'wrong, see check_spec'}" for one in found]
        return Reply(
            results.Specs(root=str(self.root), specs=found), lines or ["there are no specs"]
        )

    def list_models(
        self,
        kind: Annotated[
            Literal["image", "video", "audio", "chat"] | None,
            Field(description="Only models of this kind."),
        ] = None,
    ) -> Reply[results.AgentModels]:
        """List the models with their price, parameters and reference files."""
        catalogue = known_catalogue(self.settings)
        every = catalogue.models.values()
        found = [results.model_of(one) for one in every if kind in (None, one.category)]
        lines = [
            f"{one.id} ({one.kind}): {price_of(one.credits.min, one.credits.max)}" for one in found
        ]
        result = results.AgentModels(date=catalogue.date, source=catalogue.source, models=found)
        return Reply(result, [*lines, f"catalogue of {catalogue.date}, {catalogue.source}"])

    def check_spec(self, spec: _Spec) -> Reply[results.AgentCheck]:
        """Find every mistake of a spec, each at its line. Sends and buys nothing."""
        file = spec_inside(self.root, spec)
        if file.name != AS_TEXT:
            file = replace(file, name=str(Path(file.name).relative_to(self.root)))
        catalogue = known_catalogue(self.settings)
        workflow, found = check_spec(file, catalogue)
        warnings = lint_spec(file, workflow, catalogue) if workflow else ()
        result = results.AgentCheck(
            ok=workflow is not None and not found,
            name=workflow and workflow.name,
            steps=0 if workflow is None else len(workflow.all_steps),
            problems=found,
            warnings=warnings,
        )
        lines = [line for one in (*found, *warnings)[: results.MAX_ITEMS] for line in one.lines]
        return Reply(result, lines or [f"{file.name}: ok"])

    async def plan(
        self,
        *,
        spec: _Spec,
        inputs: Annotated[
            dict[str, Any],
            Field(
                default_factory=dict,
                description="Values of inputs by name. A file is a path inside the root, or a URL.",
            ),
        ],
        budget: Annotated[
            int | None,
            Field(ge=0, description="Most credits of the run, instead of the budget of the spec."),
        ] = None,
        labels: Annotated[
            dict[str, str],
            Field(default_factory=dict, description="What the credits are counted under."),
        ],
    ) -> Reply[results.Planned]:
        """Price a run item by item and get a quote, which `run` takes. Buys nothing."""
        if len(json.dumps(inputs)) > MAX_INPUT_BYTES:
            raise UsageError("inputs: larger than 1 MiB", "give long texts in a file of the root")
        file = await asyncio.to_thread(spec_inside, self.root, spec)
        request = RunRequest(
            file,
            lambda workflow: inputs_inside(self.root, workflow, inputs),
            budget,
            labels={**labels, **LABEL},
        )
        async with self._caller.connect() as context:
            ready = await prepare_here(
                context, request, "run-plan", starts=False, notify=self.notify
            )
            found, refused = ready.estimate, None
            quote: Quote | None = None
            try:
                quote = await asyncio.to_thread(
                    save_quote, self.settings.data, context, request, ready
                )
            except BudgetError as error:
                refused = f"{error.message}; {error.hint}"
            service = context.service
            buys = sentence(service, spending_of(found, quote.id if quote else None))
            if is_sandbox(service.identity) or is_rehearsal(service.base_url, self.settings):
                buys += " This is a rehearsal: the credits are pretend."
        planned = plan_of(found)
        result = results.Planned(
            quote=quote and quote.id,
            refused=refused,
            at_most=quote and quote.cap,
            expires_at=quote and quote.expires_at.isoformat(),
            buys=buys,
            name=planned.name,
            credits=planned,
            saved=planned.saved,
            budget=planned.budget,
            balance=planned.balance,
            items=[{**vars(one), "credits": one} for one in planned.items],
            skipped=planned.skipped,
        )
        lines = [
            f"{one.step}{f'[{one.key}]' if one.key else ''}: {one.model or 'no model'},"
            f" {price_of(one.credits.min, one.credits.max)}{', cached' if one.cached else ''}"
            for one in result.items
        ]
        if (more := len(planned.items) - len(result.items)) > 0:
            lines.append(f"and {more} more items")
        lines += [f"{found.name}: {total_of(found)}", verdict(found), buys]
        if quote is None:
            return Reply(result, [*lines, str(refused)])
        until = f"{quote.expires_at:%Y-%m-%d %H:%M} UTC"
        counts = f"quote {quote.id}: at most {credits_of(quote.cap)}, once, until {until}"
        return Reply(result, [*lines, counts])

    async def run(
        self,
        quote: Annotated[
            str,
            Field(max_length=200, description="Id of a quote, as `plan` gives it; it counts once."),
        ],
    ) -> Reply[results.Started]:
        """Spend credits: start the run of a quote, once, for at most its credits. Answers at once
        with the id of the run, which continues by itself.
        """
        data, runs = self.settings.data, path_inside(self.root, "runs")
        file = await asyncio.to_thread(read_saved, data, self.root, quote)
        async with self._caller.connect() as context:
            ready = await ready_to_start(context, file, self._caller)
            theirs = ready.frozen.model_copy(update={"started_by": "agent"})
            ready = replace(ready, frozen=theirs)
            run_id = ready.frozen.run_id

            def begin() -> Path:  # in one thread, so that nothing cancelled lies between
                folder = write_start(context, ready, runs)
                self._continue(run_id)
                return folder

            folder = await asyncio.to_thread(begin)
            result = results.Started(run=run_id, at_most=file.quote.cap, folder=str(folder))
        most = credits_of(result.at_most)
        return Reply(result, [f"{run_id} runs, for at most {most}; `status` says how far it is"])

    def status(self, run: _Run) -> Reply[results.Status]:
        """Say how far a run is, what it has spent, and what it asks, with small pictures of the
        candidates.
        """
        with self._journal() as journal, open_assets(self.settings) as assets:
            row = run_inside(self.root, journal, run)
            entries = journal.entries(row.run_id)
            [listed] = listed_runs(journal.engine, labels={}, run_id=row.run_id, limit=1)
            # Whose process is at work writes its folder itself.
            folder = None if listed.status == "running" else row.folder
            report = write_report(entries, folder, assets)
            state = results.state_of(
                listed.status, entries, at_work=is_at_work(self.settings.data, row.run_id)
            )
            asked = () if state in ("running", "waiting", "killed") else report.questions
            pictures: list[results.AgentPicture] = []
            questions = [results.question_of(one, report, assets, pictures) for one in asked]
        receipt = report.receipt
        advice = results.advice_for(
            row.run_id, state, last_lines(log_of(self.settings.data, row.run_id), 3)
        )
        result = results.Status(
            run=row.run_id,
            state=state,
            sentence=full_sentence(receipt),
            credits=results.spent_of(receipt),
            steps=results.steps_of(receipt),
            questions=questions,
            problems=troubles(receipt),
            advice=advice,
        )
        lines = [f"{row.run_id} is {state}: {result.sentence}"]
        lines += [
            f"{one.id}: {one.status}"
            + (f", {one.completed} of {one.items} done" if one.status != "skipped" else "")
            + (f", {one.failed} failed" if one.failed else "")
            for one in result.steps
        ]
        for question in questions:
            lines += results.question_lines(question)
        lines += [*result.problems, *([result.advice] if result.advice else ())]
        return Reply(result, lines, pictures)

    def answer(
        self,
        run: _Run,
        step: Annotated[
            str, Field(max_length=500, description="Name of the question, as `status` gives it.")
        ],
        choice: Annotated[
            str | list[str] | None,
            Field(
                description="Key of the choice; a list of keys where the question asks for several;"
                " approve or changes of a review."
            ),
        ] = None,
        none: Annotated[
            str | None,
            Field(
                max_length=2_000,
                description="None of these: the candidates are bought again, within the quote. The"
                " text says what should be different; it may be empty.",
            ),
        ] = None,
        note: Annotated[
            str,
            Field(max_length=2_000, description="Of a review: what to change, as `0:04 too dark`."),
        ] = "",
    ) -> Reply[results.Answered]:
        """Answer what a suspended run asks; it continues, and buys within its quote."""
        keys = [choice] if isinstance(choice, str) else choice
        if (keys is None) == (none is None):
            raise UsageError("answer: give either choice or none", "`status` shows the choices")
        with self._journal() as journal:
            run_id = run_inside(self.root, journal, run).run_id
            given = (step, keys, none or note)
            answers, ended = answers_of(journal.entries(run_id), *given)
            outcome = f"{run_id} continues"
            if answers or (ended == "suspended" and not is_at_work(self.settings.data, run_id)):
                # The process that has asked may be about to end.
                wait_until(lambda: not is_at_work(self.settings.data, run_id), ENDING_SECONDS)
                leases = Leases(journal.engine)
                lease = leases.acquire(run_id)
                try:
                    # Again, since another one may have been faster.
                    for answer in answers_of(journal.entries(run_id), *given)[0]:
                        journal.append(run_id, answer, lease.fence)
                finally:
                    leases.release(lease)
                self._continue(run_id)
            else:
                outcome = f"it was answered so already; {run_id} is {ended or 'running'}"
        answered = f"{step}: {', '.join(keys) if keys else 'none of these'}"
        result = results.Answered(run=run_id, step=step, picked=keys or [])
        return Reply(result, [answered, outcome])

    def receipt(self, run: _Run) -> Reply[results.AgentReceipt]:
        """Give what a run made so far, with the paths of its files and its credits."""
        with self._journal() as journal, open_assets(self.settings) as assets:
            row = run_inside(self.root, journal, run)
            report = write_report(journal.entries(row.run_id), row.folder, assets)
        receipt = report.receipt
        result = results.AgentReceipt(
            run=row.run_id,
            status=receipt.status,
            sentence=full_sentence(receipt),
            outputs=receipt.outputs,
            credits=results.spent_of(receipt),
            balance_before=receipt.credits.before,
            balance_after=receipt.credits.after,
            steps=results.steps_of(receipt),
            choices=choices(receipt),
            problems=troubles(receipt),
            folder=str(row.folder),
            receipt=str(report.receipt_path),
            contact_sheet=str(report.sheet_path),
        )
        lines = [f"{row.run_id} {result.status}: {result.sentence}"]
        lines += [f"{name}: {results.output_text(value)}" for name, value in result.outputs.items()]
        lines += [*result.choices, *result.problems]
        spent = credits_of(result.credits.spent)
        return Reply(result, [*lines, f"{spent}; receipt {result.receipt}"])

    def _continue(self, run_id: str) -> None:
        continue_run(self.settings.data, run_id)

    @property
    def _caller(self) -> Caller:
        return Caller(self.settings, self.runner, self.sandbox, self.notify)

    @contextmanager
    def _journal(self) -> Iterator[Journal]:
        private_folder(self.settings.data)
        with open_journal(self.settings) as journal:
            yield journal
