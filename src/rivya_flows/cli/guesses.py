"""What a person meant who typed a command or an option that there is not."""

from __future__ import annotations

from collections.abc import Sequence

import click

from rivya_flows.catalogue.catalogue import nearest

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

_SAID = {
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
_PLAN = (
    "`--plan` is for what buys or changes something; `rivya-flows plan SPEC` shows what a run buys"
)


def of_command(group: click.Group, ctx: click.Context, name: str) -> str | None:
    """What to do instead of a command that a group has not; None if nobody knows."""
    if ctx.parent is None and name in _SAID:
        return _SAID[name]
    for meant, words in _COMMANDS.items():
        if name in words and (command := _command_at(group, ctx, meant)):
            return f"`{ctx.command_path} {meant}`: {command.get_short_help_str(limit=1_000)}"
    near = _alike(name, group.list_commands(ctx))
    return f"did you mean {near!r}?" if near else None


def _alike(name: str, known: Sequence[str]) -> str | None:
    """The one that looks like a name, or has the same letters: of `rnu` and `run` few are in order."""
    near = nearest(name, known, alike=_ALIKE)
    return near or next((one for one in known if sorted(one) == sorted(name)), None)


def _command_at(group: click.Group, ctx: click.Context, path: str) -> click.Command | None:
    first, _, rest = path.partition(" ")
    command = group.get_command(ctx, first)
    if rest and isinstance(command, click.Group):
        return _command_at(command, ctx, rest)
    return None if rest else command


def of_option(name: str, known: Sequence[str]) -> str | None:
    """What to write instead of an option that a command has not; None if nobody knows."""
    meant = next((one for one, words in _OPTIONS.items() if name in words), None)
    if meant in known:
        return f"write {meant}"
    if meant == "--plan":
        return _PLAN
    if name == "--verbose":
        return "write it before the command: `rivya-flows --verbose …`"
    near = _alike(name.lstrip("-"), [one.lstrip("-") for one in known])
    return f"did you mean '--{near}'?" if near and name.startswith("--") else None
