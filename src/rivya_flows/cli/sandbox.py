"""`sandbox`: the local Rivya-compatible server, and what its operator does."""

from __future__ import annotations

from pathlib import Path

import click

from rivya_flows.cli.numbers import AtLeastZero
from rivya_flows.cli.output import print_json, print_table, show
from rivya_flows.cli.sandbox_faults import faults
from rivya_flows.cli.sandbox_folder import ACCOUNT, DATA, JSON, operate
from rivya_flows.cli.sandbox_serve import serve
from rivya_flows.errors import UsageError

_CENTURY = 100 * 365 * 24 * 3600


@click.group()
def sandbox() -> None:
    """Run and tend the local Rivya-compatible server."""


sandbox.add_command(serve)
sandbox.add_command(faults)


@sandbox.group()
def keys() -> None:
    """Make, list and revoke API keys; works while it serves."""


@keys.command()
@DATA
@ACCOUNT
@click.option("--scopes", help="Comma-separated; default: all.")
@click.option("--expires-in", type=AtLeastZero(_CENTURY), help="Seconds; default: never.")
@JSON
def create(
    data: Path | None, account: str, scopes: str | None, expires_in: float | None, as_json: bool
) -> None:
    """Make a key; it is shown this once."""
    chosen = None if scopes is None else [one.strip() for one in scopes.split(",") if one.strip()]
    if chosen == []:
        raise UsageError("--scopes names none", "leave it out for all of them")
    made = operate(
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
@DATA
@click.option("--account", help="Only those of this account.")
@JSON
def list_keys(data: Path | None, account: str | None, as_json: bool) -> None:
    """List the keys, without their secrets."""
    found = operate(lambda admin, folder: admin.list_keys(folder, account=account), data)
    if as_json:
        print_json(found)
        return
    from rivya_sandbox.service.accounts import SCOPES

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
@DATA
@JSON
def revoke(key_id: str, data: Path | None, as_json: bool) -> None:
    """Revoke a key for good."""
    revoked = operate(lambda admin, folder: admin.revoke_key(folder, key_id), data)
    if as_json:
        print_json(revoked)
    else:
        show(f"{key_id} is revoked")


@sandbox.group("credits")
def wallet() -> None:
    """Grant pretend credits; works while it serves."""


@wallet.command()
@click.argument("number", metavar="N", type=click.IntRange(1))
@DATA
@ACCOUNT
@JSON
def add(number: int, data: Path | None, account: str, as_json: bool) -> None:
    """Add N credits to an account."""
    added = operate(lambda admin, folder: admin.add_credits(folder, number, account=account), data)
    if as_json:
        print_json(added)
    else:
        show(f"added {added['added']}; {account} has {added['balance']} credits")


@sandbox.command()
@DATA
@ACCOUNT
@JSON
def ledger(data: Path | None, account: str, as_json: bool) -> None:
    """Show a wallet: balance, movements, and what was bought."""
    found = operate(lambda admin, folder: admin.ledger(folder, account=account), data)
    if as_json:
        print_json(found)
        return
    rows = [
        [move["at"], move["kind"], f"{move['amount']:+d}", move["task_id"] or ""]
        for move in found["movements"]
    ]
    print_table(["at", "kind", ">amount", "task"], rows)
    show("", f"balance {found['balance']}; {len(found['generations'])} generations")
