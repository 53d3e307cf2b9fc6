"""Turn an exception into a message, a JSON document and an exit code."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import Any

import click

from rivya_flows.catalogue.catalogue import nearest
from rivya_flows.cli.guesses import of_option
from rivya_flows.errors import (
    APIError,
    APIStatusError,
    BudgetError,
    Diagnostic,
    RivyaFlowsError,
    SpecError,
)

FAILED, WRONG, CREDITS, INTERRUPTED = 1, 2, 3, 130
_TYPED = re.compile(r": '(.{1,60})' is not one of ")
_PLAIN = (
    (r"^Invalid value for '(.+?)(?: / .+?)?': ", r"\1: "),
    (r"is not a valid integer(?: range)?\.$", "is not a whole number"),
    (r"is not in the range x>=(\S+)\.$", r"is less than \1"),
    (r"is not in the range (\S+?)<=x<=(\S+)\.$", r"is not from \1 to \2"),
    (r"^Got unexpected extra arguments? \((.*)\)$", r"too many arguments: \1"),
    (r"^Option '(.+)' requires an argument\.$", r"\1 needs a value"),
)
"""Messages of click, and what people read instead."""


@dataclass(frozen=True)
class Failure:
    """What a command prints about an error."""

    code: int
    name: str
    message: str
    hint: str | None = None
    problems: tuple[Diagnostic, ...] = ()
    is_bug: bool = False
    usage: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "error": {"code": self.name, "message": self.message, "hint": self.hint},
            "problems": [problem.as_json() for problem in self.problems],
        }

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person reads after the problems.

        Further lines of a message are indented, so that they forge none.
        """
        lines = [*self.usage.split("\n"), ""] if self.usage else []
        first, *more = self.message.split("\n")
        lines += [f"error: {first}", *(f"  {line}" for line in more)]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return tuple(lines)


def explain(error: BaseException) -> Failure:
    """What to print about an exception that ended a command."""
    if isinstance(error, click.ClickException):
        return _call(error)
    if isinstance(error, SpecError):
        return Failure(WRONG, error.code, counted(len(error.diagnostics)), None, error.diagnostics)
    if isinstance(error, RivyaFlowsError):
        from rivya_flows.setting_names import with_places  # heavy, and needed only here

        message = with_places(str(error), error.hint)
        return Failure(exit_code(error), error.code, message, error.hint)
    if isinstance(error, OSError):
        return _machine(error)
    if isinstance(error, RuntimeError) and "home directory" in str(error):  # of `expanduser`
        message = "a path begins with ~, and there is no such home folder"
        return Failure(WRONG, "usage", message, "write the whole path")
    if not isinstance(error, Exception) or isinstance(error, click.Abort):
        # Ctrl-C, and the signal that Prefect turns into an exception while a flow begins.
        return Failure(INTERRUPTED, "interrupted", "interrupted")
    message = f"{type(error).__name__}: {error}".splitlines()[0]
    return Failure(
        FAILED,
        "unexpected",
        f"{message} (this is a bug)",
        "run it again as `rivya-flows --verbose …` and report what it prints",
        is_bug=True,
    )


def counted(problems: int) -> str:
    """How many mistakes were found."""
    return "1 problem found" if problems == 1 else f"{problems} problems found"


def _call(error: click.ClickException) -> Failure:
    context = getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return Failure(WRONG, "usage", "no command was given", usage=error.format_message())
    hint = f"see `{context.command_path} --help`" if context else None
    if isinstance(error, click.NoSuchOption):
        options = context.command.params if context else ()
        known = [name for one in options for name in (*one.opts, *one.secondary_opts)]
        hint = of_option(error.option_name, known) or hint
    elif isinstance(error, click.MissingParameter) and context:
        lines = (context.command.epilog or "").splitlines()
        example = next((line.strip() for line in lines if line.startswith("  ")), None)
        hint = f"for example: {example}" if example else hint
    message = error.message if isinstance(error, click.NoSuchOption) else error.format_message()
    for pattern, words in _PLAIN:
        message = re.sub(pattern, words, message.strip())
    message = message.removesuffix(".")
    if not isinstance(error, click.BadParameter) or isinstance(error, click.MissingParameter):
        message = message[:1].lower() + message[1:]
    kind = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    if isinstance(kind, click.Choice) and (typed := _TYPED.search(message)):
        near = nearest(typed[1], map(str, kind.choices))
        hint = f"did you mean {near!r}?" if near else hint
    return Failure(WRONG, "usage", message, hint)


def exit_code(error: RivyaFlowsError) -> int:
    """The exit code of a command that an error of this library ended."""
    if isinstance(error, BudgetError):
        return CREDITS
    if isinstance(error, APIStatusError):
        if error.code == "insufficient_credits":
            return CREDITS
        return WRONG if error.status in (401, 403) else FAILED
    return FAILED if isinstance(error, APIError) else WRONG


def _machine(error: OSError) -> Failure:
    place = f"{error.filename}: " if error.filename else ""
    hint = "free disk space, then try again" if error.errno == errno.ENOSPC else None
    return Failure(WRONG, "machine", f"{place}{error.strerror or error}", hint)
