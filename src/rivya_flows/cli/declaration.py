"""How commands are declared: by a function whose defaults are options, with help and examples.

Click's own decorators name each option twice, and its groups cut sentences to a line and suggest
commands by their letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import click

from rivya_flows.cli.failures import of_command
from rivya_flows.errors import UsageError
from rivya_flows.program import program

_PATH = click.Path(path_type=Path, readable=False)  # whoever reads it says why it cannot


class Command(click.Command):
    """A command whose parameters are the defaults of its function, as the functions below give them."""

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


def option(words: str, *names: str, **attributes: Any) -> Any:
    """An option with its help and click's attributes; without names it has that of its parameter, with dashes.

    The type of the parameter says whether it is a flag, a path, or may be given more than once.
    """

    def declare(name: str, kind: str) -> click.Parameter:
        own: dict[str, Any] = {"type": _PATH} if "Path" in kind else {}
        own |= {"is_flag": True} if kind == "bool" else {"multiple": kind.startswith("tuple")}
        flags = names or (f"--{name.replace('_', '-')}",)
        return click.Option([name, *flags], help=words, **own | attributes)

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
