"""A group of commands whose help has whole sentences, and which knows what was meant."""

from __future__ import annotations

import click

from rivya_flows.catalogue.catalogue import nearest


class Group(click.Group):
    """As click's, which cuts the sentences of a list of commands to one line each."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(limit=1_000)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not (ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name)):
            # Click suggests only commands that are loaded already.
            near = nearest(name, self.list_commands(ctx))
            meant = f" Did you mean {near!r}?" if near else ""
            ctx.fail(f"No such command {name!r:.60}.{meant}")
        return super().resolve_command(ctx, args)
