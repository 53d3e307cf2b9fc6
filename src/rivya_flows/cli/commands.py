"""How commands are declared: by a function whose defaults are options, with help and examples.

Click's own decorators name each option twice, and its groups cut sentences to a line and suggest
commands by their letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal

import click

from rivya_flows.cli import completion
from rivya_flows.cli.guesses import of_command
from rivya_flows.errors import UsageError
from rivya_flows.program import program


class Command(click.Command):
    """A command whose parameters are the defaults of its function: what the functions below give."""

    def __init__(
        self,
        *,
        callback: Callable[..., Any],
        params: Sequence[click.Parameter] = (),
        **settings: Any,
    ) -> None:
        declared = [(one.name, one.default) for one in signature(callback).parameters.values()]
        made = [declare(name) for name, declare in declared if declare is not Parameter.empty]
        super().__init__(callback=callback, params=[*params, *made], **settings)


def option(words: str, *names: str, **attributes: Any) -> Any:
    """An option; without names that of its parameter, with dashes. Attributes as of click."""

    def declare(name: str) -> click.Parameter:
        flags = names or (f"--{name.replace('_', '-')}",)
        return click.Option([name, *flags], help=words, **attributes)

    return declare


def flag(words: str, *names: str) -> Any:
    """An option without a value."""
    return option(words, *names, is_flag=True)


def argument(**attributes: Any) -> Any:
    """An argument; attributes as of click."""
    return lambda name: click.Argument([name], **attributes)


def command(*lines: str, **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """Makes a function a command of its name; the lines are its examples."""
    epilog = examples(*lines) if lines else None
    return click.command(cls=Command, epilog=epilog, **settings)


def examples(*lines: str, title: str = "Examples") -> str:
    """The end of a command's help: command lines, which are not wrapped."""
    return f"\b\n{title}:\n" + "\n".join(f"  {program()} {line}" for line in lines)


class Group(click.Group):
    """As click's, but with whole sentences and with guesses."""

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


def label_option(words: str) -> Any:
    """The option ``--label``, which may be given more than once."""
    return option(
        words,
        "--label",
        metavar="NAME=VALUE",
        multiple=True,
        shell_complete=completion.labels,
    )


def folder_option(words: str) -> Any:
    """The option ``--out`` of a folder, by default ``runs``."""
    kind = click.Path(path_type=Path, file_okay=False)
    return option(words, type=kind, default=Path("runs"), show_default=True)


Cache = Literal["off", "run", "spec"] | None
NEW_FILE = click.Path(path_type=Path, dir_okay=False)
"""The type of a path to write to."""

SPEC = argument(type=Path, shell_complete=completion.specs)
RUN = argument(metavar="RUN", shell_complete=completion.runs)
LAST_RUN = argument(default="last", shell_complete=completion.runs)
INPUTS = option(
    "Give an input; read as YAML against its type.",
    "-i",
    "--input",
    metavar="NAME=VALUE",
    multiple=True,
    shell_complete=completion.inputs,
)
INPUTS_FILE = option(
    "YAML or JSON file of inputs; -i wins over it.",
    "--inputs",
    metavar="FILE",
    type=Path,
    shell_complete=completion.files,
)
BUDGET = option("Override the spec's credit budget.", type=click.IntRange(0))
CACHE = option("Override the spec's cache mode.", type=click.Choice(["off", "run", "spec"]))
PLAN = flag("Only show what it would do and cost; buy and change nothing.", "--plan")
YES = flag("Buy from a real wallet without a cap and without asking.", "-y", "--yes")
SANDBOX = flag("Buy from the local sandbox, also with a key.")
OPEN = flag("Open the contact sheet at the end.", "--open")
JSON = flag("Print one JSON document.", "--json")
JSON_AT_END = flag("Print one JSON document at the end.", "--json")

LABELS = label_option("Count the credits under this label; wins over that of the spec.")
FILTER = label_option("Only runs with the label.")
RUN_FOLDER = folder_option("Create the run's folder here: outputs, contact sheet, receipt.")
