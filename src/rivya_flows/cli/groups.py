"""Help with whole sentences and examples, and a group of commands which knows what was meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from rivya_flows.cli.guesses import of_command
from rivya_flows.errors import UsageError
from rivya_flows.program import program


def examples(*lines: str, title: str = "Examples") -> str:
    """The end of a command's help: command lines, which are not wrapped."""
    return f"\b\n{title}:\n" + "\n".join(f"  {program()} {line}" for line in lines)


def example_of(command: click.Command) -> str | None:
    """The first of the examples of a command; None without any."""
    lines = (command.epilog or "").splitlines()
    return next((line.strip() for line in lines if line.startswith("  ")), None)


class Group(click.Group):
    """As click's, which cuts the sentences of a list of commands to one line each."""

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
            # Click suggests only commands that are loaded already, and by their letters.
            hint = of_command(self, ctx, name) or f"see `{ctx.command_path} --help`"
            raise UsageError(f"no such command {name!r:.60}", hint)
        return super().resolve_command(ctx, args)
