"""What `check` finds, as GitHub and tools for code analysis read it.

Sources: GitHub's docs, "Workflow commands"; SARIF 2.1.0 (OASIS), sections 3.4, 3.19, 3.27, 3.55.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.printable import one_line
from rivya_flows.version import __version__

Level = Literal["error", "warning"]

_CODES = Path(__file__).with_name("error_codes.json")
"""What docs/reference/errors.md says of each code: its meaning and its fix. `scripts/reference` writes it."""


def github_command(problem: Diagnostic, level: Level = "error") -> str:
    """A mistake as a workflow command, which GitHub shows at its line."""
    place = {"file": _from_here(problem.file)}
    if problem.line:
        place |= {"line": str(problem.line), "col": str(problem.column)}
    place["title"] = problem.code
    properties = ",".join(
        f"{key}={_in_data(value).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in place.items()
    )
    words = [problem.message, *([f"hint: {problem.hint}"] if problem.hint else [])]
    return f"::{level} {properties}::{_in_data(chr(10).join(words))}"


def _in_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def sarif(problems: Sequence[Diagnostic], warnings: Sequence[Diagnostic] = ()) -> dict[str, Any]:
    """The mistakes as one SARIF 2.1.0 log; paths are relative to the current folder."""
    found: list[tuple[Diagnostic, Level]] = [(one, "error") for one in problems]
    found += [(one, "warning") for one in warnings]
    codes = list(dict.fromkeys(problem.code for problem, _ in found))
    driver = {
        "name": "rivya-flows",
        "version": __version__,
        "rules": _rules(codes),
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, codes.index(one.code), level) for one, level in found],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return {"$schema": schema, "version": "2.1.0", "runs": [run]}


def _rules(codes: Sequence[str]) -> list[dict[str, Any]]:
    known = json.loads(_CODES.read_text("utf-8"))
    rules = []
    for code in codes:
        means, fix = known.get(code, (code, "See the message."))
        rules.append({"id": code, "shortDescription": {"text": means}, "help": {"text": fix}})
    return rules


def _result(problem: Diagnostic, index: int, level: Level) -> dict[str, Any]:
    words = problem.message + (f" ({problem.hint})" if problem.hint else "")
    where = {"artifactLocation": _location(problem.file)}
    place = where | ({"region": _region(problem.line, problem.column)} if problem.line else {})
    result = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": level,
        "message": {"text": one_line(words)},
        "locations": [{"physicalLocation": place}],
    }
    if fix := problem.fix:
        region = _region(problem.line, fix.column) | {"endColumn": fix.column + fix.end - fix.start}
        change = {"deletedRegion": region, "insertedContent": {"text": fix.text}}
        changes = [where | {"replacements": [change]}]
        words = f"Write {fix.words}."
        result["fixes"] = [{"description": {"text": words}, "artifactChanges": changes}]
    return result


def _region(line: int, column: int) -> dict[str, int]:
    return {"startLine": line, "startColumn": max(column, 1)}


def _location(file: str) -> dict[str, str]:
    path = _from_here(file)
    if Path(path).is_absolute():
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(Path(path).as_posix()), "uriBaseId": "%SRCROOT%"}


def _from_here(file: str) -> str:
    """The path from the current folder, without `..`; an absolute one outside of it."""
    path = Path.cwd() / file
    normal = Path(os.path.normpath(path))
    return str(normal.relative_to(Path.cwd()) if normal.is_relative_to(Path.cwd()) else normal)
