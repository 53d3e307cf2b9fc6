"""Operations on a data folder, also while it is served: keys, credits, ledger, faults.

Every function takes the folder and returns what the commands print with ``--json``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rivya_sandbox.service import accounts, answers, faults, wallet
from rivya_sandbox.service.accounts import DEFAULT_ACCOUNT, SCOPES, Key
from rivya_sandbox.service.database import FILE_NAME, Database
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.identifiers import iso, iso_or_none

_LARGEST_GRANT = 10**12


def create_key(
    data: Path,
    *,
    account: str = DEFAULT_ACCOUNT,
    scopes: Sequence[str] | None = None,
    expires_in: float | None = None,
    clock: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """Create a key; only this answer has its secret.

    Args:
        data: The folder; created if missing.
        account: Name of the account; created if missing.
        scopes: None gives all nine.
        expires_in: Seconds; None means never.
        clock: Unix seconds now.

    Returns:
        ``{"id", "api_key", "prefix", "scopes", "expires_at"}``.

    Raises:
        SandboxError: An unknown scope, or the folder cannot be used.
    """
    chosen = SCOPES if scopes is None else tuple(scopes)
    for scope in chosen:
        if scope not in SCOPES:
            raise SandboxError(f"no scope {scope!r}", "one of " + ", ".join(SCOPES))
    now = clock()
    expires_at = None if expires_in is None else now + expires_in
    with closing(Database(data)) as database, database.transaction() as transaction:
        account_id = accounts.account(transaction, account, now=now)
        key, secret = accounts.create_key(
            transaction, account_id, now=now, scopes=chosen, expires_at=expires_at
        )
    return {
        "id": key.id,
        "api_key": secret,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "expires_at": iso_or_none(expires_at),
    }


def list_keys(data: Path, *, account: str | None = None) -> list[dict[str, Any]]:
    """All keys, or those of one account, oldest first, without their secrets.

    Raises:
        SandboxError: There is no such folder or account.
    """
    with _existing(data) as database:
        names = {row["id"]: row["name"] for row in database.rows("SELECT * FROM accounts")}
        wanted = None if account is None else _account_id(database, account)
        return [
            _describe_key(key, names[key.account_id]) for key in accounts.keys(database, wanted)
        ]


def revoke_key(
    data: Path, key_id: str, *, clock: Callable[[], float] = time.time
) -> dict[str, Any]:
    """Revoke a key for good.

    Returns:
        The key as `list_keys` shows it.

    Raises:
        SandboxError: There is no such folder or key.
    """
    with _existing(data) as database, database.transaction() as transaction:
        if not accounts.revoke_key(transaction, key_id, now=clock()):
            raise SandboxError(f"no key {key_id!r}", "`sandbox keys list` shows the ids")
    return next(key for key in list_keys(data) if key["id"] == key_id)


def add_credits(
    data: Path,
    credits: int,
    *,
    account: str = DEFAULT_ACCOUNT,
    clock: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """Grant credits to an account; created if missing.

    Returns:
        ``{"account", "added", "balance"}``.

    Raises:
        SandboxError: Not a positive number, or the folder cannot be used.
    """
    if not 0 < credits <= _LARGEST_GRANT:
        raise SandboxError(f"cannot add {credits} credits", f"give 1 to {_LARGEST_GRANT}")
    now = clock()
    with closing(Database(data)) as database:
        with database.transaction() as transaction:
            account_id = accounts.account(transaction, account, now=now)
            wallet.grant(transaction, account_id, credits, now=now)
        balance = wallet.balance(database, account_id)
    return {"account": account, "added": credits, "balance": balance}


def ledger(data: Path, *, account: str = DEFAULT_ACCOUNT) -> dict[str, Any]:
    """The account's wallet and purchases, oldest first; chats are movements only.

    Returns:
        ``{"balance", "movements": [{"at", "kind", "amount", "task_id"}], "generations": [{"id",
        "model", "status", "idempotency_key", "reserved_credits", "final_credits",
        "client_request_id"}]}``; the amounts sum to the balance.

    Raises:
        SandboxError: There is no such folder or account.
    """
    # One transaction, so that the three parts are consistent.
    with _existing(data) as database, database.transaction():
        account_id = _account_id(database, account)
        movements = database.rows(
            "SELECT at, kind, amount, task_id FROM movements WHERE account_id = ? ORDER BY id",
            account_id,
        )
        generations = database.rows(
            """SELECT id, model, status, idempotency_key, reserved_credits, final_credits,
                client_request_id FROM generations WHERE account_id = ? ORDER BY created_at, rowid""",
            account_id,
        )
        return {
            "balance": wallet.balance(database, account_id),
            "movements": [{**dict(row), "at": iso(row["at"])} for row in movements],
            "generations": [dict(row) for row in generations],
        }


def list_faults(data: Path) -> list[dict[str, Any]]:
    """The faults in their order, each with how often it was `used`.

    Raises:
        SandboxError: There is no such folder.
    """
    with _existing(data) as database:
        return faults.list_faults(database)


def set_faults(data: Path, text: str, *, source: str = "faults") -> list[dict[str, Any]]:
    """Replace all faults with those of a YAML text, counted from 0; an empty text ends all.

    Args:
        data: The folder.
        text: YAML.
        source: Name of the text in messages, such as its path.

    Raises:
        SandboxError: The text is wrong; the earlier faults stay.
    """
    ordered = faults.parse(text, source=source)
    with closing(Database(data)) as database:
        faults.replace(database, ordered)
        return faults.list_faults(database)


def list_answers(data: Path) -> list[dict[str, Any]]:
    """The rehearsed chat answers in their order, each with how often it was `used`.

    Raises:
        SandboxError: There is no such folder.
    """
    with _existing(data) as database:
        return answers.list_answers(database)


def set_answers(data: Path, text: str, *, source: str = "answers") -> list[dict[str, Any]]:
    """Replace all rehearsed chat answers with those of a YAML text; an empty text ends all.

    Args:
        data: The folder.
        text: YAML.
        source: Name of the text in messages, such as its path.

    Raises:
        SandboxError: The text is wrong; the earlier answers stay.
    """
    rehearsed = answers.parse(text, source=source)
    with closing(Database(data)) as database:
        answers.replace(database, rehearsed)
        return answers.list_answers(database)


@contextmanager
def _existing(data: Path) -> Iterator[Database]:
    if not (data / FILE_NAME).is_file():
        raise SandboxError(f"{data}: no sandbox data here", "use the --data DIR of `sandbox serve`")
    with closing(Database(data)) as database:
        yield database


def _account_id(database: Database, name: str) -> str:
    row = database.row("SELECT id FROM accounts WHERE name = ?", name)
    if row is None:
        raise SandboxError(f"no account {name!r}", "`sandbox keys create --account NAME` makes one")
    return str(row["id"])


def _describe_key(key: Key, account: str) -> dict[str, Any]:
    return {
        "id": key.id,
        "account": account,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "created_at": iso(key.created_at),
        "expires_at": iso_or_none(key.expires_at),
        "revoked_at": iso_or_none(key.revoked_at),
    }
