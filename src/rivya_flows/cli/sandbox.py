"""`sandbox`: the local Rivya-compatible server, and what its operator does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from rivya_flows.cli.output import print_json, print_table, show
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from collections.abc import Callable

_DATA = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of its data; default: that of the sandbox which `run` starts.",
)
_ACCOUNT = click.option("--account", default="default", show_default=True, help="Whose.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def sandbox() -> None:
    """Run and tend the local Rivya-compatible server."""


@sandbox.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0: a free one."
)
@_DATA
@click.option(
    "--credits",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Granted to a new data folder, once.",
)
@click.option(
    "--time-scale",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Multiplies how long jobs take; 0.02 is fast.",
)
@click.option(
    "--rate-limit",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Requests a minute for each key; 0: no limit.",
)
@click.option(
    "--media",
    type=click.Choice(["real", "plain"]),
    default="real",
    show_default=True,
    help="Plain: one colour, at once.",
)
@click.option(
    "--profile",
    type=click.Choice(["friendly", "hostile"]),
    default="friendly",
    show_default=True,
    help="Hostile: whatever the contract leaves open goes the other way.",
)
@click.option("--faults", type=click.Path(path_type=Path), help="YAML file of faults to order.")
@click.option("--public-url", help="Where clients reach it, if not on host and port.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON when it is ready.")
def serve(
    host: str,
    port: int,
    data: Path | None,
    credits: int,
    time_scale: float,
    rate_limit: int,
    media: str,
    profile: str,
    faults: Path | None,
    public_url: str | None,
    as_json: bool,
) -> None:
    """Serve until Ctrl-C; prints the address and a new key."""
    with _sandbox_errors():
        from rivya_flows.sandbox import serve as server
        from rivya_flows.sandbox.options import PROFILES, Options

        server.serve(
            Options(
                data=_folder(data),
                host=host,
                port=port,
                credits=credits,
                time_scale=time_scale,
                rate_limit=rate_limit,
                media=cast(Literal["real", "plain"], media),
                profile=PROFILES[profile],
                faults=None if faults is None else server.read_faults(faults),
                public_url=public_url,
            ),
            as_json=as_json,
        )


@sandbox.group()
def keys() -> None:
    """Make, list and revoke API keys; works while it serves."""


@keys.command()
@_DATA
@_ACCOUNT
@click.option("--scopes", help="Comma-separated; default: all.")
@click.option("--expires-in", type=click.FloatRange(0), help="Seconds; default: never.")
@_JSON
def create(
    data: Path | None, account: str, scopes: str | None, expires_in: float | None, as_json: bool
) -> None:
    """Make a key; it is shown this once."""
    chosen = None if scopes is None else [one.strip() for one in scopes.split(",") if one.strip()]
    made = _admin(
        lambda admin, folder: admin.create_key(
            folder, account=account, scopes=chosen, expires_in=expires_in
        ),
        data,
    )
    if as_json:
        print_json(made)
    else:
        show(f"{made['api_key']}  (id {made['id']}; shown once)")


@keys.command("list")
@_DATA
@click.option("--account", help="Only those of this account.")
@_JSON
def list_keys(data: Path | None, account: str | None, as_json: bool) -> None:
    """List the keys, without their secrets."""
    found = _admin(lambda admin, folder: admin.list_keys(folder, account=account), data)
    if as_json:
        print_json(found)
        return
    from rivya_flows.sandbox.accounts import SCOPES

    every = set(SCOPES)
    rows = [
        [
            key["id"],
            key["account"],
            f"{key['prefix']}…",
            key["created_at"],
            "revoked" if key["revoked_at"] else key["expires_at"] or "never expires",
            "all" if set(key["scopes"]) >= every else ", ".join(key["scopes"]),
        ]
        for key in found
    ]
    print_table(["id", "account", "key", "made", "until", "scopes"], rows)


@keys.command()
@click.argument("key_id", metavar="ID")
@_DATA
@_JSON
def revoke(key_id: str, data: Path | None, as_json: bool) -> None:
    """Revoke a key for good."""
    revoked = _admin(lambda admin, folder: admin.revoke_key(folder, key_id), data)
    if as_json:
        print_json(revoked)
    else:
        show(f"{key_id} is revoked")


@sandbox.group("credits")
def wallet() -> None:
    """Grant pretend credits; works while it serves."""


@wallet.command()
@click.argument("number", metavar="N", type=click.IntRange(1))
@_DATA
@_ACCOUNT
@_JSON
def add(number: int, data: Path | None, account: str, as_json: bool) -> None:
    """Add N credits to an account."""
    added = _admin(lambda admin, folder: admin.add_credits(folder, number, account=account), data)
    if as_json:
        print_json(added)
    else:
        show(f"added {added['added']}; {account} has {added['balance']} credits")


@sandbox.command()
@_DATA
@_ACCOUNT
@_JSON
def ledger(data: Path | None, account: str, as_json: bool) -> None:
    """Show a wallet: balance, movements, and what was bought."""
    found = _admin(lambda admin, folder: admin.ledger(folder, account=account), data)
    if as_json:
        print_json(found)
        return
    rows = [
        [move["at"], move["kind"], f"{move['amount']:+d}", move["task_id"] or ""]
        for move in found["movements"]
    ]
    print_table(["at", "kind", ">amount", "task"], rows)
    show(f"\nbalance {found['balance']}; {len(found['generations'])} generations")


def _admin(work: Callable[[Any, Path], Any], data: Path | None) -> Any:
    """Does something with `rivya_flows.sandbox.admin` and a data folder."""
    with _sandbox_errors():
        from rivya_flows.sandbox import admin

        return work(admin, _folder(data))


def _folder(data: Path | None) -> Path:
    if data is not None:
        return data
    from rivya_flows.cli.configuration import settings

    return settings().data / "sandbox"


@contextmanager
def _sandbox_errors() -> Iterator[None]:
    """The sandbox shares no code with the rest, so its errors are made ours here."""
    try:
        from rivya_flows.sandbox.errors import SandboxError

        yield
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the local sandbox is not installed: no module {error.name!r}",
            'install "rivya-flows[sandbox]"',
        ) from error
    except SandboxError as error:
        raise UsageError(error.message, error.hint) from error
