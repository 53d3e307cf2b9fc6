"""The command `rivya-sandbox`; `rivya-flows sandbox` has the same commands on the folder of runs."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from rivya_client.printable import one_line
from rivya_sandbox import output
from rivya_sandbox.service import admin
from rivya_sandbox.service.accounts import SCOPES
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.options import PROFILES, Options

_CENTURY = 100 * 365 * 24 * 3600


def _finite(_: click.Context, __: click.Parameter, number: float | None) -> float | None:
    if number is not None and not math.isfinite(number):
        raise click.BadParameter(f"{number} is not a finite number.")
    return number


def _check_name(_: click.Context, __: click.Parameter, name: str) -> str:
    if not name.strip():
        raise click.BadParameter("an account needs a name.")
    return name


def _folder(_: click.Context, __: click.Parameter, folder: Path | None) -> Path:
    if folder is None:  # `rivya-flows sandbox` has a default
        raise click.UsageError("missing option '--data'")
    return folder


DATA = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    callback=_folder,
    help="Folder of its data; `rivya-flows sandbox` defaults to that of runs.",
)
ACCOUNT = click.option(
    "--account", default="default", show_default=True, callback=_check_name, help="Account name."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rivya-sandbox", message="%(prog)s %(version)s")
def program() -> None:
    """Run and manage a local Rivya-compatible server."""


@program.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0: a free one; default: the folder's last port, or a free one.",
)
@DATA
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
    callback=_finite,
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
    help="Plain: tiny, in two colours, at once.",
)
@click.option(
    "--profile",
    type=click.Choice(sorted(PROFILES)),
    default="friendly",
    show_default=True,
    help="Hostile: does the opposite wherever the contract leaves a choice.",
)
@click.option(
    "--key-life",
    type=click.FloatRange(0),
    callback=_finite,
    help="Seconds an Idempotency-Key is known; default: the profile's.",
)
@click.option(
    "--url-life",
    type=click.FloatRange(0),
    callback=_finite,
    help="Seconds a result URL works; default: the profile's.",
)
@click.option("--faults", type=click.Path(path_type=Path), help="YAML file of faults to inject.")
@click.option(
    "--answers", type=click.Path(path_type=Path), help="YAML file of rehearsed chat answers."
)
@click.option("--public-url", help="Where clients reach it, if not on host and port.")
@click.option(
    "--allow-local-webhooks",
    is_flag=True,
    help="Send webhooks to http:// and to this machine too, which Rivya refuses.",
)
@click.option(
    "--request-log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write each answer to this file: time, status, method, path.",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON when it is ready.")
def serve(
    profile: str,
    key_life: float | None,
    url_life: float | None,
    faults: Path | None,
    answers: Path | None,
    public_url: str | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Serve until Ctrl-C; prints the address and a new key."""
    if public_url is not None and not public_url.startswith(("http://", "https://")):
        raise SandboxError(
            f"--public-url: {public_url!r} is not an address", "write it like http://192.0.2.7:8700"
        )
    chosen = PROFILES[profile]
    if key_life is not None:
        chosen = replace(chosen, key_life_seconds=key_life)
    if url_life is not None:
        chosen = replace(chosen, url_life_seconds=url_life)
    # Here and not above: the other commands need neither a web server nor renderers.
    from rivya_sandbox.service import serve as server

    options = Options(
        profile=chosen,
        faults=None if faults is None else _text(faults),
        answers=None if answers is None else _text(answers),
        public_url=public_url,
        **rest,
    )
    server.serve(options, as_json=as_json)


@program.group()
def keys() -> None:
    """Create, list and revoke API keys; works while it serves."""


@keys.command()
@DATA
@ACCOUNT
@click.option("--scopes", help="Comma-separated; default: all.")
@click.option(
    "--expires-in",
    type=click.FloatRange(0, _CENTURY),
    callback=_finite,
    help="Seconds; default: never.",
)
@JSON
def create(
    data: Path, account: str, scopes: str | None, expires_in: float | None, as_json: bool
) -> None:
    """Create a key; its secret is shown this once."""
    chosen = None if scopes is None else [one.strip() for one in scopes.split(",") if one.strip()]
    if chosen == []:
        raise SandboxError("--scopes names none", "leave it out for all of them")
    made = admin.create_key(data, account=account, scopes=chosen, expires_in=expires_in)
    output.show(made, as_json, f"{made['api_key']}  (id {made['id']}; shown once)")


@keys.command("list")
@DATA
@click.option("--account", help="Only the keys of this account.")
@JSON
def list_keys(data: Path, account: str | None, as_json: bool) -> None:
    """List the keys, without their secrets."""
    found = admin.list_keys(data, account=account)
    rows = [
        [
            key["id"],
            key["account"],
            f"{key['prefix']}…",
            key["created_at"],
            "revoked" if key["revoked_at"] else key["expires_at"] or "never expires",
            "all" if set(key["scopes"]) >= set(SCOPES) else ", ".join(key["scopes"]),
        ]
        for key in found
    ]
    output.show(
        found, as_json, *output.table(["id", "account", "key", "made", "until", "scopes"], rows)
    )


@keys.command()
@click.argument("key_id", metavar="ID")
@DATA
@JSON
def revoke(key_id: str, data: Path, as_json: bool) -> None:
    """Revoke a key for good."""
    output.show(admin.revoke_key(data, key_id), as_json, f"{key_id} is revoked")


@program.group("credits")
def wallet() -> None:
    """Grant pretend credits; works while it serves."""


@wallet.command()
@click.argument("number", metavar="N", type=click.IntRange(1))
@DATA
@ACCOUNT
@JSON
def add(number: int, data: Path, account: str, as_json: bool) -> None:
    """Add N credits to an account."""
    added = admin.add_credits(data, number, account=account)
    balance = added["balance"]
    words = f"added {added['added']}; {account} has {balance} credit{'s' * (balance != 1)}"
    output.show(added, as_json, words)


@program.command()
@DATA
@ACCOUNT
@JSON
def ledger(data: Path, account: str, as_json: bool) -> None:
    """Show a wallet: balance, movements and purchases."""
    found = admin.ledger(data, account=account)
    rows = [
        [move["at"], move["kind"], f"{move['amount']:+d}", move["task_id"] or ""]
        for move in found["movements"]
    ]
    total = f"balance {found['balance']}; {len(found['generations'])} generations"
    output.show(found, as_json, *output.table(["at", "kind", ">amount", "task"], rows), "", total)


@program.group()
def faults() -> None:
    """Inject faults; works while it serves."""


@faults.command("list")
@DATA
@JSON
def list_faults(data: Path, as_json: bool) -> None:
    """List the faults, each with how often it happened."""
    _show_faults(admin.list_faults(data), as_json)


@faults.command("set")
@click.argument("file", type=Path)
@DATA
@JSON
def set_faults(file: Path, data: Path, as_json: bool) -> None:
    """Replace all faults with those of a YAML FILE, and count from 0."""
    _show_faults(admin.set_faults(data, _text(file), source=str(file)), as_json)


@faults.command()
@DATA
@JSON
def clear(data: Path, as_json: bool) -> None:
    """End all faults."""
    count = len(admin.list_faults(data))
    admin.set_faults(data, "")
    output.show([], as_json, f"{count} fault{'' if count == 1 else 's'} ended")


def _show_faults(found: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    rows = [
        [
            fault["on"],
            f"{fault['do']} {fault['how'] or ''}".rstrip(),
            fault["model"] or "any",
            output.shorten(fault["prompt"] or "any"),
            "" if fault["status"] is None else str(fault["status"]),
            "" if fault["seconds"] is None else f"{fault['seconds']:g}",
            f"{fault['probability']:g}",
            output.times(fault),
        ]
        for fault in found
    ]
    columns = ["on", "do", "model", "prompt", ">status", ">seconds", ">probability", ">happened"]
    output.show(found, as_json, *(output.table(columns, rows) if rows else ["no faults"]))


@program.group()
def answers() -> None:
    """Rehearse chat answers; works while it serves."""


@answers.command("list")
@DATA
@JSON
def list_answers(data: Path, as_json: bool) -> None:
    """List the rehearsed answers, each with how often it was given."""
    _show_answers(admin.list_answers(data), as_json)


@answers.command("set")
@click.argument("file", type=Path)
@DATA
@JSON
def set_answers(file: Path, data: Path, as_json: bool) -> None:
    """Replace all rehearsed answers with those of a YAML FILE, and count from 0."""
    _show_answers(admin.set_answers(data, _text(file), source=str(file)), as_json)


@answers.command("clear")
@DATA
@JSON
def clear_answers(data: Path, as_json: bool) -> None:
    """End all rehearsed answers."""
    count = len(admin.list_answers(data))
    admin.set_answers(data, "")
    output.show([], as_json, f"{count} answer{'' if count == 1 else 's'} ended")


def _show_answers(found: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    rows = [
        [
            output.shorten(answer["when"] or "any message"),
            answer["model"] or "any",
            output.shorten(
                json.dumps(answer["json"]) if answer["text"] is None else answer["text"]
            ),
            output.times(answer),
        ]
        for answer in found
    ]
    columns = ["when", "model", "answer", ">given"]
    output.show(
        found, as_json, *(output.table(columns, rows) if rows else ["no rehearsed answers"])
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise SandboxError(f"{path}: cannot be read: {problem}") from problem


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code of a command; an error is one line on stderr and code 2."""
    try:
        program.main(arguments, prog_name="rivya-sandbox", standalone_mode=False)
    except SandboxError as error:
        hint = f" (hint: {error.hint})" if error.hint else ""
        click.echo(one_line(f"error: {error}{hint}"), err=True)
        return 2
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    return 0


def main() -> None:
    """The console script."""
    os.umask(0o077)  # keys, prompts and media are their owner's alone
    sys.exit(run())
