"""`up` and `down`: sandbox, Prefect server, receiver and worker of a data folder, left running."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rivya_flows.cli.output import print_json, show, tell
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.cli.up_wish import UpOptions


@click.command()
@click.argument("named", metavar="[SPEC]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--specs",
    type=click.Path(path_type=Path, file_okay=False),
    help="Deploy every spec of this folder; default: RIVYA_FLOWS_SPECS, else ./specs.",
)
@click.option(
    "--postgres",
    metavar="URL",
    help="Prefect's database, such as postgresql+asyncpg://user@host/prefect; default: a file.",
)
@click.option(
    "--redis",
    metavar="URL",
    help="Prefect's messages, such as redis://127.0.0.1:6379/0; default: in memory.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Of the Prefect server; 0: a free one; default: the last one, else 4200, else a free one.",
)
@click.option("--sandbox", is_flag=True, help="Buy from the local sandbox, also with a key.")
@click.option("--foreground", is_flag=True, help="Stay, and end all of it with this command.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document when all is ready.")
def up(
    named: tuple[Path, ...],
    specs: Path | None,
    postgres: str | None,
    redis: str | None,
    port: int | None,
    sandbox: bool,
    foreground: bool,
    as_json: bool,
) -> int:
    """Start Prefect with a worker, and the sandbox when there is no key; leave it running.

    All of it listens on this machine alone. What runs already is left alone; `down` ends it.
    Deploys each SPEC, or all that are found.
    """
    from rivya_flows.cli.up_standing import document, show_all
    from rivya_flows.cli.up_start import bring_up

    wish = _wish(named, specs, postgres, redis, port, sandbox=sandbox)
    if wish.settings.prefect_api_url is not None:
        tell("note: PREFECT_API_URL is set, so `run` and `deploy` use that server and not this one")
    with _terminable():
        standing = bring_up(wish, tell)
        if as_json:
            print_json(document(wish.data, standing))
        else:
            show_all(standing)
        return _stay(wish) if foreground else 0


@click.command()
@click.option("--force", is_flag=True, help="Also while a run of the command line uses it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def down(force: bool, as_json: bool) -> None:
    """End what `up` left running.

    Runs that are under way go on with the next `up`.
    """
    from rivya_flows.cli.configuration import settings
    from rivya_flows.cli.up_end import take_down

    ended = take_down(settings().data, force=force, tell=tell)
    if as_json:
        print_json({"ended": ended})
    else:
        show(f"ended: {', '.join(ended)}" if ended else "nothing was running")


def _wish(
    named: tuple[Path, ...],
    specs: Path | None,
    postgres: str | None,
    redis: str | None,
    port: int | None,
    *,
    sandbox: bool,
) -> UpOptions:
    from rivya_flows.cli.configuration import settings
    from rivya_flows.cli.up_wish import UpOptions, database_url, messages_url
    from rivya_flows.settings import variables_for_children

    found = settings()
    return UpOptions(
        settings=found,
        variables=variables_for_children(),
        sandbox=sandbox or found.rivya_api_key is None,
        specs=_spec_paths(named, specs, found.rivya_flows_specs),
        port=port,
        postgres=None if postgres is None else database_url(postgres),
        redis=None if redis is None else messages_url(redis),
    )


def _spec_paths(
    named: tuple[Path, ...], folder: Path | None, usual: Path | None
) -> tuple[Path, ...]:
    """The specs to deploy: files, and folders of them.

    Raises:
        UsageError: One that was named is not there.
    """
    missing = [path for path in (*named, *([folder] if folder else [])) if not path.exists()]
    if missing:
        raise UsageError(f"{missing[0]}: there is no such file or folder", "check the path")
    where = (folder or usual or Path("specs")).expanduser().absolute()
    given = [path.absolute() for path in named]
    if folder is not None or (not named and any(where.glob("*.yaml"))):
        given.append(where)
    return tuple(given)


def _stay(wish: UpOptions) -> int:
    """Waits for Ctrl-C, SIGTERM or the death of a part, then ends all; gives the exit code."""
    import time

    from rivya_flows.app.processes import registry
    from rivya_flows.cli.up_end import take_down

    try:
        while True:
            parts = registry.read(wish.data).parts
            if parts and all(part.lives for part in parts):
                time.sleep(1)
                continue
            with registry.guarded(wish.data):  # `down` may be at it, or another `up`
                parts = registry.read(wish.data).parts
            if not parts:
                return 0
            if dead := [part.name for part in parts if not part.lives]:
                tell(f"{dead[0]} has died: ending the rest")
                return 1
    except KeyboardInterrupt:
        return 0
    finally:
        take_down(wish.data, force=True, tell=tell)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Lets SIGTERM do what Ctrl-C does."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
