"""docs/reference/errors.md: the index of codes, exceptions and statuses; and what `explain` prints of it."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator, Sequence

from reference_tables import ABSTRACT, PAGES, ROOT, first_line, table

import rivya_client.errors
import rivya_flows
from rivya_client.errors import CLASS_OF_STATUS
from rivya_flows import errors
from rivya_flows.cli import failures

CODES = ROOT / "src" / "rivya_flows" / "error_codes.json"
_PAGE = PAGES / "errors.md"
_SECTION = re.compile(r"^### `([a-z-]+)`\n\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```\w+ ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ITEM_ROW = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)
_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
_INTERNAL = {"ExpressionError", "InferenceError", "MissingError", "LimitError", "UsesNull"}
"""What no caller sees: a diagnostic, or the reason of an item, has its words."""
_NO_EXCEPTION = {
    "unexpected": "An exception that is a bug. Exit code 1.",
    "machine": "The machine refused something, such as a file on a full disk. Exit code 2.",
    "interrupted": "Ctrl-C or a signal ended the command. Exit code 130.",
}
_OURS = ("rivya_client.", "rivya_flows.")
_NEVER_ENDS = ("rivya_flows.flows.", "rivya_flows.engine.", "rivya_client.webhook_signatures")
"""Modules with exceptions that end no command: an item or a flow run fails, or a delivery."""


def index() -> str:
    """Every diagnostic by topic."""
    parts = []
    for topic in re.split(r"^## ", _PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title, _, text = topic.partition("\n")
        codes = [f"[`{code}`](#{code})" for code, _ in _SECTION.findall(text)]
        if codes:
            anchor = title.lower().replace(" ", "-")
            parts.append(f"**[{title}](#{anchor})**: {', '.join(codes)}\n")
    return "\n".join(parts)


def _meaning(section: str) -> str:
    return _LINK.sub(r"\1", " ".join(section.partition("\n\n")[0].split()))


def exceptions() -> str:
    """Every exception that reaches a caller: what it derives from, code of JSON, and exit code."""
    rows = []
    for kind, level in _tree(errors.RivyaError):
        module = "rivya_flows" if kind.__name__ in rivya_flows.__all__ else kind.__module__
        code = (
            "that of the service" if issubclass(kind, errors.APIStatusError) else f"`{kind.code}`"
        )
        name = "· " * level + f"`{kind.__name__}`"
        rows.append((name, first_line(kind), code, _exit_code(kind), f"`{module}`"))
    return table(("exception", "meaning", "`error.code`", "exit code", "import from"), rows)


def statuses() -> str:
    """Each status with its class, and what to do about the codes of the service."""
    rows = [
        (str(status), f"`{kind.__name__}`", first_line(kind).partition(": ")[2])
        for status, kind in CLASS_OF_STATUS.items()
    ]
    above = errors.InternalServerError
    rows.append(("500 and above", f"`{above.__name__}`", first_line(above).partition(": ")[2]))
    rows.append(("any other", "`APIStatusError`", "the service refused the request."))
    advice = [(f"`{code}`", f"{_capital(text)}.") for code, text in errors.ADVICE.items()]
    return (
        table(("status", "class", "meaning"), rows)
        + "\n"
        + table(("`code` of the service", "what to do"), advice)
    )


def _tree(kind: type[errors.RivyaError]) -> Iterator[tuple[type[errors.RivyaError], int]]:
    _import_all()
    waiting: list[tuple[type[errors.RivyaError], int]] = [(kind, 0)]
    while waiting:
        found, level = waiting.pop()
        private = found.__name__ == ABSTRACT
        if not private:
            yield found, level
        below = [one for one in _below(found) if one.__name__ not in _INTERNAL]
        # In the order of the source, so that the table does not depend on what was imported first.
        waiting += [(one, level + (not private)) for one in reversed(below)]


def _below(kind: type[errors.RivyaError]) -> Sequence[type[errors.RivyaError]]:
    known = [*vars(rivya_client.errors), *vars(errors)]
    place = {name: number for number, name in enumerate(known)}
    below = (one for one in kind.__subclasses__() if one.__module__.startswith(_OURS))
    return sorted(below, key=lambda one: (place.get(one.__name__, len(known)), one.__name__))


def _import_all() -> None:
    modules = [
        *pkgutil.walk_packages(rivya_client.__path__, "rivya_client."),
        *pkgutil.walk_packages(rivya_flows.__path__, "rivya_flows."),
    ]
    for found in modules:
        if re.search(r"^rivya_client\.|\.(callbacks|engine|flows|language)\b", found.name):
            importlib.import_module(found.name)


def _exit_code(kind: type[errors.RivyaError]) -> str:
    if kind.__module__.startswith(_NEVER_ENDS):
        return "–"
    made = kind.__new__(kind)
    if isinstance(made, errors.APIStatusError):
        made.status = next((s for s, one in CLASS_OF_STATUS.items() if one is kind), 500)
        made.code = "insufficient_credits" if made.status == 402 else ""
    return str(failures.exit_code(made))


def error_codes() -> str:
    """The file of `explain` and of `check --format sarif`: meaning, fix and example of each code of the page."""
    found: dict[str, dict[str, list[str]]] = {"diagnostics": {}, "errors": _errors()}
    for code, text in _SECTION.findall(_PAGE.read_text("utf-8")):
        fix = re.split(r"^Fix: ", text, maxsplit=1, flags=re.MULTILINE)[1]
        example = "\n".join(
            (f"{title}:\n" if title not in ("", "whole") else "") + content
            for title, content in _FENCE.findall(text)
        )
        found["diagnostics"][code] = [_meaning(text), _capital(_meaning(fix)), example]
    # One line a code, so that a diff shows which one has changed.
    parts = (
        f"{json.dumps(name)}: {{\n"
        + ",\n".join(
            f"{json.dumps(code)}: {json.dumps(text, ensure_ascii=False)}"
            for code, text in codes.items()
        )
        for name, codes in found.items()
    )
    return "{\n" + "\n},\n".join(parts) + "\n}\n}\n"


def _errors() -> dict[str, list[str]]:
    """Meaning and fix of each `error.code`, of the service's too, and of each code of an item."""
    found = {code: [text, ""] for code, text in _NO_EXCEPTION.items()}
    for kind, _ in _tree(errors.RivyaError):
        if kind is not errors.RivyaError and not issubclass(kind, errors.APIStatusError):
            number = _exit_code(kind)
            ends = f" Exit code {number}." if number != "–" else ""
            found.setdefault(kind.code, [first_line(kind) + ends, ""])
    for code, text in _ITEM_ROW.findall(_PAGE.read_text("utf-8").partition("\n## ")[0]):
        why, _, fix = _meaning(text).partition(": ")
        means = f"{found.get(code, [''])[0]} Of an item: {why}.".strip()
        found[code] = [means, fix and f"{_capital(fix)}."]
    for code, text in errors.ADVICE.items():
        found.setdefault(code, ["The service refused the request.", ""])[1] = f"{_capital(text)}."
    return dict(sorted(found.items()))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
