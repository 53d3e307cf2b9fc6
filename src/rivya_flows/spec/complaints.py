"""What a YAML parser complains about, in the words of a person who writes specs."""

from __future__ import annotations

import re

import yaml

from rivya_flows.spec.tree import Fault, Mark, lines_of

QUOTES = 'inside { } and [ ] write "${{ … }}" with quotes'


def explain(text: str, error: yaml.YAMLError, *, max_depth: int) -> Fault:
    """A fault for the parser's complaint about a text; its own words where nothing fits."""
    at = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    mark = Mark(at.line, at.column, at.index) if at else Mark(0, 0, 0)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    lines = lines_of(text)
    line = lines[mark.line] if mark.line < len(lines) else ""
    bare = _bare_expression(line, mark.column)
    if bare is not None:
        begin = mark.index - mark.column + bare
        message = "an expression inside { } or [ ] needs quotes"
        return Fault(Mark(mark.line, bare, begin), "unquoted-expression", message, QUOTES)
    if line[: len(line) - len(line.lstrip())].find("\t") >= 0 or line[mark.column :][:1] == "\t":
        column = line.index("\t")
        begin = mark.index - mark.column + column
        message = "a tab cannot indent in YAML"
        return Fault(Mark(mark.line, column, begin), "tab", message, "use spaces")
    if "mapping values are not allowed" in problem:
        hint = "a text that holds `: ` needs quotes; check also that the line is indented as its neighbours"
        return Fault(mark, "yaml-syntax", "a colon stands where no key can be", hint)
    if "could not find expected ':'" in problem:
        hint = "write `key: value`; a text over several lines begins with `|`"
        return Fault(mark, "yaml-syntax", "a key without a colon", hint)
    if "cannot start any token" in problem:
        hint = "put the text in quotes"
        return Fault(mark, "yaml-syntax", f"{line[mark.column :][:1]!r} cannot begin a text", hint)
    if "did not find expected key" in problem:
        hint = "check its indentation, and that a text which begins with a quote ends with it"
        return Fault(mark, "yaml-syntax", "a key is expected here", hint)
    if "nesting" in problem:
        return Fault(mark, "too-deep", f"nested more than {max_depth} levels deep")
    context = getattr(error, "context", None)
    told = f"{problem} ({context})" if context else problem
    return Fault(mark, "yaml-syntax", f"this is not YAML: {told}", None)


def _bare_expression(line: str, column: int) -> int | None:
    """Where an expression without quotes stands that the complaint at `column` is about."""
    found = line.rfind("${{", 0, column + len("${{"))
    found = line.find("${{") if found < 0 else found
    before = line[: max(found, 0)]
    quoted = before.count('"') % 2 or before.count("'") % 2
    if found < 0 or quoted:
        return None
    in_flow = re.search(r"[\[{]", re.sub(r"\$\{\{.*?\}\}", "", before))
    return found if in_flow or found <= column <= found + len("${{") else None
