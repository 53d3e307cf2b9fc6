"""docs/reference/commands.md: each command with its synopsis and options, as click knows them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
from reference_tables import in_one_line, table

from rivya_flows.cli.main import program

_HEAD = ("option", "takes", "default", "what it does")


def command(*name: str) -> str:
    """The synopsis and the options of a command; of a group, its commands.

    Args:
        name: The words behind `rivya-flows`; none for the program itself.

    Raises:
        KeyError: There is no such command.
    """
    found = dict(commands())[" ".join(name)]
    context = click.Context(found, info_name=" ".join(("rivya-flows", *name)))
    usage = found.get_usage(context).removeprefix("Usage: ")
    parts = [f"```text\n{' '.join(usage.split())}\n```\n"]
    if isinstance(found, click.Group):
        parts.append(_commands_of(found, name))
    rows = [_row(option) for option in found.params if _is_own(option)]
    if rows:
        parts.append(table(_HEAD, rows))
    return "\n".join(parts)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with the words behind `rivya-flows`, groups too; the program itself has none."""
    waiting: list[tuple[str, click.Command]] = [("", program)]
    while waiting:
        name, found = waiting.pop(0)
        yield name, found
        if isinstance(found, click.Group):
            context = click.Context(found)
            inner = ((one, found.get_command(context, one)) for one in found.list_commands(context))
            waiting += [(f"{name} {one}".strip(), made) for one, made in inner if made is not None]


def _commands_of(group: click.Group, name: tuple[str, ...]) -> str:
    context = click.Context(group)
    rows = []
    for one in group.list_commands(context):
        found = group.get_command(context, one)
        if found is not None and not found.hidden:
            whole = "-".join(("rivya-flows", *name, one))
            rows.append((f"[`{one}`](#{whole})", found.get_short_help_str(limit=1_000)))
    return table(("command", "what it does"), rows)


def _is_own(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and not parameter.hidden


def _row(option: click.Parameter) -> tuple[str, ...]:
    assert isinstance(option, click.Option)
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    told, _, default = in_one_line(option.help or "").removesuffix("]").partition(" [default: ")
    several = option.multiple and "more than once" not in told
    takes = _takes(option) + ("; may be given more than once" if several else "")
    # Options in a sentence look like options.
    told = re.sub(r"(?<![`\w-])(--?[a-z][\w-]*)(?![\w`])", r"`\1`", told)
    return (names, takes, default or _default(option), told)


def _takes(option: click.Option) -> str:
    kind = option.type
    if option.is_flag or option.count:
        return ""
    if isinstance(kind, click.Choice):
        choices = [f"`{choice}`" for choice in kind.choices]
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    if isinstance(kind, click.IntRange | click.FloatRange):
        return ("a whole number" if isinstance(kind, click.IntRange) else "a number") + _range(kind)
    return f"`{option.metavar or kind.name.upper()}`"


def _range(kind: click.IntRange | click.FloatRange) -> str:
    if kind.min is not None and kind.max is not None:
        return f", {kind.min} to {kind.max:,}"
    return "" if kind.min is None else f" of at least {kind.min}"


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    if option.is_flag or not option.show_default:
        return ""
    if isinstance(option.show_default, str):
        return option.show_default
    return f"`{option.default}`"
