"""docs/reference/settings.md: the settings, and other variables that the source reads."""

from __future__ import annotations

import re

from pydantic.fields import FieldInfo
from reference_tables import ROOT, in_one_line, package, table

from rivya_flows import folder_settings, settings as source


def settings() -> str:
    """A table for each topic, in the order of the source."""
    parts = []
    for topic, names in _topics().items():
        rows = [_row(name) for name in names]
        head = ("setting", "takes", "default", "in `.env`", "what it is for")
        parts.append(f"### {topic}\n\n{table(head, rows)}")
    return "\n".join(parts)


def _topics() -> dict[str, list[str]]:
    """Fields by the comment `# Topic:` above them."""
    lines = (ROOT / "src" / "rivya_flows" / "settings.py").read_text("utf-8").splitlines()
    starts = [
        (number, text.partition("# Topic: ")[2])
        for number, text in enumerate(lines, 1)
        if "# Topic: " in text
    ]
    found: dict[str, list[str]] = {topic: [] for _, topic in starts}
    for name in source.Settings.model_fields:
        at = package()["settings.Settings"][name].lineno
        found[[topic for number, topic in starts if number < at][-1]].append(name)
    return found


def _row(name: str) -> tuple[str, ...]:
    field = source.Settings.model_fields[name]
    text = package()["settings.Settings"][name].docstring
    if text is None:
        raise ValueError(f"{name}: the field has no docstring below it")
    return (
        f"`{name.upper()}`",
        source.takes(name),
        _default(field),
        _in_folder(name),
        _text(text.value),
    )


def _text(docstring: str) -> str:
    return re.sub(r"\bNone\b", "Not set", in_one_line(docstring))


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return "not set"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return f"`{str(field.default).removesuffix('.0')}`"


def _in_folder(name: str) -> str:
    if name in folder_settings.OF_THE_FOLDER:
        return "counts with a key beside it" if name == "rivya_base_url" else "counts"
    if name in folder_settings.NEVER_OF_THE_FOLDER:
        return "an error"
    return "an error" if name.startswith("prefect_") else "ignored"


def variables_in_source() -> set[str]:
    """Each `RIVYA_…` that the code of either distribution names."""
    found: set[str] = set()
    for folder in ("src/rivya_flows", "flows", "tasks", "packages"):
        for path in (ROOT / folder).rglob("*.py"):
            found |= set(re.findall(r"\b_?RIVYA_[A-Z0-9_]*[A-Z0-9]\b", path.read_text("utf-8")))
    return found
