"""docs/reference/commands.md: each command with its synopsis and options, as click knows them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

import click
from reference_tables import in_one_line, table

from rivya_flows.cli.main import program

_HEAD = ("option", "what it does")
_COMMON = 4
"""An option that as many commands have in the same words stands in a table of its own."""


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
    rows = [(option, _row(option)) for option in found.params if _is_own(option)]
    known = {row for row in dict.fromkeys(row for _, row in rows) if row in _common()}
    own = [row for _, row in rows if row not in known]
    if own:
        parts.append(table(_HEAD, own))
    if known:
        names = ", ".join(f"`{option.opts[0]}`" for option, row in rows if row in known)
        parts.append(f"{'And' if own else 'It takes'} the [common](#common-options) {names}.\n")
    return "\n".join(parts)


def options() -> str:
    """The options that many commands have."""
    return table(_HEAD, sorted(_common()))


@cache
def _common() -> frozenset[tuple[str, ...]]:
    found = Counter(
        _row(option) for _, one in commands() for option in one.params if _is_own(option)
    )
    return frozenset(row for row, times in found.items() if times >= _COMMON)


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
    text, _, default = in_one_line(option.help or "").removesuffix("]").partition(" [default: ")
    # Options in a sentence look like options.
    text = re.sub(r"(?<![`\w-])(--?[a-z][\w-]*)(?![\w`])", r"`\1`", text)
    if option.required:
        text += " Required."
    elif default := _default(option) or (default if " " in default else default and f"`{default}`"):
        text += f" Default: {default}."
    return (" ".join(filter(None, (names, _takes(option)))), text)


def _takes(option: click.Option) -> str:
    kind = option.type
    if option.is_flag or option.count:
        return ""
    if isinstance(kind, click.Choice):
        text = "`" + "`, `".join(map(str, kind.choices)) + "`"
    elif isinstance(kind, click.IntRange | click.FloatRange):
        text = _range(kind)
    else:
        text = f"`{option.metavar or kind.name.upper()}`"
    return f"{text} …" if option.multiple else text


def _range(kind: click.IntRange | click.FloatRange) -> str:
    if kind.min is not None and kind.max is not None:
        return f"{kind.min} to {kind.max:,}"
    return "`N`" if kind.min in (None, 0) else f"`N` ≥ {kind.min}"


def _default(option: click.Option) -> str:
    if option.is_flag or not option.show_default:
        return ""
    if isinstance(option.show_default, str):
        return option.show_default
    return f"`{option.default}`"
