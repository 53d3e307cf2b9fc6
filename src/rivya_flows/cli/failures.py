"""What a command prints about an error, with a guess at what a mistyped name means, and its exit code."""

from __future__ import annotations

import errno
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from rivya_flows.errors import (
    APIError,
    APIStatusError,
    BudgetError,
    Diagnostic,
    RivyaError,
    SpecError,
    hint_of,
)
from rivya_flows.language.wording import count_noun
from rivya_flows.program import NAME
from rivya_flows.similar_names import nearest

if TYPE_CHECKING:  # slow to import
    from pydantic import JsonValue

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
    usage: str = ""
    next: str | None = None

    @property
    def document(self) -> dict[str, JsonValue]:
        """What ``--json`` prints."""
        return {
            "error": {"code": self.name, "message": self.message, "hint": self.hint},
            "problems": [{**problem.as_json()} for problem in self.problems],
            "next": self.next,
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


def explain(error: BaseException, arguments: Sequence[str] = ()) -> Failure:
    """What to print about an exception that ended the command of these arguments."""
    if isinstance(error, click.ClickException):
        return _call(error)
    if isinstance(error, SpecError):
        found = error.diagnostics
        return Failure(
            WRONG, error.code, problems_found(len(found)), None, found, next=fix_command(found)
        )
    if isinstance(error, RivyaError):
        from rivya_flows.setting_mistakes import with_places  # heavy, and needed only here

        hint = hint_of(error)
        options = error.options if isinstance(error, BudgetError) else ()
        again = same_command(arguments, options) if options else None
        return Failure(
            exit_code(error), error.code, with_places(str(error), hint), hint, next=again
        )
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        hint = "free disk space, then try again" if error.errno == errno.ENOSPC else None
        return Failure(WRONG, "machine", f"{place}{error.strerror or error}", hint)
    if isinstance(error, RuntimeError) and "home directory" in str(error):  # of `expanduser`
        message = "a path begins with ~, and there is no such home folder"
        return Failure(WRONG, "usage", message, "write the whole path")
    if not isinstance(error, Exception) or isinstance(error, click.Abort):
        # Ctrl-C, and the signal that Prefect turns into an exception while a flow begins.
        return Failure(INTERRUPTED, "interrupted", "interrupted")
    message = f"{type(error).__name__}: {error}".splitlines()[0]
    hint = "run it again as `rivya-flows --verbose …` and report what it prints"
    return Failure(FAILED, "unexpected", f"{message} (this is a bug)", hint)


def fix_command(problems: Iterable[Diagnostic]) -> str | None:
    """The command that fixes what is certain of these mistakes; None if nothing is."""
    files = dict.fromkeys(one.file for one in problems if one.fix)
    return shlex.join([NAME, "check", *files, "--fix"]) if files else None


def same_command(arguments: Sequence[str], options: Sequence[str] = ()) -> str | None:
    """The command of these arguments, with an option that it lacked or had with another value; None without any."""
    given, rest = iter(arguments), list[str]()
    for one in given:
        if options and one == options[0]:
            next(given, None) if options[1:] else None  # its value
        elif not options or not one.startswith(f"{options[0]}="):
            rest.append(one)
    return shlex.join([NAME, *rest, *options]) if arguments else None


def problems_found(number: int) -> str:
    """How many mistakes were found."""
    return f"{count_noun(number, 'problem')} found"


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
    for pattern, replacement in _PLAIN:
        message = re.sub(pattern, replacement, message.strip())
    message = message.removesuffix(".")
    if not isinstance(error, click.BadParameter) or isinstance(error, click.MissingParameter):
        message = message[:1].lower() + message[1:]
    kind = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    if isinstance(kind, click.Choice) and (typed := _TYPED.search(message)):
        near = nearest(typed[1], map(str, kind.choices))
        hint = f"did you mean {near!r}?" if near else hint
    return Failure(WRONG, "usage", message, hint)


def exit_code(error: RivyaError) -> int:
    """The exit code of a command that an error of this library ended."""
    if isinstance(error, BudgetError):
        return CREDITS
    if isinstance(error, APIStatusError):
        if error.code == "insufficient_credits":
            return CREDITS
        return WRONG if error.status in (401, 403) else FAILED
    return FAILED if isinstance(error, APIError) else WRONG


_ALIKE = 0.74  # `plna` and `plan` are, `cancel` and `cache` are not

_COMMANDS = {
    "list": ("ls", "history", "jobs", "ps", "status"),
    "runs": ("list", "ls", "history", "jobs", "ps", "status"),
    "receipt": ("info", "log", "logs", "result", "results"),
    "show": ("get", "info"),
    "open": ("browse", "gallery", "sheet", "show", "view", "watch"),
    "share": ("send", "zip"),
    "remove": ("del", "delete", "rm"),
    "prune": ("clean", "cleanup", "clear", "del", "delete", "gc", "purge", "remove", "rm"),
    "store remove": ("del", "delete", "remove", "rm"),
    "store export": ("dump", "export", "journal"),
    "store prune": ("clean", "cleanup", "clear", "del", "delete", "gc", "prune", "purge", "remove", "rm"),
    "set": ("add", "create", "new", "update"),
    "create": ("add", "new"),
    "init": ("create", "new", "template", "templates"),
    "check": ("fix", "format", "lint", "validate"),
    "plan": ("cost", "dry-run", "dryrun", "estimate", "preview", "price", "prices", "quote"),
    "run": ("execute", "generate", "make"),
    "resume": ("answer", "approve", "collect", "continue", "pick", "retry"),
    "fork": ("again", "change", "edit", "rerun"),
    "compare": ("diff",),
    "credits": ("balance", "wallet"),
    "spend": ("bill", "billing", "costs", "report", "stats", "usage"),
    "budgets": ("limit", "limits", "pools"),
    "models": ("catalog", "catalogue", "voices"),
    "up": ("dashboard", "serve", "server", "start", "ui", "worker"),
    "down": ("halt", "kill", "stop"),
    "deploy": ("publish", "schedule", "schedules"),
    "automations": ("alert", "alerts", "notify"),
    "doctor": ("auth", "config", "configure", "debug", "health", "key", "login", "settings", "setup"),
}  # fmt: skip
"""Commands by what people call them; of those that a group has, the first is meant."""

_ANSWERS = {
    "cancel": "Ctrl-C cancels a run of this terminal; cancel that of a deployment in Prefect",
    "help": "`rivya-flows --help` lists the commands",
    "login": "set RIVYA_API_KEY, or write it into .env; `rivya-flows doctor` tries it",
    "version": "`rivya-flows --version` prints it",
}
"""What to do where no command does it."""

_OPTIONS = {
    "--plan": ("--dry-run", "--dryrun", "--preview"),
    "--yes": ("--force", "-f"),
    "--out": ("--output", "-o"),
}


def of_command(group: click.Group, ctx: click.Context, name: str) -> str | None:
    """What to do instead of a command that a group does not have; None if there is no answer."""
    if ctx.parent is None and name in _ANSWERS:
        return _ANSWERS[name]
    for path, synonyms in _COMMANDS.items():
        command: click.Command | None = group if name in synonyms else None
        for part in path.split():
            command = command.get_command(ctx, part) if isinstance(command, click.Group) else None
        if command is not None:
            return f"`{ctx.command_path} {path}`: {command.get_short_help_str(limit=1_000)}"
    near = _alike(name, group.list_commands(ctx))
    return f"did you mean {near!r}?" if near else None


def _alike(name: str, known: Sequence[str]) -> str | None:
    """The known name that looks like this one, or has the same letters, as `run` has those of `rnu`."""
    near = nearest(name, known, alike=_ALIKE)
    return near or next((one for one in known if sorted(one) == sorted(name)), None)


def of_option(name: str, known: Sequence[str]) -> str | None:
    """What to write instead of an option that a command does not have; None if there is no answer."""
    target = next((one for one, synonyms in _OPTIONS.items() if name in synonyms), None)
    if target in known:
        return f"write {target}"
    if target == "--plan":
        other = "`rivya-flows plan SPEC` shows what a run buys"
        return f"`--plan` is for what buys or changes something; {other}"
    if name == "--verbose":
        return "write it before the command: `rivya-flows --verbose …`"
    near = _alike(name.lstrip("-"), [one.lstrip("-") for one in known])
    return f"did you mean '--{near}'?" if near and name.startswith("--") else None
