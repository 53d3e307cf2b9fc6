"""Errors of the YAML parser in the terms of a spec author.

The parser reports where it stopped. The mistake is often before that place: a quote that is never
closed, a line that continues the text above it. So the last token before the place is used too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from rivya_flows.diagnostics import Diagnostic, Fix
from rivya_flows.language.syntax.tree import BREAK, Mark, diagnostic_at, lines_of, mark_at
from rivya_flows.language.wording import cut

LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
MAX_DEPTH = 64
TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep", "remove some brackets or levels"
TAGS = "remove it, or quote text that starts with !"

_EXPRESSION = re.compile(r"\$\{\{.*?\}\}")
_TYPOGRAPHIC = re.compile("[“”„‘’«»]")
_GLUED = re.compile(r"[ -]*([A-Za-z_][\w-]*):(?=[^\s/])")
"""A key with a colon that has no space after it."""
_QUOTES = ("'", '"')


@dataclass(frozen=True)
class _ParserError:
    """Where the parser stopped, and its message.

    Attributes:
        context: Where the value that it was reading starts; `mark` if unknown.
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
        return diagnostic_at(mark or self.mark, "yaml-syntax", message, hint)

    @property
    def letter(self) -> str:
        return self.text[self.mark.index : self.mark.index + 1]


_Reading = Callable[[_ParserError], Diagnostic | None]


def explain(text: str, error: yaml.YAMLError) -> Diagnostic:
    """The diagnostic for an error of the parser."""
    context = getattr(error, "context_mark", None)
    place = getattr(error, "problem_mark", None) or context
    mark = mark_of(place) if place else Mark(0, 0, 0)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    reading_what = getattr(error, "context", None)
    details = f"{problem} ({reading_what})" if reading_what else problem
    lines = lines_of(text)
    at = _ParserError(
        text,
        mark,
        mark_of(context) if context else mark,
        problem,
        lines[mark.line] if mark.line < len(lines) else "",
        _last_token(text, mark.index),
    )
    found = (reading(at) for fragment, reading in _READINGS if fragment in details)
    hint = "check the quotes, brackets and indentation of this line and the one above"
    return next(filter(None, found), None) or at.wrong(f"invalid YAML: {details}", hint)


def unquoted_expressions(text: str) -> Iterator[Diagnostic]:
    """All unquoted expressions inside { } and [ ], up to another mistake in the syntax."""
    starts = [found.start() for found in _EXPRESSION.finditer(text)]
    # As a word, each is a value that the parser can read over.
    masked = _EXPRESSION.sub(lambda found: "x" * len(found.group()), text)
    flow: list[str] = []  # of each open list or map its bracket, or nothing
    at = 0
    try:
        for event in parse_events(masked):
            if at == len(starts):
                return
            if isinstance(event, yaml.CollectionStartEvent):
                bracket = "{" if isinstance(event, yaml.MappingStartEvent) else "["
                flow.append(bracket if event.flow_style else "")
            elif isinstance(event, yaml.CollectionEndEvent):
                flow.pop()
            elif isinstance(event, yaml.ScalarEvent):
                begin, end = mark_of(event.start_mark), mark_of(event.end_mark).index
                while at < len(starts) and starts[at] < end:
                    if starts[at] >= begin.index and flow and flow[-1] and not event.style:
                        mark = mark_at(text, starts[at], begin)
                        problem = "an expression inside { } or [ ] needs quotes"
                        hint = 'inside { } and [ ] write "${{ … }}" with quotes'
                        one = diagnostic_at(mark, "unquoted-expression", problem, hint)
                        yield replace(one, fix=_in_quotes(text, begin, end, flow[-1]))
                    at += 1
    except yaml.YAMLError:
        return  # reported once these are quoted


def parse_events(text: str) -> Iterator[yaml.Event]:
    """The events of the parser."""
    loader = LOADER(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def mark_of(mark: Any) -> Mark:
    """A mark of PyYAML, whose two kinds share no type."""
    return Mark(mark.line, mark.column, mark.index)


def _in_quotes(text: str, begin: Mark, end: int, bracket: str) -> Fix | None:
    """Quotes around a value of one line; None: a comma may be part of the text."""
    old = text[begin.index : end].rstrip()
    before = text[begin.index - begin.column : begin.index].rstrip()[-1:]
    after = text[end : end + 200].lstrip(" ")[:1]
    ends = after in ("}", "]") or (after == "," and _EXPRESSION.fullmatch(old))
    if BREAK.search(old) or not ends or (before != ":" and bracket != "["):
        return None
    new = f'"{old}"'
    if '"' in old or "\\" in old:
        new = "'" + old.replace("'", "''") + "'"
    problem = f"{cut(new)} instead of {cut(old)}"
    return Fix(begin.index, begin.index + len(old), new, problem, begin.column + 1)


def _tab(at: _ParserError) -> Diagnostic | None:
    indent = at.line[: len(at.line) - len(at.line.lstrip())]
    if "\t" not in indent and at.letter != "\t":
        return None
    mark = at.mark.at_column(at.line.index("\t"))
    return diagnostic_at(mark, "tab", "YAML does not allow tabs as indentation", "use spaces")


def _after_value(at: _ParserError) -> Diagnostic | None:
    """Text after a closing quote or bracket."""
    if at.letter in ("}", "]"):
        return at.wrong(f"this {at.letter} has no opening bracket", "remove it")
    if found := _quote_over_lines(at):
        return found
    last = at.last
    if last is None or last.end_mark is None or last.end_mark.line != at.mark.line:
        return None
    if isinstance(last, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken):
        return at.wrong("text continues after the closing bracket", "quote the whole text")
    if not isinstance(last, yaml.ScalarToken) or last.style not in _QUOTES:
        return None
    inside = "''" if last.style == "'" else '\\"'
    hint = f"write a quote inside the text as {inside}, or quote the whole text"
    return at.wrong("text continues after the closing quote", hint)


def _quote_over_lines(at: _ParserError) -> Diagnostic | None:
    """Text after a quoted text of several lines: most likely its closing quote is missing."""
    last = at.last
    if not isinstance(last, yaml.ScalarToken) or last.style not in _QUOTES:
        return None
    begin, end = mark_of(last.start_mark), mark_of(last.end_mark)
    if not begin.line < end.line == at.mark.line:
        return None
    message = f"the quoted text that starts here ends on line {end.line + 1}"
    return at.wrong(message, f"end it with {last.style} where it should end", begin)


_NEIGHBOURS = "align it with the lines around it"


def _expected_key(at: _ParserError) -> Diagnostic:
    if at.line[: at.mark.column].strip(" "):
        return at.wrong("expected a key here", "write `key: value`")
    return at.wrong("the indentation of this line matches no line above it", _NEIGHBOURS)


def _open_bracket(at: _ParserError) -> Diagnostic:
    if found := _quote_over_lines(at):
        return found
    opener, end = ("[", "]") if at.problem.endswith("']'") else ("{", "}")
    if at.letter in ("}", "]"):
        return at.wrong(f"missing {end} before this {at.letter}", f"close the {opener} first")
    if at.mark.line > at.context.line and at.letter in ("", ":"):
        hint, line = f"end it with {end}", at.text[at.context.index :].split("\n", 1)[0]
        if re.search(r"\s#", line):
            hint = "quote what begins with #, which is a comment here"
        return at.wrong(f"this {opener} is never closed", hint, at.context)
    hint = "separate entries with commas, and quote text that contains `: `"
    return at.wrong(f"missing a comma or {end} before this", hint)


def _colon(at: _ParserError) -> Diagnostic:
    """A colon inside text, or in a line that continues the text above it."""
    begin = mark_of(at.last.start_mark) if isinstance(at.last, yaml.ScalarToken) else None
    if begin and begin.line < at.mark.line:
        if glued := _missing_space(at, begin):
            return glued
        mark = at.mark.at_column(len(at.line) - len(at.line.lstrip()))
        message = "the indentation makes this line part of the text above it"
        hint = _NEIGHBOURS
        of_uses = at.text[: begin.index].rstrip(" ").endswith("uses:")
        if of_uses and not at.line.lstrip().startswith(("with:", "title:", "if:")):
            hint = "write `with:` above it, as far in as `uses:`"
        return at.wrong(message, hint, mark)
    hint = "quote text that contains `: `"
    if re.search(r"\$\{(?!\{)", at.line[: at.mark.column]):
        hint = 'write an expression with two braces, in quotes: "${{ … }}"'
    if _TYPOGRAPHIC.search(at.line):
        hint += ": \" or '; “ and ” are ordinary letters"
    return at.wrong("unexpected colon: a key is not possible here", hint)


def _no_colon(at: _ParserError) -> Diagnostic:
    if glued := _missing_space(at, at.context):
        return glued
    hint = "write `key: value`; text of several lines starts with `|`"
    return at.wrong("a key without a colon", hint, at.context)


def _missing_space(at: _ParserError, begin: Mark) -> Diagnostic | None:
    """A colon without a space after it, in the line where a text starts."""
    found = _GLUED.match(at.text, begin.index - begin.column)
    if found is None:
        return None
    mark = begin.at_column(begin.column + found.end() - 1 - begin.index)
    return at.wrong("missing space after this colon", f"write `{found[1][:60]}: …`", mark)


def _first_letter(at: _ParserError) -> Diagnostic:
    mark = at.context if at.problem.endswith("character") else at.mark
    letter = at.text[mark.index : mark.index + 1]
    return at.wrong(f"text cannot start with {letter!r}", "put the text in quotes", mark)


def _second_document(at: _ParserError) -> Diagnostic:
    if re.search(r"^\.\.\.", at.text[: at.mark.index], re.MULTILINE):
        return at.wrong("the document ended before this line", "remove `...`")
    return at.wrong(
        "this line is indented less than the first one", "start both in the same column"
    )


def _unclosed_quote(at: _ParserError) -> Diagnostic:
    quote = at.text[at.context.index : at.context.index + 1]
    return at.wrong("this quote is never closed", f"end the text with {quote}", at.context)


def _directive(at: _ParserError) -> Diagnostic:
    message = "a line that starts with % is a YAML directive"
    return at.wrong(message, "remove the %", at.mark.at_column(0))


def _at(message: str, hint: str) -> _Reading:
    return lambda at: at.wrong(message, hint)


_ESCAPE = _at(
    "this is not a valid escape in double quotes",
    "write \\\\ for a backslash, or use single quotes",
)
_READINGS: tuple[tuple[str, _Reading], ...] = (
    ("nesting", lambda at: diagnostic_at(at.mark, "too-deep", *TOO_DEEP)),
    ("", _tab),
    ("found unexpected end of stream", _unclosed_quote),
    ("found unexpected document indicator", _unclosed_quote),
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
    ("directive", _directive),
    ("incompatible YAML document", _directive),
    (
        "block scalar",
        _at("unexpected text after | or >", "start the text on the next line, indented"),
    ),
    ("tag", lambda at: diagnostic_at(at.context, "tag", "tags are not allowed", TAGS)),
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
    loader = LOADER(text)
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
