"""The rows of a batch, and the CSV file that they are read from: its header names inputs; each has a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, Literal

from rivya_client.printable import one_line
from rivya_flows.assets import Outputs
from rivya_flows.errors import SpecError, UsageError
from rivya_flows.language.canonical import digest
from rivya_flows.language.diagnostic_report import MAX_PROBLEMS, suggest
from rivya_flows.language.expressions.values import slug
from rivya_flows.language.input_tables import paths_from, read_row
from rivya_flows.language.input_values import hint_of
from rivya_flows.language.inputs import fit
from rivya_flows.language.tables import NOTE, Record, Table, read_text
from rivya_flows.language.wording import preview
from rivya_flows.language.workflow import Input, Inputs, Workflow
from rivya_flows.questions.question import Question
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.phrases import credits_of
from rivya_flows.store.assets import file_hash

BUDGET_COLUMN = "budget"
"""The column with the most credits of each row's run, unless an input has this name."""
_MAX_BYTES = 64 * 2**20
_MAX_KEYS = 2
_MAX_KEY = 40  # characters of a cell that names a row
_MAX_NAME, _MAX_FOLDER, _MAX_WORDS = 80, 60, 30  # of a row, in a folder's name, and in a run id
_TEXTS = ("string", "text", "enum", "date")  # types of inputs

Status = Literal[
    "waiting", "running", "completed", "failed", "cancelled", "suspended", "over_budget"
]
STATUS_WORDS = {
    "completed": "completed",
    "failed": "failed",
    "over_budget": "over the budget",
    "suspended": "waiting for an answer",
    "cancelled": "cancelled",
    "running": "running",
    "waiting": "not started",
}


@dataclass(eq=False)
class Row:
    """A row of a batch: as it was read, then with its price, and with what became of it.

    Attributes:
        run_id: Depends on the row's inputs, not on its notes, its place in the file or the other rows.
        name: Its keys in a line, ``NL-110 Vinter teapot``, unique in the table; ``row 3`` without any.
        number, line: From 1, `number` without the header and blank lines.
        keys: What names it, by column.
        removed: How many of its runs were removed.
        budget: The most credits of its run, by its own column; None: as the spec says.
        least, most: Credits still to buy; `most` is None without an upper bound.
        spec_cap: The cap that its column or the spec sets for its run, or None.
        recap: Its journal has another cap than `spec_cap`, from an earlier batch.
        before: Of `spent`, what was spent before this batch began to run.
        cap: Of the whole run while it runs; None keeps the spec's own.
        held: What it holds of each limit while it runs.
        tried: The cap that its last execution exhausted, and how that ended.
        pool: That did not cover it before it began.
        receipt, folder, questions: Of its run, at the end of the batch.
    """

    run_id: str
    name: str = ""
    number: int = 1
    line: int = 2
    values: Inputs = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    removed: int = 0
    budget: int | None = None
    least: int = 0
    most: int | None = 0
    spec_cap: int | None = None
    recap: bool = False
    pools: frozenset[str] = frozenset()
    status: Status = "waiting"
    spent: int = 0
    before: int = 0
    cap: int | None = None
    held: Mapping[str, int] = field(default_factory=dict)
    tried: tuple[int, Status] | None = None
    codes: frozenset[str] = frozenset()
    reason: str | None = None
    pool: str | None = None
    receipt: Receipt | None = None
    folder: Path | None = None
    questions: Sequence[Question] = ()

    @property
    def price(self) -> int:
        """The most that it needs; the least where nothing bounds it."""
        return self.least if self.most is None else self.most

    @property
    def is_over_spec(self) -> bool:
        """Whether the spec's own budget does not cover its price before this batch began."""
        return self.spec_cap is not None and self.before + self.least > self.spec_cap

    @property
    def shown_status(self) -> str:
        """Its status at the end of the batch: one that waits still was not started."""
        return "not_started" if self.status == "waiting" else self.status

    @property
    def saved(self) -> int:
        return self.receipt.credits.saved if self.receipt else 0

    @property
    def outputs(self) -> Outputs:
        return self.receipt.outputs if self.receipt else {}

    def cap_for(self, share: int) -> int:
        """The cap with which its run may spend so much more, if the spec lets it."""
        cap = self.spent + share
        return cap if self.spec_cap is None else min(cap, self.spec_cap)

    def refuse(self, needed: int, limit: str) -> None:
        self.status, self.codes = "over_budget", frozenset({"over_budget"})
        self.reason = f"needs at least {credits_of(needed)}; {limit}"

    def as_json(self) -> dict[str, Any]:
        """The row in ``batch --json``."""
        return {
            "row": self.number,
            "name": self.name,
            "run_id": self.run_id,
            "status": self.shown_status,
            "credits": self.spent,
            "saved": self.saved,
            "reason": self.reason,
            "folder": str(self.folder) if self.folder else None,
            "inputs": {**self.values},
            "notes": {**self.notes},
            "outputs": {**self.outputs},
        }


def batch_id_of(workflow: Workflow, spec_text: str, service: str, file: str) -> str:
    """The id of a batch: the same for the same spec, service and file name."""
    mark = digest([service, spec_text, Path(file).name])[:8]
    return f"batch-{workflow.name[:40]}-{mark}"


def give_new_run(row: Row, removed: Container[str]) -> None:
    """Gives a row the id of its first run that was not removed: ``…-r2`` is the second."""
    first = row.run_id
    while row.run_id in removed:
        row.removed += 1
        row.run_id = f"{first}-r{row.removed + 1}"


def row_folder(batch: Path, row: Row, taken: Container[Path]) -> Path:
    """The folder of a new run: ``nl-110-vinter-teapot``, what names the row; none that another run took."""
    name = slug(row.name)
    if len(name) > _MAX_FOLDER:
        name = name[:_MAX_FOLDER].rpartition("-")[0] or name[:_MAX_FOLDER]
    path = batch / (name or f"row-{row.number}")
    if path in taken or (path.is_dir() and any(path.iterdir())):
        # Another row has this name, or the one that stood here was changed since.
        path = path.with_name(f"{path.name}-{row.run_id.rpartition('-')[2]}")
    return path


def read_table(path: Path) -> str:
    return read_text(path, _MAX_BYTES, label=str(path))


def read_rows(
    text: str,
    *,
    file: str,
    workflow: Workflow,
    batch_id: str,
    given: Mapping[str, Any] | None = None,
    keys: Sequence[str] = (),
) -> tuple[Row, ...]:
    """All rows, with each cell read by the type of its input; an empty one leaves it to the default.

    Without `keys`, the first note that tells all rows apart, such as a SKU, and the first short texts name a row.
    """
    inputs = workflow.inputs
    for_all = dict(given or {})
    for name in for_all.keys() & inputs.keys():
        if inputs[name].is_table and isinstance(for_all[name], str):  # a file: it is read once
            try:
                for_all[name] = fit(inputs[name], for_all[name], root=Path())
            except ValueError as error:
                raise UsageError(f"{name}: {error}", hint_of(error, inputs[name])) from error
    table = Table(text, file=file, names=[*inputs, BUDGET_COLUMN], what="input")
    rows = () if table.problems else _rows(table, inputs, batch_id, for_all, keys)
    if table.problems:
        raise SpecError(tuple(sorted(table.problems)[:MAX_PROBLEMS]))
    return rows


def _rows(
    table: Table,
    inputs: Mapping[str, Input],
    batch_id: str,
    given: Mapping[str, Any],
    keys: Sequence[str],
) -> tuple[Row, ...]:
    for key in keys:
        if key not in table.columns:
            hint = suggest(key, table.columns) or f"it has {', '.join(table.columns)}"
            raise UsageError(f"--key {key!r:.60}: {table.file} has no such column", hint)
    rows: list[Row] = []
    written: list[dict[str, str]] = []
    seen: Counter[str] = Counter()
    moved = paths_from(Path(table.file).parent)
    for record in table.records():
        values, fitted = read_row(table, record, inputs, given=given, root=Path(), change=moved)
        identity = {name: _identity(value) for name, value in fitted.items()}
        mark = digest(identity)[:10]
        seen[mark] += 1
        repeat = f"-{seen[mark]}" if seen[mark] > 1 else ""
        short = _short_text(identity, inputs)
        run_id = "-".join(filter(None, [batch_id, short, mark + repeat]))
        row = Row(run_id, "", len(rows) + 1, record.line, values, record.notes)
        rows.append(replace(row, budget=_budget(table, record, inputs)))
        written.append({name: cell.strip() for name, cell in record.cells.items()})
    files = {name for name, declared in inputs.items() if declared.type == "file"}
    columns = {name: [row[name] for row in written] for name in table.columns}
    for name in files & columns.keys():
        columns[name] = [PurePath(cell).stem for cell in columns[name]]
    named = keys or _key_columns(columns, inputs)
    of_rows = [{name: columns[name][at] for name in named} for at in range(len(rows))]
    texts = [one_line(" ".join(filter(None, row.values()))) for row in of_rows]
    many = Counter(texts)
    for row, own, text in zip(rows, of_rows, texts, strict=True):
        row.keys, row.name = own, _name(text, row.number, alone=many[text] == 1)
    return tuple(rows)


def _budget(table: Table, record: Record, inputs: Mapping[str, Input]) -> int | None:
    """What the column of budgets says, if there is one; None if its cell is empty."""
    text = "" if BUDGET_COLUMN in inputs else record.cells.get(BUDGET_COLUMN, "").strip()
    if not text or (text.isascii() and text.isdecimal()):
        return int(text[:18]) if text else None
    message = f"{BUDGET_COLUMN}: {preview(text)} is not a number of credits"
    hint = "write a number such as 12; an empty cell leaves it to the spec"
    table.add_at(record.line, BUDGET_COLUMN, "wrong-input", message, hint)
    return None


def _short_text(identity: Mapping[str, Any], inputs: Mapping[str, Input]) -> str:
    """The first short text of a row's inputs, for its run id."""
    texts = (
        one
        for name, one in identity.items()
        if inputs[name].type in ("string", "text") and len(one) <= _MAX_KEY
    )
    return slug(next(texts, ""))[:_MAX_WORDS].strip("-")


def _name(text: str, number: int, *, alone: bool) -> str:
    short = text if len(text) <= _MAX_NAME else f"{text[: _MAX_NAME - 1]}…"
    if not short:
        return f"row {number}"
    return short if alone and short == text else f"{short} (row {number})"


def _key_columns(columns: Mapping[str, Sequence[str]], inputs: Mapping[str, Input]) -> list[str]:
    """A note that tells all rows apart, and the first short texts that do, or the files."""
    short = [
        name
        for name, cells in columns.items()
        if any(cells)
        and max(map(len, cells)) <= _MAX_KEY
        and (len({*cells}) > 1 or len(cells) == 1)
    ]
    unique = [
        name for name in short if all(columns[name]) and len({*columns[name]}) == len(columns[name])
    ]
    found = [name for name in unique if name.startswith(NOTE)][:1]
    for types in (_TEXTS, ("file",)):
        if of_type := [name for name in short if name in inputs and inputs[name].type in types]:
            count = 1 if of_type[0] in unique else _MAX_KEYS - len(found)
            return [*found, *of_type[:count]]
    return found


def _identity(value: Any) -> Any:
    """The content of a value: a file by its hash, so that a moved file stays the same row."""
    if isinstance(value, list):
        return [_identity(one) for one in value]
    if isinstance(value, dict) and set(value) == {"path"}:
        return {"sha256": file_hash(Path(value["path"]))}
    if isinstance(value, dict):
        return {name: _identity(one) for name, one in value.items()}
    return value
