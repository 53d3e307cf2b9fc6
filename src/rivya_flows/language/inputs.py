"""Inputs of a run: read from texts and files, and validated against their declarations.

Patterns are matched in linear time. Python's `re` backtracks: `(a+)+` on forty letters takes days. The engine
of pydantic does not. A pattern must be valid in both, since Prefect checks its forms with Python's.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any

from pydantic import JsonValue
from pydantic_core import (
    SchemaError,
    SchemaValidator,
    ValidationError,
    core_schema,
    to_jsonable_python,
)

from rivya_flows.assets import Asset
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.errors import SpecError
from rivya_flows.language.diagnostic_report import MAX_PROBLEMS, DiagnosticCollector, suggest
from rivya_flows.language.expressions.values import is_number
from rivya_flows.language.syntax import source, tree
from rivya_flows.language.syntax.media_references import is_uploaded, resolve, written_path
from rivya_flows.language.tables import (
    NOTE,
    SUFFIXES,
    Record,
    Table,
    most_rows,
    read_text,
    too_many,
)
from rivya_flows.language.wording import an, preview
from rivya_flows.language.workflow import Change, Input, Workflow, change_files
from rivya_flows.similar_names import nearest

_GIVEN = "<inputs>"
"""What diagnostics call the inputs of a command."""

_TEXTUAL = ("string", "text", "enum", "date", "file", "secret")
_SHOWN_FIELDS = 4
SIZED = ("string", "text", "integer", "number", "list")


def fit(declared: Input, value: Any, *, root: Path | None = None, inside: bool = False) -> Any:
    """The value as an expression sees it: a plain JSON value of the declared type.

    Args:
        value: Not None. A file may be an `Asset` of the store.
        root: Folder of relative paths; None: paths are not allowed.
        inside: A path may not leave `root`.

    Raises:
        ValueError: The value does not fit; the message says how.
        UsageError: A file with rows cannot be read.
    """
    if declared.is_table and isinstance(value, str) and root is not None:
        value = _read_file(declared, value, root, inside)
    return _fit(declared, value, root, inside)


def _fit(declared: Input, value: Any, root: Path | None, inside: bool) -> Any:
    fitted = _convert(declared, value, root, inside)
    _check_bounds(declared, fitted)
    return fitted


def resolve_inputs(
    workflow: Workflow,
    given: Mapping[str, Any],
    *,
    folder: Path | None,
    paths: bool = True,
    files: Mapping[str, Asset] | None = None,
) -> dict[str, JsonValue]:
    """The value of every input, in the order of the spec; None if it has no value.

    Args:
        given: Values by name; paths of files are relative to the current folder.
        folder: The folder of the spec, which file defaults are relative to and may not leave;
            None if it is not at hand, as on a worker.
        paths: Files may be paths; False for values from a deployment or the web.
        files: Assets by the path in a default, if the folder is not available.

    Raises:
        SpecError: A name is unknown, a value is missing or does not fit; all mistakes at once.
    """
    problems = [_unknown(str(name), workflow) for name in given if name not in workflow.inputs]
    values: dict[str, JsonValue] = {}
    for name, declared in workflow.inputs.items():
        own = given.get(name) is not None
        value = given[name] if own else declared.default
        if value is None:
            values[name] = None
            if declared.required:
                hint = f"give it with `-i {name}=VALUE`; {hint_for(declared)}"
                message = f"the input {name!r} is required"
                problems.append(_problem("missing-input", message, hint))
            continue
        try:
            if own:
                values[name] = fit(declared, value, root=Path() if paths else None)
            elif files is None:
                values[name] = fit(declared, value, root=folder, inside=True)
            else:
                values[name] = _stored_default(declared, value, files)
        except TableError as error:
            problems += error.problems
        except ValueError as error:
            message = f"{name}: {error}"
            fix = hint_of(error, declared, value, paths=paths or not own)
            problems.append(_problem("wrong-input", message, fix))
    if problems:
        raise SpecError(tuple(problems))
    return values


def _stored_default(declared: Input, default: Any, files: Mapping[str, Asset]) -> Any:
    """A default whose files are stored assets."""

    def take_asset(_: Input, value: Any) -> Any:
        return files.get(written_path(value) or "") or value

    return fit(declared, change_files(declared, default, take_asset))


_EXPECTED = {
    "string": "text",
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
    "map": "a map",
    "date": "a date such as 2026-11-08",
}


def _convert(declared: Input, value: Any, root: Path | None, inside: bool) -> Any:
    match declared.type, value:
        case "string" | "text", str():
            if declared.type == "string" and "\n" in value.strip("\n"):
                raise ValueError("expected one line; an input of type text takes several")
            return value
        case "boolean", bool():
            return value
        case "number", int() | float() if is_number(value) and abs(value) < math.inf:
            return value
        case "integer", int() | float() if is_number(value) and value % 1 == 0:
            return int(value)
        case "list", list() | tuple():
            return _members(declared, value, root, inside)
        case "map", Mapping():
            return _fields(declared, value, root, inside)
        case "date", datetime.date() if not isinstance(value, datetime.datetime):
            return value.isoformat()
        case "date", str():
            with suppress(ValueError):
                return datetime.date.fromisoformat(value).isoformat()
        case "enum", _:
            for choice in declared.values:
                if choice == value and isinstance(choice, bool) is isinstance(value, bool):
                    return choice
            raise ValueError(
                f"{preview(value)} is not one of {', '.join(map(str, declared.values))}"
            )
        case "secret", _:
            # The value may be the secret itself, so it is not shown.
            unnamed = "name the secret instead of writing its value: env:NAME or block:NAME"
            if reason := refusal(value) if is_secret_name(value) else unnamed:
                raise ValueError(reason)
            return value
        case "file", Asset():  # stored before, for another run
            return value.as_json()
        case "file", _:
            return resolve(value, kind=declared.kind, root=root, inside=inside)
    raise ValueError(f"expected {_EXPECTED[declared.type]}, not {preview(value)}")


def _members(declared: Input, value: Sequence[Any], root: Path | None, inside: bool) -> list[Any]:
    if declared.of is None:
        plain: list[Any] = to_jsonable_python(list(value))  # of Python, also tuples and dates
        return plain
    member, fitted = declared.member, []
    for index, part in enumerate(value):
        try:
            fitted.append(_convert(member, part, root, inside))
        except ValueError as error:
            raise MisfitError(f"item {index + 1}", error, index, member, part) from error
    return fitted


def _fields(
    declared: Input, value: Mapping[str, Any], root: Path | None, inside: bool
) -> dict[str, Any]:
    """A map with each field that it may have; null are those that were left out."""
    fields = declared.fields
    for name in value:
        if name not in fields and not str(name).startswith(NOTE):
            hint = suggest(str(name), fields)
            raise MisfitError(
                "", ValueError(f"unknown field {preview(name)}"), str(name), hint=hint
            )
    fitted = dict[str, Any]()
    for name, field in fields.items():
        part = field.default if value.get(name) is None else value[name]
        if part is None:
            if field.required:
                raise MisfitError("", ValueError(f"the field {name!r} is missing"), name, field)
            fitted[name] = None
            continue
        try:
            fitted[name] = _fit(field, part, root, inside)
        except ValueError as error:
            raise MisfitError(name, error, name, field, part) from error
    return fitted


class MisfitError(ValueError):
    """A part of a value does not fit; `at` is its place, and `hint` says what to write there."""

    def __init__(
        self,
        where: str,
        error: ValueError,
        at: str | int,
        declared: Input | None = None,
        value: Any = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(f"{where}: {error}" if where else str(error))
        self.at: tuple[str | int, ...] = (at, *place_of(error))
        self.hint = hint or (None if declared is None else hint_of(error, declared, value))


def place_of(error: ValueError) -> tuple[str | int, ...]:
    """Where in a value the part is that does not fit."""
    return error.at if isinstance(error, MisfitError) else ()


def hint_of(error: ValueError, declared: Input, value: Any = None, *, paths: bool = True) -> str:
    """A hint about the value, or the part of it, that does not fit."""
    own = error.hint if isinstance(error, MisfitError) else None
    return own or hint_for(declared, value, paths=paths)


class TableError(ValueError):
    """A file with rows has mistakes."""

    def __init__(self, problems: Sequence[Diagnostic]) -> None:
        self.problems = tuple(sorted(problems)[:MAX_PROBLEMS])
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{self.problems[0]}{more}")


def _read_file(declared: Input, written: str, root: Path, inside: bool) -> Any:
    """The rows, or the map, in a file that a value names: `products.csv`, or `@products.csv` as in a shell."""
    named = Path(written.strip().removeprefix("@")).expanduser()
    path = (root / named).resolve()
    if inside and not path.is_relative_to(root.resolve()):
        raise ValueError(f"{preview(written)} is outside the folder of the spec")
    if not path.is_file():
        raise ValueError(f"there is no file {str(named)!r:.200}")
    text = read_text(path, source.MAX_BYTES, label=str(named))
    return rows_from(declared, text, file=str(named), beside=named.parent, root=root, inside=inside)


def rows_from(
    declared: Input,
    text: str,
    *,
    file: str,
    beside: PurePath,
    root: Path | None,
    inside: bool = False,
) -> Any:
    """The rows, or the map, in the text of a CSV, JSON or YAML file, with its paths as if `root` had them.

    Args:
        file: Its name, which says what it is.
        beside: Its folder, where its paths begin, from `root`.
        root: None: whether its files are there is not checked.

    Raises:
        TableError: All that is wrong, each at its line and column.
    """
    suffix = PurePath(file).suffix.lower()
    if suffix not in (*SUFFIXES, ".json", ".yaml", ".yml"):
        raise ValueError(f"{preview(file)} is no CSV, JSON or YAML file by its name")
    if suffix in SUFFIXES and declared.type == "map":
        raise ValueError(
            f"{preview(file)} has rows, and this takes one map: write it in JSON or YAML"
        )
    moved = paths_from(beside)
    if suffix in SUFFIXES:
        fields = declared.fields
        table = Table(text, file=file, names=fields, what="field")
        rows = []
        for record in () if table.problems else table.records():
            values, _ = read_row(table, record, fields, root=root, inside=inside, change=moved)
            rows.append(values)
        if table.problems:
            raise TableError(table.problems)
        return rows
    report = DiagnosticCollector(file, text)
    text = text.removeprefix("\ufeff")
    in_yaml = _JSON_ESCAPE.sub(_as_in_yaml, text) if suffix == ".json" else text
    report.root, mistakes = source.read(in_yaml)
    report.add_located(mistakes)
    value = report.root and tree.plain(report.root)
    if not mistakes:
        with suppress(ValueError):  # a line separator inside quotes is a character in JSON
            value = json.loads(text, parse_constant=_refuse)
    value = change_files(declared, value, moved)
    most = most_rows(declared.fields)
    if isinstance(value, list) and len(value) > most:
        report.add((most,), "too-many-rows", too_many(most))
    if not report.diagnostics and not (root is None and declared.has_files):
        try:
            _convert(declared, value, root, inside)
        except ValueError as error:
            hint = hint_of(error, declared, value)
            report.add(place_of(error), "wrong-input", str(error), hint)
    if report.diagnostics:
        raise TableError(report.diagnostics)
    return value


def paths_from(folder: PurePath) -> Change:
    """Makes a path that begins in this folder one that begins where the folder's own path does."""

    def move(_: Input, value: Any) -> Any:
        path = None if isinstance(value, str) and is_uploaded(value) else written_path(value)
        return value if path is None or path.startswith("~") else str(folder / path)

    return move


_JSON_ESCAPE = re.compile(
    r"\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|.)", re.IGNORECASE | re.DOTALL
)


def _as_in_yaml(escape: re.Match[str]) -> str:
    """A pair of escapes, with which JSON writes one character, as YAML writes it."""
    if escape[1] is None:
        return escape[0]
    high, low = int(escape[1], 16), int(escape[2], 16)
    return f"\\U{0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF):08X}"


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def read_row(
    table: Table,
    record: Record,
    fields: Mapping[str, Input],
    *,
    given: Mapping[str, Any] | None = None,
    root: Path | None,
    inside: bool = False,
    change: Change = lambda _, value: value,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of a record, each read by the type of its field, and the same values as expressions see them.

    What is wrong is added to the table. An empty cell leaves a field to `given`, else to its default.

    Args:
        root: As for `fit`; None: files are not looked at.
        change: Of each file.
    """
    values, fitted, wrong = dict(given or {}), dict[str, Any](), set[str]()
    for name, text in record.cells.items():
        if name in fields and text.strip():
            try:
                values[name] = change_files(fields[name], _read(fields[name], text), change)
            except ValueError as error:
                hint = hint_for(fields[name])
                table.add_at(record.line, name, "wrong-input", f"{name}: {error}", hint)
                values.pop(name, None)
                wrong.add(name)
    for name, declared in fields.items():
        if values.get(name) is None:
            if declared.required and declared.default is None and name not in wrong:
                message = f"missing {table.what} {name!r}"
                table.add_at(record.line, name, "missing-input", message, hint_for(declared))
        elif root is not None or not declared.has_files:
            try:
                fitted[name] = _fit(declared, values[name], root, inside)
            except ValueError as error:
                hint = hint_of(error, declared, values[name])
                table.add_at(record.line, name, "wrong-input", f"{name}: {error}", hint)
    return values, fitted


def _check_bounds(declared: Input, value: Any) -> None:
    if declared.type not in SIZED:
        return
    measured = value if isinstance(value, int | float) else len(value)
    what = {"list": "items", "integer": "", "number": ""}.get(declared.type, "characters")
    measure = f"{measured:,} {what.removesuffix('s') if measured == 1 else what}".strip()
    if declared.min is not None and measured < declared.min:
        raise ValueError(f"{measure} is less than {declared.min:g}")
    if declared.max is not None and measured > declared.max:
        raise ValueError(f"{measure} is more than {declared.max:g}")
    if declared.pattern is None:
        return
    texts = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    most = MAX_PATTERN_WORK // max(1, parts_of(declared.pattern))
    if (size := sum(map(len, texts))) > most:
        raise ValueError(f"{size:,} characters are more than {most:,}, which its pattern allows")
    for text in texts:
        if not matches(declared.pattern, text):
            raise ValueError(
                f"{preview(text)} does not match the pattern {preview(declared.pattern)}"
            )


def hint_for(declared: Input, value: object = None, *, paths: bool = True) -> str:
    """A hint for an input, about the value that does not fit; with `paths` a file may be a path."""
    bounds = _bounds(declared)
    match declared.type:
        case "string" | "text":
            of = f" of {bounds} characters" if bounds else ""
            if declared.pattern is not None:
                of += f" that matches {declared.pattern:.60}"
            return f"write text{of}" if of else "write text, in quotes"
        case "enum":
            choices = [str(one) for one in declared.values]
            near = None if value is None else nearest(str(value), choices)
            of = f"did you mean {near!r}? one of" if near else "one of"
            return f"{of}: {', '.join(choices)}"
        case "integer" | "number":
            what = "a whole number" if declared.type == "integer" else "a number"
            return f"write {what}{bounds and f' of {bounds}'}, without quotes"
        case "list" if declared.is_table:
            return f"write [{_example(declared)}], or the path of a CSV, JSON or YAML file"
        case "list":
            return f"write [first, second]{bounds and f', {bounds} items'}"
        case "map":
            return f"write {_example(declared)}, or the path of a JSON or YAML file"
        case "boolean":
            return "write true or false"
        case "date":
            return "write it as YYYY-MM-DD"
        case "file":
            where = "path or URL" if paths else "URL"
            media = an(f"{declared.kind or 'media'} file")
            return f"give the {where} of {media}, or the id of an upload"
        case "secret":
            return "write env:NAME for an environment variable, or block:NAME"


def _example(declared: Input) -> str:
    names = [f"{name}: …" for name in declared.fields]
    return f"{{{', '.join(names[:_SHOWN_FIELDS])}{', …' if len(names) > _SHOWN_FIELDS else ''}}}"


def _bounds(declared: Input) -> str:
    least, most = declared.min, declared.max
    if declared.type not in SIZED or (least is None and most is None):
        return ""
    if least is None or most is None:
        return f"at most {most:g}" if least is None else f"at least {least:g}"
    return f"{least:g} to {most:g}"


def parse_assignments(assignments: Iterable[str], workflow: Workflow) -> dict[str, JsonValue]:
    """The values of ``name=value`` texts, each read as YAML against the type of its input.

    A text stays as written (`-i size=9:16`, `-i code=012`) unless it is quoted.

    Raises:
        SpecError: A text has no ``=``, names an unknown input, or is neither UTF-8 nor YAML.
    """
    values: dict[str, JsonValue] = {}
    problems: list[Diagnostic] = []
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        declared = workflow.inputs.get(name.strip())
        if not equals:
            message = f"{preview(assignment)} has no '='"
            problems.append(_problem("wrong-input", message, "write NAME=VALUE"))
        elif any("\ud800" <= letter <= "\udfff" for letter in text):  # bytes that are no text
            message = f"{name}: {preview(text)} is not UTF-8 text"
            problems.append(_problem("wrong-input", message, "set the terminal to UTF-8"))
        elif declared is None:
            problems.append(_unknown(name, workflow))
        else:
            try:
                values[name.strip()] = _read(declared, text)
            except ValueError as error:
                problems.append(_problem("wrong-input", f"{name}: {error}", hint_for(declared)))
    if problems:
        raise SpecError(tuple(problems))
    return values


def read_values(text: str, *, file: str) -> dict[str, JsonValue]:
    """The values of an inputs file, YAML or JSON; raises `SpecError` if it is not one, or no map."""
    report = DiagnosticCollector(file, text)
    hint = "write `name: value` lines"
    node = report.read_map("not-inputs", "the file is not a map of inputs", hint)
    if report.diagnostics or node is None:
        raise SpecError(report.diagnostics)
    values: dict[str, JsonValue] = tree.plain(node)
    return values


def _problem(code: str, message: str, hint: str | None) -> Diagnostic:
    return Diagnostic(code, message, hint, file=_GIVEN)


def _unknown(name: str, workflow: Workflow) -> Diagnostic:
    hint = suggest(name.strip(), workflow.inputs) or "the spec has no inputs"
    return _problem("unknown-input", f"unknown input {preview(name)}", hint)


def _read(declared: Input, text: str) -> Any:
    if declared.type in ("string", "text", "file", "secret", "date"):
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
        return _yaml(text, ()) if quoted else text
    if declared.is_table and text.lstrip()[:1] not in "[{":
        return text  # the path of a file
    value = _yaml(text, (declared.of,) if declared.type == "list" else ())
    if declared.type == "enum" and value not in declared.values:
        return text
    if declared.type == "list" and isinstance(value, str):
        raise ValueError(f"expected a list, not {preview(text)}")
    return value


def _yaml(text: str, members: tuple[str | None, ...]) -> Any:
    node, mistakes = source.read(text)
    if mistakes:
        raise ValueError(f"{preview(text)} is not YAML: {mistakes[0].message}")
    if node is None:
        return ""
    if isinstance(node, tree.Sequence) and members and members[0] in (None, *_TEXTUAL):
        return [
            text[member.mark.index : member.end].strip()
            if isinstance(member, tree.Scalar) and not isinstance(member.value, str)
            else tree.plain(member)
            for member in node.members
        ]
    return tree.plain(node)


MAX_PATTERN = 1_000

MAX_PATTERN_PARTS = 1_000
"""Characters and classes of one pattern, each as often as it may be repeated by a count."""

MAX_PARTS_OF_ALL = 2_000
"""Of all patterns of a spec together."""

MAX_PATTERN_WORK = 1_000_000
"""Parts of a pattern times characters of a value. The engine may try each part at each character."""

_PARSER: Any = import_module("re._parser")  # of Python's `re`; its types know no such module
_OF_WORDS = 10  # what `\w` weighs: the engine makes hundreds of ranges of it


def pattern_error(pattern: str) -> str | None:
    """Why a pattern is not valid, or None."""
    if len(pattern) > MAX_PATTERN:
        return f"it has more than {MAX_PATTERN:,} characters"
    try:
        with warnings.catch_warnings():
            # Python warns of patterns that may change their meaning, such as `[[a]`.
            warnings.simplefilter("error", FutureWarning)
            re.compile(pattern)
        if parts_of(pattern) > MAX_PATTERN_PARTS:
            return "it repeats too much"
        _matcher(pattern)
    except (re.error, OverflowError, RecursionError, FutureWarning) as error:
        return str(error)
    except SchemaError as error:
        if "size limit" in str(error):
            return "it repeats too much"
        # The engine shows the pattern first; the last line has the error.
        return str(error).strip().rpartition("\n")[2].removeprefix("error: ")
    return None


@lru_cache(maxsize=256)
def parts_of(pattern: str) -> int:
    """How many parts a pattern has that Python can read, see `MAX_PATTERN_PARTS`."""
    return _parts(_PARSER.parse(pattern))


def _parts(tree: Any) -> int:
    count = 0
    for name, inner in tree:
        kind = str(name)
        if kind.endswith("REPEAT"):  # also the lazy and the possessive one
            least, most, repeated = inner
            often = least if most == _PARSER.MAXREPEAT else most
            count += int(max(often, 1)) * max(_parts(repeated), 1)
        elif kind == "IN":
            count += _OF_WORDS if any(str(one).endswith("WORD") for _, one in inner) else 1
        elif kind == "BRANCH":
            count += sum(map(_parts, inner[1]))
        else:
            nested = inner if isinstance(inner, tuple) else (inner,)
            count += sum(_parts(one) for one in nested if isinstance(one, _PARSER.SubPattern)) or 1
    return count


def matches(pattern: str, text: str) -> bool:
    """Whether a valid pattern matches a whole text."""
    try:
        _matcher(pattern).validate_python(text)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> SchemaValidator:
    whole = rf"\A(?:{pattern})\z"
    return SchemaValidator(core_schema.str_schema(pattern=whole, regex_engine="rust-regex"))


KEY_BLOCK = "rivya-api-key"
"""Name of the Prefect `Secret` block that holds the key where no setting does."""

_NAME = re.compile(r"(?:env:[A-Za-z_][A-Za-z0-9_]*|block:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)?)")
_OURS = ("rivya_", "prefect_")

RESERVED_HINT = "use another name, such as env:HOOK_URL"


def names_secret(value: Any) -> bool:
    """Whether a value looks like the name of a secret, valid or not."""
    return isinstance(value, str) and value.startswith(("env:", "block:"))


def is_secret_name(value: Any) -> bool:
    """Whether it names a secret: ``env:NAME`` or ``block:NAME``."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def refusal(value: Any) -> str | None:
    """Why this secret is reserved, or None: as a URL or a signing secret it would leave the machine."""
    if not names_secret(value):
        return None
    kind, _, name = value.partition(":")
    # Settings are read without regard to case.
    name = name.strip().lower()
    if kind == "env" and name.startswith(_OURS):
        return f"{preview(value)}: variables of rivya-flows and Prefect cannot be used as secrets"
    if kind == "block" and name.removeprefix("secret/") == KEY_BLOCK:
        return f"{preview(value)}: the block with the API key cannot be used as a secret"
    return None
