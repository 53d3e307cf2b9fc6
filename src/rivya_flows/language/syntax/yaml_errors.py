"""What a YAML parser complains about, in the words of a person who writes specs.

The parser tells where it gave up. What is wrong often stands before that place: a quote that is
never closed, a line that goes on with the text above it. So the last token before the place is
looked at too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.syntax.tree import Mark, diagnostic_at, lines_of

FLATTEN = "take some of the brackets or levels out"
TAGS = "take it out, or put a text that begins with ! in quotes"
QUOTES = 'inside { } and [ ] write "${{ … }}" with quotes'

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_SYNTAX = "yaml-syntax"
_IN_QUOTES = "put the text in quotes"
_NEIGHBOURS = "indent it as its neighbours"
_TYPOGRAPHIC = re.compile("[“”„‘’«»]")
_GLUED = re.compile(r"[ -]*([A-Za-z_][\w-]*):(?=[^\s/])")
_ASSIGNED = re.compile(r"[ -]*([A-Za-z_][\w-]*) *=")
_OPENERS = {"'}'": "{", "']'": "["}


@dataclass(frozen=True)
class _Complaint:
    """Where the parser gave up, and what it said.

    Attributes:
        mark: Where it gave up.
        context: Where what it was reading begins; the same as `mark` where it does not tell.
        problem: Its words.
        line: The line of `mark`.
        last: The last token before `mark`; None where there is none.
    """

    text: str
    mark: Mark
    context: Mark
    problem: str
    line: str
    last: yaml.Token | None

    @property
    def letter(self) -> str:
        return self.text[self.mark.index : self.mark.index + 1]

    @property
    def begins_line(self) -> bool:
        """Whether nothing but space stands before the place."""
        return not self.line[: self.mark.column].strip(" ")

    def line_at(self, mark: Mark) -> str:
        """The line from its first letter to its end."""
        lines = lines_of(self.text[mark.index - mark.column :])
        return lines[0] if lines else ""


def explain(text: str, error: yaml.YAMLError, *, max_depth: int) -> Diagnostic:
    """The parser's complaint about a text in plain words; its own words where nothing fits."""
    mark = _mark(getattr(error, "problem_mark", None)) or _mark(
        getattr(error, "context_mark", None)
    )
    mark = mark or Mark(0, 0, 0)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    if "nesting" in problem:
        return diagnostic_at(mark, "too-deep", f"nested more than {max_depth} levels deep", FLATTEN)
    lines = lines_of(text)
    context = _mark(getattr(error, "context_mark", None)) or mark
    line = lines[mark.line] if mark.line < len(lines) else ""
    complaint = _Complaint(text, mark, context, problem, line, _last_token(text, mark.index))
    if found := _bare_expression(complaint) or _tab(complaint):
        return found
    context_words = str(getattr(error, "context", None) or "")
    for words, reading in _READINGS:
        if (words in problem or words in context_words) and (found := reading(complaint)):
            return found
    told = f"{problem} ({context_words})" if context_words else problem
    hint = "look at this line and the one above: quotes, brackets and indentation"
    return diagnostic_at(mark, _SYNTAX, f"this is not YAML: {told}", hint)


def _bare_expression(at: _Complaint) -> Diagnostic | None:
    """An expression without quotes that the complaint is about."""
    line, column = at.line, at.mark.column
    found = line.rfind("${{", 0, column + len("${{"))
    found = line.find("${{") if found < 0 else found
    before = line[: max(found, 0)]
    if found < 0 or before.count('"') % 2 or before.count("'") % 2:
        return None
    in_flow = re.search(r"[\[{]", re.sub(r"\$\{\{.*?\}\}", "", before))
    if not in_flow and not found <= column <= found + len("${{"):
        return None
    mark = Mark(at.mark.line, found, at.mark.index - column + found)
    return diagnostic_at(
        mark, "unquoted-expression", "an expression inside { } or [ ] needs quotes", QUOTES
    )


def _tab(at: _Complaint) -> Diagnostic | None:
    line = at.line
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" not in indent and at.letter != "\t":
        return None
    column = line.index("\t")
    mark = Mark(at.mark.line, column, at.mark.index - at.mark.column + column)
    return diagnostic_at(mark, "tab", "a tab cannot indent in YAML", "use spaces")


def _unclosed_quote(at: _Complaint) -> Diagnostic | None:
    hint = f"end the text with {at.text[at.context.index]}"
    return diagnostic_at(at.context, _SYNTAX, "this quote is never closed", hint)


def _escape(at: _Complaint) -> Diagnostic | None:
    hint = "write \\\\ for a backslash, or put the text in single quotes"
    return diagnostic_at(at.mark, _SYNTAX, "a backslash in double quotes begins no sign here", hint)


def _after_value(at: _Complaint) -> Diagnostic | None:
    """Something after a quoted text, or after a list or map in brackets."""
    if at.letter in ("}", "]"):
        return diagnostic_at(at.mark, _SYNTAX, f"this {at.letter} closes nothing", "take it out")
    last = at.last
    if isinstance(last, yaml.ScalarToken) and last.style in ("'", '"'):
        begin = _mark(last.start_mark)
        if begin and last.end_mark and last.end_mark.line == at.mark.line:
            if begin.line < at.mark.line:
                message = f"the text that begins with a quote here ends in line {at.mark.line + 1}"
                return diagnostic_at(
                    begin, _SYNTAX, message, f"end it with {last.style} where it ends"
                )
            inside = "''" if last.style == "'" else '\\"'
            hint = f"write a quote inside the text as {inside}, or put all of it in quotes"
            return diagnostic_at(at.mark, _SYNTAX, "the text goes on after its closing quote", hint)
    if isinstance(last, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken) and (
        last.end_mark and last.end_mark.line == at.mark.line
    ):
        message = "the text goes on after its closing bracket"
        return diagnostic_at(at.mark, _SYNTAX, message, "put all of it in quotes")
    return None


def _expected_key(at: _Complaint) -> Diagnostic | None:
    if at.begins_line:
        message = "this line begins in a column where no line above it begins"
        return diagnostic_at(at.mark, _SYNTAX, message, _NEIGHBOURS)
    return diagnostic_at(at.mark, _SYNTAX, "a key is expected here", "write `key: value`")


def _open_bracket(at: _Complaint) -> Diagnostic | None:
    closer = at.problem[-3:]
    opener, end = _OPENERS.get(closer, "{"), closer.strip("'")
    if at.letter in ("}", "]"):
        message = f"{end} is missing before this {at.letter}"
        return diagnostic_at(at.mark, _SYNTAX, message, f"close the {opener} first")
    lost = at.mark.line > at.context.line and at.letter in ("", ":")
    if lost:
        return diagnostic_at(
            at.context, _SYNTAX, f"this {opener} is never closed", f"end it with {end}"
        )
    hint = f"put a comma between two entries, and {end} at the end"
    if at.letter == ":":
        hint = "put a comma between two entries, and quotes round a text that holds `: `"
    return diagnostic_at(at.mark, _SYNTAX, f"a comma or {end} is missing before this", hint)


def _colon(at: _Complaint) -> Diagnostic | None:
    """A colon inside a text, or in a line that goes on with the text above it."""
    begin = _mark(at.last.start_mark) if isinstance(at.last, yaml.ScalarToken) else None
    if begin and begin.line < at.mark.line:
        if glued := _glued(at, begin):
            return glued
        column = len(at.line) - len(at.line.lstrip())
        mark = Mark(at.mark.line, column, at.mark.index - at.mark.column + column)
        message = "this line is indented so that it goes on with the text above it"
        return diagnostic_at(mark, _SYNTAX, message, _NEIGHBOURS)
    hint = "a text that holds `: ` needs quotes"
    if _TYPOGRAPHIC.search(at.line):
        hint += ": \" or ', since “ and ” are letters like any other"
    return diagnostic_at(at.mark, _SYNTAX, "a colon stands where no key can be", hint)


def _no_colon(at: _Complaint) -> Diagnostic | None:
    if glued := _glued(at, at.context):
        return glued
    hint = "write `key: value`; a text over several lines begins with `|`"
    if assigned := _ASSIGNED.match(at.line_at(at.context)):
        hint = f"write `{assigned.group(1)[:60]}: …`"
    return diagnostic_at(at.context, _SYNTAX, "a key without a colon", hint)


def _glued(at: _Complaint, begin: Mark) -> Diagnostic | None:
    """A colon without a space after it, in the line where a text begins."""
    found = _GLUED.match(at.line_at(begin))
    if found is None:
        return None
    column = found.end() - 1
    mark = Mark(begin.line, column, begin.index - begin.column + column)
    hint = f"write `{found.group(1)[:60]}: …`"
    return diagnostic_at(mark, _SYNTAX, "there is no space after this colon", hint)


def _first_letter(at: _Complaint) -> Diagnostic | None:
    mark = at.context if at.problem.endswith("character") else at.mark
    letter = at.text[mark.index : mark.index + 1]
    return diagnostic_at(mark, _SYNTAX, f"{letter!r} cannot begin a text", _IN_QUOTES)


def _second_document(at: _Complaint) -> Diagnostic | None:
    if re.search(r"^\.\.\.", at.text[: at.mark.index], re.MULTILINE):
        return diagnostic_at(at.mark, _SYNTAX, "the spec ended before this line", "take `...` out")
    message = "this line is indented less than the first one"
    return diagnostic_at(at.mark, _SYNTAX, message, "begin both in the same column")


def _order(at: _Complaint) -> Diagnostic | None:
    mark = Mark(at.mark.line, 0, at.mark.index - at.mark.column)
    message = "a line that begins with % is an order to the parser"
    return diagnostic_at(mark, _SYNTAX, message, "take the % out")


def _block(at: _Complaint) -> Diagnostic | None:
    message = "nothing can stand here after | or >"
    return diagnostic_at(at.mark, _SYNTAX, message, "begin the text in the next line, indented")


def _tag(at: _Complaint) -> Diagnostic | None:
    return diagnostic_at(at.context, "tag", "a tag is not allowed", TAGS)


def _told(message: str, hint: str) -> Callable[[_Complaint], Diagnostic | None]:
    return lambda at: diagnostic_at(at.mark, _SYNTAX, message, hint)


_READINGS: tuple[tuple[str, Callable[[_Complaint], Diagnostic | None]], ...] = (
    ("found unexpected end of stream", _unclosed_quote),
    ("found unexpected document indicator", _unclosed_quote),
    ("unknown escape", _escape),
    ("did not find expected hexdecimal number", _escape),
    ("did not find expected key", _after_value),
    ("did not find expected key", _expected_key),
    ("did not find expected ',' or", _open_bracket),
    ("mapping values are not allowed", _colon),
    ("could not find expected ':'", _no_colon),
    ("cannot start any token", _first_letter),
    ("did not find expected node content", _first_letter),
    ("did not find expected alphabetic or numeric character", _first_letter),
    ("directive", _order),
    ("incompatible YAML document", _order),
    ("block scalar", _block),
    ("tag", _tag),
    ("mapping keys are not allowed", _first_letter),
    ("found unexpected ':'", _colon),
    ("did not find expected <document start>", _after_value),
    ("did not find expected <document start>", _second_document),
    ("did not find expected '-' indicator", _after_value),
    (
        "did not find expected '-' indicator",
        _told("a member of the list is expected here", "begin it with `- `, or indent the line"),
    ),
    (
        "block sequence entries are not allowed",
        _told("a list cannot begin here", "begin it in the next line, indented"),
    ),
)
"""How each complaint is read, the first that fits."""


def _last_token(text: str, index: int) -> yaml.Token | None:
    """The last token with text in it that ends before a place."""
    last = None
    loader = _LOADER(text)
    try:
        while loader.check_token():
            token = loader.get_token()
            if token.start_mark is None or token.start_mark.index >= index:
                break
            if token.end_mark and token.end_mark.index > token.start_mark.index:
                last = token
    except yaml.YAMLError:
        pass  # here the tokens end too
    finally:
        loader.dispose()
    return last


def _mark(mark: object) -> Mark | None:
    if mark is None:
        return None
    return Mark(mark.line, mark.column, mark.index)  # type: ignore[attr-defined]  # PyYAML's two kinds of mark share no type
