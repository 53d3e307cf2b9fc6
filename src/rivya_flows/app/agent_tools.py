"""What an agent may do over MCP: look, plan, run a quote, answer. It is a stranger on this machine.

It names specs and files inside one folder, the root, and runs that were made there. It buys by a
quote alone, which was priced before, counts once and has a cap. A run is executed by a process of
its own, which lives on without this one; the journal says what becomes of it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rivya_flows.app.agent_results import (
    MAX_ITEMS,
    AgentChoice,
    AgentModel,
    AgentQuestion,
    AgentReceipt,
    AnswerArguments,
    Answered,
    Check,
    CheckArguments,
    Credits,
    ListedSpec,
    Models,
    ModelsArguments,
    NoArguments,
    OfRun,
    Picture,
    PlanArguments,
    Planned,
    PlannedItem,
    Problem,
    Reply,
    RunArguments,
    SpecInput,
    Specs,
    Spent,
    Started,
    Status,
    StepCounts,
    bounded,
)
from rivya_flows.app.catalogue_cache import known_catalogue
from rivya_flows.app.check import check_spec
from rivya_flows.app.connect import connect
from rivya_flows.app.execution import SILENT
from rivya_flows.app.live_guard import is_rehearsal, sentence, spending_of
from rivya_flows.app.prepare import Prepared, RunRequest, prepare_here
from rivya_flows.app.processes.locks import try_lock
from rivya_flows.app.processes.process_tree import wait_until
from rivya_flows.app.processes.supervisor import ProcessSpec, last_lines, start
from rivya_flows.app.quotes import VALID, QuoteFile, read_quote, write_quote
from rivya_flows.app.report import RunReport, write_report
from rivya_flows.app.run import ready_to_start, write_start
from rivya_flows.app.run_context import RunContext
from rivya_flows.app.runner import Runner
from rivya_flows.app.runs import open_journal
from rivya_flows.app.spec_file import SpecFile, read_spec, specs_at
from rivya_flows.catalogue.catalogue import Model, Param
from rivya_flows.catalogue.prices import price
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.environment import variables
from rivya_flows.errors import BudgetError, RivyaFlowsError, SpecError, UsageError
from rivya_flows.language.inputs import hint_for
from rivya_flows.language.syntax.media_references import resolve
from rivya_flows.language.workflow import Workflow
from rivya_flows.ledger.phrases import credits_of, price_of
from rivya_flows.ledger.provenance import is_sandbox, recorded, recorded_asset
from rivya_flows.ledger.quotes import Quote
from rivya_flows.ledger.summary import choices, told, troubles
from rivya_flows.media.decoding import poster
from rivya_flows.planning.questions.open_questions import Choice, answerable, name_of
from rivya_flows.planning.questions.presentation import title, words_of
from rivya_flows.planning.questions.reading_answers import read_answers
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import AnsweredBy, AnswerGiven, RunFrozen, Stamped
from rivya_flows.planning.queue.queue import replay
from rivya_flows.planning.queue.reducer import BUDGET
from rivya_flows.printable import printable
from rivya_flows.private import private_folder
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal, RunRow
from rivya_flows.store.leases import SECONDS, Leases
from rivya_flows.store.run_list import listed_runs

LABEL = {"via": "mcp"}
"""Each run of an agent has this label, so that a pool can limit all of them together."""

MAX_PICTURES, MAX_PICTURE_BYTES, PICTURE_SIDE = 8, 200_000, 512
MAX_SPECS, MAX_QUOTES = 100, 500
MAX_INPUT_BYTES = 1 << 20
"""Of all inputs of a plan, as JSON."""

ENDING_SECONDS = 10
"""How long an answer waits for the process that has asked to end."""

BY = "an agent"
_AS_TEXT = "spec"


@dataclass(frozen=True)
class AgentTools:
    """The tools of one server.

    Attributes:
        settings: Of the store, and the service that is bought from.
        root: The folder of the agent, resolved.
        runner: Gives the key of a secret block.
        sandbox: Buy from the local sandbox, also with a key.
        notify: Is told lines for the person who runs the server.
    """

    settings: Settings
    root: Path
    runner: Runner
    sandbox: bool = False
    notify: Callable[[str], object] = lambda _: None

    async def list_specs(self, _: NoArguments) -> Reply:
        """The specs of the root, and of its folder ``specs``."""
        return await asyncio.to_thread(self._list_specs)

    def _list_specs(self) -> Reply:
        folders = [one for one in (self.root, self.root / "specs") if one.is_dir()]
        paths = [path for folder in folders for path in specs_at(folder)]
        found = []
        for path in paths[:MAX_SPECS]:
            with suppress(UsageError):  # a link that leads elsewhere, or what is no text
                found.append(self._listed(path))
        lines = [f"{one.path}: {one.title or one.name or 'wrong, see check_spec'}" for one in found]
        return Reply(Specs(root=str(self.root), specs=found), lines or ["there are no specs"])

    def _listed(self, path: Path) -> ListedSpec:
        spec = self._spec(str(path))
        workflow, _ = check_spec(spec, known_catalogue(self.settings))
        declared = {} if workflow is None else workflow.inputs
        return ListedSpec(
            path=str(path.relative_to(self.root)),
            name=workflow and workflow.name,
            title=bounded((workflow and workflow.title) or ""),
            description=bounded((workflow and workflow.description) or ""),
            inputs=[
                SpecInput(
                    name=name,
                    type=f"list of {one.of}" if one.of else one.type,
                    title=bounded(one.title or ""),
                    description=bounded(one.description or ""),
                    required=one.required and one.default is None,
                    default=bounded(one.default),
                    values=bounded(one.values),
                )
                for name, one in declared.items()
            ],
        )

    async def list_models(self, given: ModelsArguments) -> Reply:
        """The models that are known here, with prices; asks nobody."""
        catalogue = await asyncio.to_thread(known_catalogue, self.settings)
        every = catalogue.models.values()
        found = [_model(one) for one in every if given.kind in (None, one.category)]
        lines = [
            f"{one.id} ({one.kind}): {price_of(one.credits.min, one.credits.max)}" for one in found
        ]
        result = Models(date=catalogue.date, source=catalogue.source, models=found)
        return Reply(result, [*lines, f"catalogue of {catalogue.date}, {catalogue.source}"])

    async def check_spec(self, given: CheckArguments) -> Reply:
        """Every mistake of a spec at its place; sends nothing."""
        return await asyncio.to_thread(self._check, given)

    def _check(self, given: CheckArguments) -> Reply:
        spec = self._spec(given.spec)
        if spec.name != _AS_TEXT:
            spec = replace(spec, name=str(Path(spec.name).relative_to(self.root)))
        workflow, found = check_spec(spec, known_catalogue(self.settings))
        result = Check(
            ok=workflow is not None and not found,
            name=workflow and workflow.name,
            steps=0 if workflow is None else len(workflow.all_steps),
            problems=problems_of(found),
        )
        lines = [line for one in found[:MAX_ITEMS] for line in one.lines]
        return Reply(result, lines or [f"{spec.name}: ok"])

    async def plan(self, given: PlanArguments) -> Reply:
        """What a run would do and cost, and a quote for it; buys nothing."""
        if len(json.dumps(given.inputs)) > MAX_INPUT_BYTES:
            raise UsageError("inputs: larger than 1 MiB", "give long texts in a file of the root")
        spec = await asyncio.to_thread(self._spec, given.spec)
        request = RunRequest(
            spec,
            lambda workflow: self._inputs(workflow, given.inputs),
            given.budget,
            labels={**given.labels, **LABEL},
        )
        async with self._context() as context:
            ready = await prepare_here(
                context, request, "run-plan", starts=False, notify=self.notify
            )
            found, refused = ready.estimate, None
            quote: Quote | None = None
            try:
                quote = await asyncio.to_thread(self._quote, context, request, ready)
            except BudgetError as error:
                refused = f"{error.message}; {error.hint}"
            service = context.service
            buys = sentence(service, spending_of(found, quote.id if quote else None))
            if is_sandbox(service.identity) or is_rehearsal(service.base_url, self.settings):
                buys += " This is a rehearsal: the credits are pretended."
        items = [
            PlannedItem(
                step=step.id,
                key=bounded(item.key),
                model=item.model,
                credits=Credits(min=item.price.min, max=item.price.max),
                cached=item.cached,
                note=bounded(item.price.assumption),
            )
            for step in found.steps
            for item in step.items
        ]
        result = Planned(
            quote=quote and quote.id,
            refused=refused,
            at_most=quote and quote.cap,
            expires_at=quote and quote.expires_at.isoformat(),
            buys=buys,
            name=found.name,
            credits=Credits(min=found.min, max=found.max),
            saved=found.saved,
            budget=found.budget,
            balance=found.balance,
            items=items[:MAX_ITEMS],
            skipped={one.id: bounded(one.skipped) for one in found.steps if one.skipped},
        )
        lines = [
            f"{one.step}{f'[{one.key}]' if one.key else ''}: {one.model or 'no model'},"
            f" {price_of(one.credits.min, one.credits.max)}{', cached' if one.cached else ''}"
            for one in result.items
        ]
        if (more := len(items) - MAX_ITEMS) > 0:
            lines.append(f"and {more} more items")
        lines += [f"{found.name}: {price_of(found.min, found.max)}", buys]
        if quote is None:
            return Reply(result, [*lines, str(refused)])
        until = f"{quote.expires_at:%Y-%m-%d %H:%M} UTC"
        counts = f"quote {quote.id}: at most {credits_of(quote.cap)}, once, until {until}"
        return Reply(result, [*lines, counts])

    async def run(self, given: RunArguments) -> Reply:
        """Starts the run of a quote, in a process of its own; gives its id at once."""
        file, runs = await asyncio.to_thread(self._quoted, given.quote), self._inside("runs")
        async with self._context() as context:
            observer = replace(SILENT, notify=self.notify)
            ready = await ready_to_start(context, file, observer)
            run_id = ready.frozen.run_id

            def begin() -> Path:  # in one thread, so that nothing cancelled lies between
                folder = write_start(context, ready, runs)
                self._continue(run_id)
                return folder

            folder = await asyncio.to_thread(begin)
            result = Started(run=run_id, at_most=file.quote.cap, folder=str(folder))
        most = credits_of(result.at_most)
        return Reply(result, [f"{run_id} runs, for at most {most}; `status` says how far it is"])

    async def status(self, given: OfRun) -> Reply:
        """How far a run is, and what it asks, with small pictures of the candidates."""
        return await asyncio.to_thread(self._status, given.run)

    def _status(self, run: str) -> Reply:
        with self._journal() as journal, TemporaryDirectory(prefix="rivya-flows-") as scratch:
            row = self._row(journal, run)
            entries = journal.entries(row.run_id)
            [listed] = listed_runs(journal.engine, labels={}, run_id=row.run_id, limit=1)
            assets = AssetStore(self.settings.assets_url, Path(scratch))
            # Whose process is at work writes its folder itself.
            folder = None if listed.status == "running" else row.folder
            report = write_report(entries, folder, assets)
            state = _state(listed.status, entries, at_work=self._is_at_work(row.run_id))
            asked = () if state in ("running", "killed") else report.questions
            pictures: list[Picture] = []
            questions = [_question(one, report, assets, pictures) for one in asked]
        receipt, said = report.receipt, last_lines(self._log(row.run_id), 3)
        advice = _advice(row.run_id, state)
        if state == "killed" and said:
            advice = f"{advice}; its process last said: {said}"
        result = Status(
            run=row.run_id,
            state=state,
            sentence=bounded(told(receipt)),
            credits=_spent(receipt),
            steps=_steps(receipt),
            questions=questions,
            problems=bounded(troubles(receipt)),
            advice=bounded(advice),
        )
        lines = [f"{row.run_id} is {state}: {result.sentence}"]
        lines += [
            f"{one.id}: {one.status}, {one.completed} of {one.items} done"
            + (f", {one.failed} failed" if one.failed else "")
            for one in result.steps
        ]
        for question in questions:
            lines += _question_lines(question)
        lines += [*result.problems, *([result.advice] if result.advice else ())]
        return Reply(result, lines, pictures)

    async def answer(self, given: AnswerArguments) -> Reply:
        """Answers a question of a run, which goes on with that within its quote."""
        keys = [given.choice] if isinstance(given.choice, str) else given.choice
        if (keys is None) == (given.none is None):
            raise UsageError("answer: give either choice or none", "`status` shows the choices")
        return await asyncio.to_thread(self._answer, given, keys)

    def _answer(self, given: AnswerArguments, keys: Sequence[str] | None) -> Reply:
        with self._journal() as journal:
            run_id = self._row(journal, given.run).run_id
            written = (given.step, keys, given.none or "")
            answers, ended = _answers(journal.entries(run_id), *written)
            told = f"{run_id} goes on"
            if answers or (ended == "suspended" and not self._is_at_work(run_id)):
                # The process that has asked may be about to end.
                wait_until(lambda: not self._is_at_work(run_id), ENDING_SECONDS)
                leases = Leases(journal.engine)
                lease = leases.acquire(run_id)
                try:
                    # Again, since another one may have been faster.
                    for answer in _answers(journal.entries(run_id), *written)[0]:
                        journal.append(run_id, answer, lease.fence)
                finally:
                    leases.release(lease)
                self._continue(run_id)
            else:
                told = f"it was answered so already; {run_id} is {ended or 'running'}"
        words = f"{given.step}: {', '.join(keys) if keys else 'none of these'}"
        result = Answered(run=run_id, step=bounded(given.step), picked=bounded(keys or []))
        return Reply(result, [words, told])

    async def receipt(self, given: OfRun) -> Reply:
        """What a run did and made so far, with paths and credits."""
        return await asyncio.to_thread(self._receipt, given.run)

    def _receipt(self, run: str) -> Reply:
        with self._journal() as journal, TemporaryDirectory(prefix="rivya-flows-") as scratch:
            row = self._row(journal, run)
            assets = AssetStore(self.settings.assets_url, Path(scratch))
            report = write_report(journal.entries(row.run_id), row.folder, assets)
        receipt = report.receipt
        result = AgentReceipt(
            run=row.run_id,
            status=receipt["status"],
            sentence=bounded(told(receipt)),
            outputs=bounded(receipt["outputs"]),
            credits=_spent(receipt),
            balance_before=receipt["credits"]["before"],
            balance_after=receipt["credits"]["after"],
            steps=_steps(receipt),
            choices=bounded(choices(receipt)),
            problems=bounded(troubles(receipt)),
            folder=str(row.folder),
            receipt=str(report.receipt_path),
            contact_sheet=str(report.sheet_path),
        )
        lines = [f"{row.run_id} {result.status}: {result.sentence}"]
        lines += [f"{name}: {_shown(value)}" for name, value in result.outputs.items()]
        lines += [*result.choices, *result.problems]
        spent = credits_of(result.credits.spent)
        return Reply(result, [*lines, f"{spent}; receipt {result.receipt}"])

    def _spec(self, given: str) -> SpecFile:
        """The spec at a path inside the root, or the one that the text is.

        Raises:
            UsageError: The path leads out of the root, or to no spec.
        """
        if "\n" in given or "\r" in given:
            return SpecFile(given, _AS_TEXT, self.root)
        return read_spec(self._inside(given))

    def _inside(self, given: str) -> Path:
        try:
            path = (self.root / given).resolve()
            inside = path.is_relative_to(self.root)
        except (OSError, RuntimeError, ValueError):  # links in a circle, a zero byte
            inside = False
        if not inside:
            raise UsageError(
                f"{given!r:.200} is outside the root {self.root}", "name a path inside it"
            )
        return path

    def _inputs(self, workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs, files at their paths inside the root.

        Raises:
            SpecError: A file is elsewhere, or none.
        """
        found, problems = dict(given), []
        for name, declared in workflow.inputs.items():
            if name not in given or "file" not in (declared.type, declared.of):
                continue
            try:
                found[name] = self._files(given[name])
            except ValueError as error:
                words = f"{name}: {str(error).replace('the folder of the spec', 'the root')}"
                problems.append(
                    Diagnostic("wrong-input", words, hint_for(declared), file="<inputs>")
                )
        if problems:
            raise SpecError(tuple(problems))
        return found

    def _files(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._files(one) for one in value]
        return value and resolve(value, kind=None, root=self.root, inside=True)

    def _folder(self, name: str) -> Path:
        """A private folder of the data folder."""
        private_folder(self.settings.data)
        private_folder(self.settings.data / "mcp")
        private_folder(folder := self.settings.data / "mcp" / name)
        return folder

    def _quotes(self) -> Path:
        return self._folder("quotes")

    def _quote(self, context: RunContext, request: RunRequest, ready: Prepared) -> Quote:
        """Writes the quote under its id, and deletes those that hold no longer."""
        folder, old, left = self._quotes(), time.time() - VALID.total_seconds(), 0
        for path in folder.iterdir():
            if path.stat().st_mtime < old:
                path.unlink(missing_ok=True)
            else:
                left += 1
        if left >= MAX_QUOTES:
            words = f"there are {left} quotes of the last 24 hours, which is the most"
            raise UsageError(words, f"run one of them, or delete those in {folder}")
        # In the same folder, since the place of its spec is written from there.
        written = folder / f"new-{secrets.token_hex(8)}.json"
        quote = write_quote(context, request, ready, written)
        written.rename(folder / f"{quote.id}.json")
        return quote

    def _quoted(self, name: str) -> QuoteFile:
        """The quote of an id.

        Raises:
            UsageError: There is none, or what it names leads out of the root by now: the difference
                would show a file from elsewhere.
        """
        path = self._quotes() / f"{name}.json"
        if not path.is_file() or (file := read_quote(path)).quote.id != name:
            raise UsageError(f"there is no quote {name}", "make one with `plan`")
        if file.spec is not None:
            for one in (file.spec.name, *file.quote.includes, *file.quote.files):
                self._inside(str(file.spec.parent / one))
        return file

    def _log(self, run_id: str) -> Path:
        return self.settings.data / "mcp" / "logs" / f"{run_id}.log"

    def _continue(self, run_id: str) -> None:
        """Executes a run in a process that does not end with this one, and holds a lock.

        Raises:
            UsageError: Such a process is at work.
        """
        self._folder("logs")
        command = ("rivya_flows.cli.main", "resume", run_id, "--json")
        with self._log(run_id).with_suffix(".lock").open("ab") as lock:
            if not try_lock(lock):
                raise UsageError(f"{run_id} is at work", "call `status`, and try again")
            log, held = self._log(run_id), (lock.fileno(),)
            start(ProcessSpec(run_id, command, variables(), log, descriptors=held))

    def _is_at_work(self, run_id: str) -> bool:
        """Whether a process that an agent has started executes a run, on this machine."""
        try:
            with self._log(run_id).with_suffix(".lock").open("rb") as lock:
                return not try_lock(lock)
        except OSError:  # an agent has started none
            return False

    @asynccontextmanager
    async def _context(self) -> AsyncIterator[RunContext]:
        chosen = self.settings if self.sandbox else await self.runner.with_key(self.settings)
        async with connect(chosen, sandbox=self.sandbox, notify=self.notify) as context:
            yield context

    @contextmanager
    def _journal(self) -> Iterator[Journal]:
        private_folder(self.settings.data)
        with open_journal(self.settings) as journal:
            yield journal

    def _row(self, journal: Journal, run: str) -> RunRow:
        """A run that was made in the root; of others an agent learns nothing."""
        row = journal.run(run)
        if row is None or not row.folder.resolve().is_relative_to(self.root):
            raise UsageError(f"there is no run {run!r:.200} in {self.root}", "`run` gives its id")
        return row


def problems_of(found: Sequence[Diagnostic]) -> list[Problem]:
    """Mistakes as a result has them, the first of many."""
    return [Problem(**bounded(one.as_json())) for one in found[:MAX_ITEMS]]


def _answers(
    entries: Sequence[Stamped], step: str, keys: Sequence[str] | None, note: str
) -> tuple[tuple[AnswerGiven, ...], str | None]:
    """The entries of an answer, none where the run knows it already; and how the run has ended.

    Args:
        entries: The journal of the run.
        step: Name of the question, as it was shown.
        keys: Of the choices, as they were shown; None for none of these.
        note: What should be different then.

    Raises:
        UsageError: The run cannot be answered so, or not by an agent.
    """
    frozen = entries[0].event
    assert isinstance(frozen, RunFrozen)
    run_id = frozen.run_id
    if frozen.quote is None:
        raise UsageError(
            f"{run_id} was not started with a quote, so an agent cannot let it buy more",
            f"a person answers with `rivya-flows resume {run_id} --answer STEP=KEY`",
        )
    state = replay(entry.event for entry in entries)
    questions = answerable(state)
    question = next((one for one in questions if printable(name_of(one)) == step), None)
    name, picked = step, tuple(keys or ())
    if question is not None:
        if question.step == BUDGET and picked != ("no",):
            raise UsageError(
                "budget: an agent can answer no alone: its quote is the most that is spent",
                f"a person raises it with `rivya-flows resume {run_id} --budget N`",
            )
        spelled = {printable(one): one for one in question.choices}
        name, picked = name_of(question), tuple(spelled.get(one, one) for one in picked)
    by = AnsweredBy(name=BY, channel="agent", at=datetime.now(UTC))
    return read_answers({name: Choice(picked, note)}, questions, state, by), state.ended


def _state(listed: str, entries: Sequence[Stamped], *, at_work: bool) -> Any:
    """The state of a run, also between an answer, or the start, and what its process writes first."""
    newest = entries[-1]
    if isinstance(newest.event, AnswerGiven):  # of an ended execution, whose status is listed
        listed = "running" if time.time() - newest.at < SECONDS else "killed"
    return "running" if at_work and listed == "killed" else listed


def _advice(run_id: str, state: str) -> str | None:
    if state in ("completed", "running", "suspended"):
        return None
    return f"a person continues it with `rivya-flows resume {run_id}`; nothing is bought twice"


def _question(
    question: Question, report: RunReport, assets: AssetStore, pictures: list[Picture]
) -> AgentQuestion:
    """A question; adds small pictures of its candidates to those of the result."""
    name, shown = name_of(question), []
    # A spec may write any map as a candidate: what this run has not made or read is not shown.
    known, paths = recorded(report.receipt["assets"]), report.media_paths
    candidates = {str(one.get("key")): one for one in question.candidates}
    for key in question.choices[:MAX_ITEMS]:
        candidate = candidates.get(key, {})
        asset, said = recorded_asset(candidate.get("asset"), known), question.scores.get(key)
        text = None if asset or not candidate else words_of(candidate)
        jpeg = None
        if asset and asset.kind != "audio" and len(pictures) < MAX_PICTURES:
            jpeg = _picture(assets, asset.sha256)
        if jpeg is not None:
            pictures.append(Picture(printable(f"{name} = {key}"), jpeg))
        shown.append(
            AgentChoice(
                key=printable(key),
                kind=asset.kind if asset else "text",
                file=paths.get(asset.sha256) if asset else None,
                text=bounded(text),
                score=said.score if said else None,
                reason=bounded(said.reason) if said else None,
                picture=None if jpeg is None else len(pictures),
            )
        )
    return AgentQuestion(
        step=printable(name),
        text=bounded(title(question)),
        pick=question.count,
        choices=shown,
        none_left=question.rounds_left,
        note_room=question.note_room,
        deadline=question.deadline and question.deadline.isoformat(),
    )


def _picture(assets: AssetStore, sha256: str) -> bytes | None:
    """A small JPEG of a medium; None if it is gone, broken, or large however small it is drawn."""
    with suppress(RivyaFlowsError):
        path = assets.local_path(sha256)
        for side in (PICTURE_SIDE, PICTURE_SIDE // 2):
            jpeg = poster(path, side)
            if jpeg is None or len(jpeg) <= MAX_PICTURE_BYTES:
                return jpeg
    return None


def _question_lines(question: AgentQuestion) -> Iterator[str]:
    many = "" if question.pick == 1 else f" (pick {question.pick})"
    yield f"{question.step} asks: {question.text}{many}"
    for one in question.choices:
        scored = "" if one.score is None else f", {one.score:g} of 10: {one.reason}"
        seen = "" if one.picture is None else f", picture {one.picture}"
        yield f"  {one.key}: {one.file or one.text or ''}{seen}{scored}"
    if question.none_left:
        yield f"  or none of these, at most {question.none_left} times"
    if question.deadline:
        yield f"  open until {question.deadline}"


def _spent(receipt: Mapping[str, Any]) -> Spent:
    credits = receipt["credits"]
    return Spent(spent=credits["spent"], saved=credits["saved"], at_most=credits["budget"])


def _steps(receipt: Mapping[str, Any]) -> list[StepCounts]:
    found = []
    for step in receipt["steps"]:
        statuses = Counter(item["status"] for item in step["items"])
        done = statuses["completed"] + statuses["cached"]
        found.append(
            StepCounts(
                id=step["id"],
                status=step["status"],
                items=statuses.total(),
                completed=done,
                failed=statuses["failed"],
            )
        )
    return found


def _shown(value: Any) -> str:
    """An output on one line: a medium by the path of its file."""
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, Mapping) and "mime_type" in value:
        return str(value.get("path") or value.get("url"))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _model(model: Model) -> AgentModel:
    known = price(model, {})
    rule = model.references
    return AgentModel(
        id=model.id,
        name=bounded(model.display_name),
        kind=model.category,
        status=bounded(model.api_status),
        credits=Credits(min=known.min, max=known.max),
        references=bounded(rule.rule or ", ".join(rule.kinds)) if rule else "",
        params=[bounded(_param(one)) for one in model.params],
    )


def _param(param: Param) -> str:
    """``aspect_ratio: 1:1, 9:16; default 1:1``."""
    values = ", ".join(param.options) or param.type
    bounds = [
        f"{word} {one:g}"
        for word, one in (("from", param.min), ("to", param.max))
        if one is not None
    ]
    facts = [" ".join([values, *bounds])]
    if param.required:
        facts.append("required")
    elif param.default is not None:
        facts.append(f"default {param.default}")
    if param.bears_price:
        facts.append("changes the price")
    return f"{param.key}: {'; '.join(facts)}"
