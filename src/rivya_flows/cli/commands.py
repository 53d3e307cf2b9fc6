"""How commands are declared: by a function whose defaults are options, with help and examples.

Click's own decorators name each option twice, and its groups cut sentences to a line and suggest
commands by their letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

import click

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
