"""`up` and `down`, what they start (`prefect`, `sandbox`), and `doctor`."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rivya_flows.cli import options
from rivya_flows.cli.options import Group, argument, command, option
from rivya_flows.cli.output import print_json, show, show_result, tell
from rivya_flows.cli.session import confirmer, open_page, settings
from rivya_flows.environment import set_default, variables
from rivya_flows.errors import UsageError
from rivya_flows.extras import need

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.doctor.checks import Check
    from rivya_flows.settings import Settings
    from rivya_flows.up.options import UpStatus


@command("up", "up specs/product-launch.yaml --sandbox")
def up(
    named: tuple[Path, ...] = argument(metavar="[SPEC]...", type=click.Path(path_type=Path)),
    folder: Path | None = option(
        "Deploy every spec in this folder; default: RIVYA_FLOWS_SPECS, else ./specs.",
        "--specs",
        type=click.Path(path_type=Path, file_okay=False),
    ),
    postgres: str | None = option(
        "Prefect's database, such as postgresql+asyncpg://user@host/prefect; default: a file.",
        metavar="URL",
    ),
    redis: str | None = option(
        "Prefect's messages, such as redis://127.0.0.1:6379/0; default: in memory.", metavar="URL"
    ),
    port: int | None = option(
        "Port of the Prefect server; 0: any free one; default: the last one, else 4200, else any free one.",
        type=click.IntRange(0, 65535),
    ),
    receiver_port: int | None = option(
        "Port of the receiver; 0: any free one; default: the last one, else 8710, else any free one.",
        type=click.IntRange(0, 65535),
    ),
    sandbox: bool = options.SANDBOX,
    yes: bool = options.YES,
    foreground: bool = option("Run in the foreground; stop everything on exit."),
    opens: bool = option("Open Prefect's pages when all is ready.", "--open"),
    as_json: bool = option("Print one JSON document when all is ready.", "--json"),
) -> int:
    """Start Prefect with a worker, and the sandbox if there is no key; leave them running.

    Everything listens on this machine only. Parts that run already stay as they are; `down` ends
    them. Deploys each SPEC, or all specs that are found.
    """
    set_default("DO_NOT_TRACK", "1")  # read by Prefect while it is imported
    from rivya_flows.processes.local_api import entrance
    from rivya_flows.settings import variables_for_children
    from rivya_flows.up.end import take_down
    from rivya_flows.up.options import UpOptions, database_url, messages_url
    from rivya_flows.up.start import bring_up, terminable, watch

    found = settings()
    if sandbox or found.rivya_api_key is None:
        found = found.model_copy(update={"rivya_flows_sandbox": True})
    wanted = UpOptions(
        settings=found,
        variables=variables_for_children(),
        specs=_spec_paths(named, folder, found.rivya_flows_specs),
        port=port,
        postgres=None if postgres is None else database_url(postgres),
        redis=None if redis is None else messages_url(redis),
        receiver_port=receiver_port,
        foreground=foreground,
        confirm=confirmer(yes=yes, as_json=as_json),
    )
    if found.prefect_api_url is not None:
        tell(
            "note: `run` and `deploy` use that Prefect server (PREFECT_API_URL, or a profile), not this one"
        )
    with terminable():
        status = bring_up(wanted, tell)
        link = entrance(found.data)
        opened = opens and open_page(link)
        if as_json:
            print_json(status.as_json())
        else:
            _print(status, link, opened=opened, has_specs=bool(wanted.specs))
        if not foreground:
            return 0
        try:
            again = wanted.restarting()
            watch(found.data, lambda: bring_up(again, tell), tell)
        except KeyboardInterrupt:
            pass
        finally:
            take_down(found.data, force=True, tell=tell)
        return 0


@command()
def down(
    force: bool = option("Stop it even while a run of the command line uses it."),
    as_json: bool = options.JSON,
) -> None:
    """Stop what `up` left running, or the Prefect server that waits for the next run.

    Interrupted runs continue with the next `up`.
    """
    from rivya_flows.private import secure_data
    from rivya_flows.settings import usable_settings
    from rivya_flows.up.end import take_down

    data = usable_settings()[0].data
    secure_data(data)
    ended = take_down(data, force=force, tell=tell)
    message = "everything has ended" if ended else "nothing was running"
    show_result(message, document={"ended": ended}, as_json=as_json)


def _spec_paths(
    named: tuple[Path, ...], folder: Path | None, usual: Path | None
) -> tuple[Path, ...]:
    from rivya_flows.preparation.spec_file import specs_at

    missing = [path for path in (*named, *([folder] if folder else [])) if not path.exists()]
    if missing:
        raise UsageError(f"{missing[0]}: no such file or folder", "check the path")
    where = (folder or usual or Path("specs")).expanduser().absolute()
    paths = [path.absolute() for path in named]
    if folder is not None or (not named and where.is_dir() and specs_at(where)):
        paths.append(where)
    return tuple(paths)


def _print(status: UpStatus, link: str, *, opened: bool, has_specs: bool) -> None:
    same = [name for name in status.parts if name not in status.started]
    if same:
        tell(f"runs already: {', '.join(same)}")
    for name in same:
        if count := status.parts[name].restarts:
            tell(f"{name}: died and was restarted, {'once' if count == 1 else f'{count} times'}")
        if names := ", ".join(status.differing.get(name, ())):
            tell(f"{name}: was started with another {names}; `rivya-flows down` first to change it")
    if opened:
        show(f"Prefect    {status.url('server')}/v2, in your browser")
    else:
        show(f"Prefect    {link}", "           opens once; `rivya-flows up` prints another link")
    if url := status.url("sandbox"):
        show(f"Sandbox    {url} (pretend credits)")
    if status.deployments:
        first, *_ = status.deployments
        show(f"Deployed   {', '.join(status.deployments)}")
        show(f"Start      rivya-flows prefect deployment run {first}, or Run on its page")
        show("Runs       rivya-flows runs, also why one failed")
        show("Board      rivya-flows open last, or the link on a run's page: what it makes, live")
    elif has_specs:
        show("Deployed   nothing: a spec needs `deploy: [{name: by-hand}]`; then run `up` again")
    else:
        show("Deployed   nothing: write a spec with `rivya-flows init`, then run `up` again")
    show("Stop       rivya-flows down")


@command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    }
)
def prefect(
    arguments: tuple[str, ...] = argument(metavar="[ARGUMENT]...", type=click.UNPROCESSED),
) -> None:
    """Run a command of Prefect on the server of `up`, such as: prefect deployment ls.

    PREFECT_API_URL, if set, names another server. All ARGUMENTS go to Prefect, `--help` too.
    """
    from rivya_flows.flows.execution.local_runner import required_server

    environment = {**variables(), **required_server(settings())}
    # -P: the current folder may have a module of that name.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "prefect", *arguments], environment)


class _SandboxCommands(Group):
    """The commands of the other distribution, with the errors of this one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return _sandbox_program().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _sandbox_program().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        ctx.default_map = _defaults(_sandbox_program())
        from rivya_sandbox.service.errors import SandboxError

        try:
            return super().invoke(ctx)
        except SandboxError as error:
            raise UsageError(error.message, error.hint) from error


@click.group(cls=_SandboxCommands)
def sandbox() -> None:
    """Run and manage the local Rivya-compatible server."""


def _sandbox_program() -> click.Group:
    need("sandbox", "the local sandbox")
    from rivya_sandbox.cli import program

    return program


def _defaults(group: click.Group) -> dict[str, Any]:
    """`--data` of every command, as click's `default_map`; read only where it is left out."""
    return {
        name: _defaults(one)
        if isinstance(one, click.Group)
        else {"data": lambda: settings().data / "sandbox"}
        for name, one in group.commands.items()
    }


_SIGNS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


@command()
def doctor(
    live: bool = option("Compare models and routes of the service with the expected."),
    as_json: bool = options.JSON,
) -> int:
    """Show what is installed, reachable and configured, and how to fix what is not.

    Exit code 1 if anything is a problem. Shows no key, and buys nothing, also with --live.
    """
    from rivya_flows.doctor.examine import examine
    from rivya_flows.settings import usable_settings

    wrong: list[UsageError] = []
    try:
        found = settings(uses_data=False)
    except UsageError as error:
        found, wrong = usable_settings()
        wrong = wrong or [error]  # of a file that configures Prefect
    checks = examine(
        found, with_key=_with_key, prefect_checks=_prefect_checks, live=live, wrong=wrong
    )
    healthy = not any(check.status == "problem" for check in checks)
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{_SIGNS[check.status]}  {check.name:<{width}}  {check.message}")
        lines += [f"{'':<{len(_SIGNS['ok']) + width + 4}}{check.hint}"] if check.hint else []
    document = {"ok": healthy, "checks": [vars(check) for check in checks]}
    show_result(*lines, document=document, as_json=as_json)
    return 0 if healthy else 1


async def _with_key(settings: Settings) -> Settings:
    from rivya_flows.flows.execution.local_runner import LocalRunner
    from rivya_flows.flows.server.environment import pointed_at

    url = settings.prefect_api_url
    with pointed_at({"PREFECT_API_URL": url} if url else {}), _quiet():
        return await LocalRunner().with_key(settings)


async def _prefect_checks(settings: Settings) -> AsyncIterator[Check]:
    """Check the server that commands would use; starts none."""
    from rivya_flows.doctor.checks import ok
    from rivya_flows.flows.execution.local_runner import running_server
    from rivya_flows.flows.server.environment import pointed_at
    from rivya_flows.flows.server.local_server import is_idle

    server = running_server(settings)
    if server is None:
        idle = f"at most {settings.rivya_flows_server_idle:g} s; `rivya-flows down` ends it now"
        if is_idle(settings.data / "prefect"):
            yield ok(f"the server of the last run waits for the next one, {idle}")
        else:
            own = "`run` starts one for itself, `rivya-flows up` one with schedules and the UI"
            yield ok(f"none runs; {own}")
        return
    with pointed_at({"PREFECT_LOGGING_LEVEL": "CRITICAL", **server}), _quiet():
        from rivya_flows.flows.deployment.infrastructure import server_checks

        async for check in server_checks(settings):
            yield check


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Prefect's own log: the checks say what matters."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
