"""Options and arguments: how commands declare them, and those that several have.

A command is a function whose defaults are its options.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal

import click

from rivya_flows.cli import completion
from rivya_flows.cli.failures import of_command
from rivya_flows.errors import UsageError
from rivya_flows.program import program

_PATH = click.Path(path_type=Path, readable=False)  # the code that reads it says why it cannot


class Command(click.Command):
    """A command whose parameters are declared by the defaults of its function: `option` or `argument`."""

    def __init__(
        self,
        *,
        callback: Callable[..., Any],
        params: Sequence[click.Parameter] = (),
        **settings: Any,
    ) -> None:
        given = signature(callback).parameters.values()
        declared = [one for one in given if one.default is not Parameter.empty]
        made = [one.default(one.name, str(one.annotation)) for one in declared]
        super().__init__(callback=callback, params=[*params, *made], **settings)


def option(text: str, *names: str, **attributes: Any) -> Any:
    """An option with its help and click's attributes; by default it is named as its parameter, with dashes.

    The type of the parameter says whether it is a flag, a path, or may be given more than once.
    """

    def declare(name: str, kind: str) -> click.Parameter:
        own: dict[str, Any] = {"type": _PATH} if "Path" in kind else {}
        own |= {"is_flag": True} if kind == "bool" else {"multiple": kind.startswith("tuple")}
        flags = names or (f"--{name.replace('_', '-')}",)
        return click.Option([name, *flags], help=text, **own | attributes)

    return declare


def argument(**attributes: Any) -> Any:
    """An argument. The type of its parameter says whether it is a path, optional, or one of many."""

    def declare(name: str, kind: str) -> click.Parameter:
        own: dict[str, Any] = {"type": _PATH} if "Path" in kind else {}
        own |= {"nargs": -1} if kind.startswith("tuple") else {}
        own |= {"required": False} if kind.endswith("| None") else {}
        return click.Argument([name], **own | attributes)

    return declare


def command(*lines: str, **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """Makes a function a command of its name; the lines are its examples."""
    epilog = examples(*lines) if lines else None
    return click.command(cls=Command, epilog=epilog, **settings)


def examples(*lines: str, title: str = "Examples") -> str:
    """The end of a command's help: command lines, which are not wrapped."""
    return f"\b\n{title}:\n" + "\n".join(f"  {program()} {line}" for line in lines)


class Group(click.Group):
    """A group whose help cuts no sentence, and which guesses what a mistyped command means."""

    command_class = Command

    def sections(self, ctx: click.Context) -> Mapping[str, Iterable[str]]:
        """The commands below their titles, as the help shows them."""
        return {"Commands": self.list_commands(ctx)}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        wide = max(map(len, self.list_commands(ctx)))
        for title, names in self.sections(ctx).items():
            commands = ((name, self.get_command(ctx, name)) for name in names)
            rows = [
                (f"{name:<{wide}}", command.get_short_help_str(limit=1_000))
                for name, command in commands
                if command is not None and not command.hidden
            ]
            with formatter.section(title):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not (ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name)):
            hint = of_command(self, ctx, name) or f"see `{ctx.command_path} --help`"
            raise UsageError(f"no such command {name!r:.60}", hint)
        return super().resolve_command(ctx, args)


_AGO = re.compile(r"(\d{1,6})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(r"(\d{1,5}(?:\.\d{1,5})?)([hdw]?)")
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")


def moment(text: str, *, ends: bool = False) -> datetime:
    """A time ago, or an ISO date or time, in UTC where it names no zone; `ends`: the end of a date."""
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if written := _ISO.fullmatch(text):
            found = datetime.fromisoformat(text) + timedelta(days=ends and written[1] is None)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise click.BadParameter(f"{text!r:.60} is not a moment; write 30d, 12h or 2026-11-01.")


def end_moment(text: str) -> datetime:
    """As `moment`, for the end of a period."""
    return moment(text, ends=True)


LONGEST = timedelta(days=36_500)  # nothing is that old
AGES = "30d, 12h, 4w, or 0 for everything"
"""What an age is, for people. No minutes: `1m` may mean a month, and would delete nearly everything."""


def age(text: str) -> timedelta:
    """How old or long something is, `LONGEST` at most: ``30d``, ``12h``, ``4w``, or a number of days."""
    written = _AGE.fullmatch(text)
    if written is None:
        raise click.BadParameter(
            f"{text!r:.60} is not a time of hours, days or weeks; write 12h, 30d or 4w."
        )
    return min(LONGEST, timedelta(**{_UNITS[written[2] or "d"]: float(written[1])}))


def labels(text: str) -> Any:
    """The option ``--label``, which may be given more than once."""
    return option(text, "--label", metavar="NAME=VALUE")


def folder(text: str) -> Any:
    """The option ``--out`` of a folder, by default ``runs``."""
    kind = click.Path(path_type=Path, file_okay=False)
    return option(text, type=kind, default=Path("runs"), show_default=True)


Cache = Literal["off", "run", "spec"] | None
NEW_FILE = click.Path(path_type=Path, dir_okay=False)  # the type of a path to write to
SPEC = argument()
RUN = argument(metavar="RUN", shell_complete=completion.runs)
LAST_RUN = argument(default="last", shell_complete=completion.runs)
INPUTS = option(
    "Give an input; read as YAML against its type.", "-i", "--input", metavar="NAME=VALUE"
)
INPUTS_FILE = option("YAML or JSON file of inputs; -i wins over it.", "--inputs", metavar="FILE")
BUDGET = option("Override the spec's credit budget.", type=click.IntRange(0))
CACHE = option("Override the spec's cache mode.", type=click.Choice(["off", "run", "spec"]))
PLAN = option("Only show what it would do and cost; buy and change nothing.", "--plan")
YES = option("Buy from a real wallet without a cap and without asking.", "-y", "--yes")
SANDBOX = option("Use the local sandbox, also with a key.")
OPEN = option("Open the contact sheet: of a run as it is made, else at the end.", "--open")
JSON = option("Print one JSON document, at the end of a command that takes time.", "--json")

LABELS = labels("Count the credits under this label; wins over that of the spec.")
FILTER = labels("Only runs with the label.")
RUN_FOLDER = folder("Create the run's folder here: outputs, contact sheet, receipt.")
