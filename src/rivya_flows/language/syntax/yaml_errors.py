"""Errors of the YAML parser in the terms of a spec author.

The parser reports where it stopped. The mistake is often before that place: a quote that is never
closed, a line that continues the text above it. So the last token before the place is used too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import yaml

from rivya_flows.diagnostics import Diagnostic, Fix
from rivya_flows.language.syntax.tree import BREAK, Mark, diagnostic_at, lines_of
from rivya_flows.language.wording import cut

FLATTEN = "remove some brackets or levels"
TAGS = "remove it, or quote text that starts with !"
QUOTES = 'inside { } and [ ] write "${{ … }}" with quotes'

BARE = "an expression inside { } or [ ] needs quotes"
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}")

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_SYNTAX = "yaml-syntax"
_NEIGHBOURS = "align it with the lines around it"
_TYPOGRAPHIC = re.compile("[“”„‘’«»]")
_GLUED = re.compile(r"[ -]*([A-Za-z_][\w-]*):(?=[^\s/])")
_ASSIGNED = re.compile(r"[ -]*([A-Za-z_][\w-]*) *=")
_OPENERS = {"'}'": "{", "']'": "["}


@dataclass(frozen=True)
class _ParserError:
    """Where the parser stopped, and its message.

    Attributes:
        mark: Where it stopped.
        context: Where the value that it was reading starts; `mark` if unknown.
        problem: Its message.
        line: The line of `mark`.
        last: The last token before `mark`, or None.
    """

    text: str
    mark: Mark
    context: Mark
    problem: str
    line: str
    last: yaml.Token | None

    def wrong(self, message: str, hint: str, mark: Mark | None = None) -> Diagnostic:
        """A mistake in the syntax, at another place than `mark` of the parser if one is given."""
        return diagnostic_at(mark or self.mark, _SYNTAX, message, hint)

    @property
    def letter(self) -> str:
        return self.text[self.mark.index : self.mark.index + 1]

    @property
    def starts_line(self) -> bool:
        """Whether only spaces are before the place."""
        return not self.line[: self.mark.column].strip(" ")

    def line_at(self, mark: Mark) -> str:
        """The line from its first letter to its end."""
        lines = lines_of(self.text[mark.index - mark.column :])
        return lines[0] if lines else ""


def explain(text: str, error: yaml.YAMLError, *, max_depth: int) -> Diagnostic:
    """The diagnostic for an error of the parser; its own message if nothing fits."""
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
    error_at = _ParserError(text, mark, context, problem, line, _last_token(text, mark.index))
    if found := _bare_expression(error_at) or _tab(error_at):
        return found
    context_words = str(getattr(error, "context", None) or "")
    for words, reading in _READINGS:
        if (words in problem or words in context_words) and (found := reading(error_at)):
            return found
    details = f"{problem} ({context_words})" if context_words else problem
    hint = "check the quotes, brackets and indentation of this line and the one above"
    return diagnostic_at(mark, _SYNTAX, f"invalid YAML: {details}", hint)


def _bare_expression(at: _ParserError) -> Diagnostic | None:
    """An unquoted expression at the place of the error."""
    line, column = at.line, at.mark.column
    found = line.rfind("${{", 0, column + len("${{"))
    found = line.find("${{") if found < 0 else found
    before = line[: max(found, 0)]
    if found < 0 or before.count('"') % 2 or before.count("'") % 2:
        return None
    in_flow = re.search(r"[\[{]", re.sub(r"\$\{\{.*?\}\}", "", before))
    if not in_flow and not found <= column <= found + len("${{"):
        return None
    mark = at.mark.at_column(found)
    return _unquoted(mark)


def _unquoted(mark: Mark) -> Diagnostic:
    return diagnostic_at(mark, "unquoted-expression", BARE, QUOTES)


def unquoted_expressions(text: str) -> Iterator[Diagnostic]:
    """All unquoted expressions inside { } and [ ], up to another mistake in the syntax."""
    starts = [found.start() for found in _EXPRESSION.finditer(text)]
    # As a word, each is a value that the parser can read over.
    masked = _EXPRESSION.sub(lambda found: "x" * len(found.group()), text)
    flow: list[str] = []  # of each open list or map its bracket, or nothing
    loader, at = _LOADER(masked), 0
    try:
        while at < len(starts) and loader.check_event():
            event = loader.get_event()
            begin, end = _mark(event.start_mark), _mark(event.end_mark)
            if isinstance(event, yaml.CollectionStartEvent):
                bracket = "{" if isinstance(event, yaml.MappingStartEvent) else "["
                flow.append(bracket if event.flow_style else "")
            elif isinstance(event, yaml.CollectionEndEvent):
                flow.pop()
            elif isinstance(event, yaml.ScalarEvent) and begin and end:
                while at < len(starts) and starts[at] < end.index:
                    if starts[at] >= begin.index and flow and flow[-1] and not event.style:
                        one = _unquoted(_mark_inside(text, begin, starts[at]))
                        yield replace(one, fix=_in_quotes(text, begin, end.index, flow[-1]))
                    at += 1
    except yaml.YAMLError:
        return  # told once these are quoted
    finally:
        loader.dispose()


def _in_quotes(text: str, begin: Mark, end: int, bracket: str) -> Fix | None:
    """Quotes around a value of one line; None where a comma may be part of the text."""
    old = text[begin.index : end].rstrip()
    before = text[begin.index - begin.column : begin.index].rstrip()[-1:]
    after = text[end : end + 200].lstrip(" ")[:1]
    ends = after in ("}", "]") or (after == "," and _EXPRESSION.fullmatch(old))
    if BREAK.search(old) or not ends or (before != ":" and bracket != "["):
        return None
    new = f'"{old}"'
    if '"' in old or "\\" in old:
        new = "'" + old.replace("'", "''") + "'"
    words = f"{cut(new)} instead of {cut(old)}"
    return Fix(begin.index, begin.index + len(old), new, words, begin.column + 1)


def _mark_inside(text: str, begin: Mark, index: int) -> Mark:
    """A place in a value that begins at `begin`, and may have several lines."""
    line = text.count("\n", begin.index, index)
    if not line:
        return begin.at_column(begin.column + index - begin.index)
    return Mark(begin.line + line, index - text.rindex("\n", 0, index) - 1, index)


def _tab(at: _ParserError) -> Diagnostic | None:
    line = at.line
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" not in indent and at.letter != "\t":
        return None
    mark = at.mark.at_column(line.index("\t"))
    return diagnostic_at(mark, "tab", "YAML does not allow tabs as indentation", "use spaces")


def _after_value(at: _ParserError) -> Diagnostic | None:
    """Text after a closing quote or bracket."""
    if at.letter in ("}", "]"):
        return at.wrong(f"this {at.letter} has no opening bracket", "remove it")
    if found := _quote_over_lines(at):
        return found
    last = at.last
    if (
        isinstance(last, yaml.ScalarToken)
        and last.style in ("'", '"')
        and last.end_mark
        and last.end_mark.line == at.mark.line
    ):
        inside = "''" if last.style == "'" else '\\"'
        hint = f"write a quote inside the text as {inside}, or quote the whole text"
        return at.wrong("text continues after the closing quote", hint)
    if isinstance(last, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken) and (
        last.end_mark and last.end_mark.line == at.mark.line
    ):
        return at.wrong("text continues after the closing bracket", "quote the whole text")
    return None


def _quote_over_lines(at: _ParserError) -> Diagnostic | None:
    """Text after a quoted text of several lines: most likely its closing quote is missing."""
    last = at.last
    if not isinstance(last, yaml.ScalarToken) or last.style not in ("'", '"'):
        return None
    begin, end = _mark(last.start_mark), _mark(last.end_mark)
    if begin is None or end is None or not begin.line < end.line == at.mark.line:
        return None
    message = f"the quoted text that starts here ends on line {end.line + 1}"
    return at.wrong(message, f"end it with {last.style} where it should end", begin)


def _expected_key(at: _ParserError) -> Diagnostic | None:
    if at.starts_line:
        return at.wrong("the indentation of this line matches no line above it", _NEIGHBOURS)
    return at.wrong("expected a key here", "write `key: value`")


def _open_bracket(at: _ParserError) -> Diagnostic | None:
    if found := _quote_over_lines(at):
        return found
    closer = at.problem[-3:]
    opener, end = _OPENERS.get(closer, "{"), closer.strip("'")
    if at.letter in ("}", "]"):
        return at.wrong(f"missing {end} before this {at.letter}", f"close the {opener} first")
    if at.mark.line > at.context.line and at.letter in ("", ":"):
        return at.wrong(f"this {opener} is never closed", f"end it with {end}", at.context)
    hint = f"separate entries with commas, and end with {end}"
    if at.letter == ":":
        hint = "separate entries with commas, and quote text that contains `: `"
    return at.wrong(f"missing a comma or {end} before this", hint)


def _colon(at: _ParserError) -> Diagnostic | None:
    """A colon inside text, or in a line that continues the text above it."""
    begin = _mark(at.last.start_mark) if isinstance(at.last, yaml.ScalarToken) else None
    if begin and begin.line < at.mark.line:
        if glued := _glued(at, begin):
            return glued
        mark = at.mark.at_column(len(at.line) - len(at.line.lstrip()))
        message = "the indentation makes this line part of the text above it"
        return at.wrong(message, _NEIGHBOURS, mark)
    hint = "quote text that contains `: `"
    if re.search(r"\$\{(?!\{)", at.line[: at.mark.column]):
        hint = 'write an expression with two braces, in quotes: "${{ … }}"'
    if _TYPOGRAPHIC.search(at.line):
        hint += ": \" or '; “ and ” are ordinary letters"
    return at.wrong("unexpected colon: a key is not possible here", hint)


def _no_colon(at: _ParserError) -> Diagnostic | None:
    if glued := _glued(at, at.context):
        return glued
    hint = "write `key: value`; text of several lines starts with `|`"
    if assigned := _ASSIGNED.match(at.line_at(at.context)):
        hint = f"write `{assigned.group(1)[:60]}: …`"
    return at.wrong("a key without a colon", hint, at.context)


def _glued(at: _ParserError, begin: Mark) -> Diagnostic | None:
    """A colon without a space after it, in the line where a text starts."""
    found = _GLUED.match(at.line_at(begin))
    if found is None:
        return None
    hint = f"write `{found.group(1)[:60]}: …`"
    return at.wrong("missing space after this colon", hint, begin.at_column(found.end() - 1))


def _first_letter(at: _ParserError) -> Diagnostic | None:
    mark = at.context if at.problem.endswith("character") else at.mark
    letter = at.text[mark.index : mark.index + 1]
    return at.wrong(f"text cannot start with {letter!r}", "put the text in quotes", mark)


def _second_document(at: _ParserError) -> Diagnostic | None:
    if re.search(r"^\.\.\.", at.text[: at.mark.index], re.MULTILINE):
        return at.wrong("the document ended before this line", "remove `...`")
    return at.wrong(
        "this line is indented less than the first one", "start both in the same column"
    )


def _at(
    message: str, hint: str, code: str = _SYNTAX, *, place: str = "mark"
) -> Callable[[_ParserError], Diagnostic | None]:
    """A fixed message at ``mark``, at ``context``, or at the start of the ``line``."""

    def reading(at: _ParserError) -> Diagnostic:
        mark = at.context if place == "context" else at.mark
        if place == "line":
            mark = mark.at_column(0)
        letter = at.text[mark.index : mark.index + 1]
        return diagnostic_at(mark, code, message, hint.replace("{}", letter))

    return reading


_UNCLOSED_QUOTE = _at("this quote is never closed", "end the text with {}", place="context")
_ESCAPE = _at(
    "this is not a valid escape in double quotes",
    "write \\\\ for a backslash, or use single quotes",
)
_DIRECTIVE = _at("a line that starts with % is a YAML directive", "remove the %", place="line")
_READINGS: tuple[tuple[str, Callable[[_ParserError], Diagnostic | None]], ...] = (
    ("found unexpected end of stream", _UNCLOSED_QUOTE),
    ("found unexpected document indicator", _UNCLOSED_QUOTE),
    ("unknown escape", _ESCAPE),
    ("did not find expected hexdecimal number", _ESCAPE),
    ("did not find expected key", _after_value),
    ("did not find expected key", _expected_key),
    ("did not find expected ',' or", _open_bracket),
    ("mapping values are not allowed", _colon),
    ("could not find expected ':'", _no_colon),
    ("cannot start any token", _first_letter),
    ("did not find expected node content", _first_letter),
    ("did not find expected alphabetic or numeric character", _first_letter),
    ("directive", _DIRECTIVE),
    ("incompatible YAML document", _DIRECTIVE),
    (
        "block scalar",
        _at("unexpected text after | or >", "start the text on the next line, indented"),
    ),
    ("tag", _at("tags are not allowed", TAGS, "tag", place="context")),
    ("mapping keys are not allowed", _first_letter),
    ("found unexpected ':'", _colon),
    ("did not find expected <document start>", _after_value),
    ("did not find expected <document start>", _second_document),
    ("did not find expected '-' indicator", _after_value),
    (
        "did not find expected '-' indicator",
        _at("expected a list item here", "start it with `- `, or indent the line"),
    ),
    (
        "block sequence entries are not allowed",
        _at("a list cannot start here", "start it on the next line, indented"),
    ),
)
"""How to read each message of the parser; the first that fits is used."""


def _last_token(text: str, index: int) -> yaml.Token | None:
    """The last non-empty token that starts before a place."""
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
