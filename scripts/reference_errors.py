"""docs/reference/errors.md: the index of codes, exceptions and statuses; and the codes of SARIF."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator, Sequence

from reference_tables import PAGES, ROOT, first_line, table

import rivya_flows
from rivya_flows import errors
from rivya_flows.cli import failures

CODES = ROOT / "src" / "rivya_flows" / "error_codes.json"
_PAGE = PAGES / "errors.md"
_SECTION = re.compile(r"^### `([a-z-]+)`\n\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
_INTERNAL = {"ExpressionError", "InferenceError", "MissingError", "LimitError", "UsesNull"}
"""What no caller sees: a diagnostic, or the reason of an item, has its words."""
_NEVER_ENDS = ("rivya_flows.flows.", "rivya_flows.tasks.", "rivya_flows.client.webhook_signatures")
"""Modules with exceptions that end no command: an item or a flow run fails, or a delivery."""


def index() -> str:
    """Every diagnostic with its first sentence, by topic."""
    parts = []
    for topic in re.split(r"^## ", _PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title, _, text = topic.partition("\n")
        rows = [(f"[`{code}`](#{code})", _meaning(told)) for code, told in _SECTION.findall(text)]
        if rows:
            anchor = title.lower().replace(" ", "-")
            parts.append(f"**[{title}](#{anchor})**\n\n{table(('code', 'meaning'), rows)}")
    return "\n".join(parts)


def _meaning(section: str) -> str:
    return _LINK.sub(r"\1", " ".join(section.partition("\n\n")[0].split()))


def exceptions() -> str:
    """Every exception that reaches a caller: what it derives from, code of JSON, and exit code."""
    rows = []
    for kind, level in _tree(errors.RivyaFlowsError):
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
        for status, kind in errors.CLASS_OF_STATUS.items()
    ]
    above = errors.InternalServerError
    rows.append(("500 and above", f"`{above.__name__}`", first_line(above).partition(": ")[2]))
    rows.append(("any other", "`APIStatusError`", "the service refused the request."))
    advice = [
        (f"`{code}`", f"{told[:1].upper()}{told[1:]}.") for code, told in errors.ADVICE.items()
    ]
    return (
        table(("status", "class", "meaning"), rows)
        + "\n"
        + table(("`code` of the service", "what to do"), advice)
    )


def _tree(kind: type[errors.RivyaFlowsError]) -> Iterator[tuple[type[errors.RivyaFlowsError], int]]:
    _import_all()
    waiting: list[tuple[type[errors.RivyaFlowsError], int]] = [(kind, 0)]
    while waiting:
        found, level = waiting.pop()
        private = found.__name__.startswith("_")
        if not private:
            yield found, level
        below = [one for one in _below(found) if one.__name__ not in _INTERNAL]
        # In the order of the source, so that the table does not depend on what was imported first.
        waiting += [(one, level + (not private)) for one in reversed(below)]


def _below(kind: type[errors.RivyaFlowsError]) -> Sequence[type[errors.RivyaFlowsError]]:
    known = list(vars(errors))
    place = {name: number for number, name in enumerate(known)}
    below = (one for one in kind.__subclasses__() if one.__module__.startswith("rivya_flows."))
    return sorted(below, key=lambda one: (place.get(one.__name__, len(known)), one.__name__))


def _import_all() -> None:
    for found in pkgutil.walk_packages(rivya_flows.__path__, "rivya_flows."):
        if re.search(r"\.(client|flows|language|tasks)\b", found.name):
            importlib.import_module(found.name)


def _exit_code(kind: type[errors.RivyaFlowsError]) -> str:
    if kind.__module__.startswith(_NEVER_ENDS):
        return "–"
    made = kind.__new__(kind)
    if isinstance(made, errors.APIStatusError):
        made.status = next((s for s, one in errors.CLASS_OF_STATUS.items() if one is kind), 500)
        made.code = "insufficient_credits" if made.status == 402 else ""
    return str(failures.exit_code(made))


def error_codes() -> str:
    """The file of `check --format sarif`: meaning and fix of each code, as docs/reference/errors.md has them."""
    codes: dict[str, list[str]] = {}
    for code, text in _SECTION.findall(_PAGE.read_text("utf-8")):
        fix = re.split(r"^Fix: ", text, maxsplit=1, flags=re.MULTILINE)[1]
        paragraphs = (" ".join(part.partition("\n\n")[0].split()) for part in (text, fix))
        codes[code] = [_LINK.sub(r"\1", part) for part in paragraphs]
        codes[code][1] = codes[code][1][:1].upper() + codes[code][1][1:]
    # One line a code, so that a diff shows which one has changed.
    lines = (
        f"{json.dumps(code)}: {json.dumps(told, ensure_ascii=False)}"
        for code, told in codes.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"
