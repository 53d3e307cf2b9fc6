"""Chat turns: checked, charged, answered, settled by tokens; and their history.

Source: contract, section 6.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rivya_sandbox.service import answers, faults, files, idempotency, wallet
from rivya_sandbox.service.catalogue import ServedCatalogue, ServedModel
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import Refusal, invalid
from rivya_sandbox.service.identifiers import iso, new_id
from rivya_sandbox.service.options import ServiceProfile
from rivya_sandbox.service.validation import an_object, no_others, request_id

ROUTE = "POST /api/v1/chat/completions"
STREAM_ROUTE = "POST /api/v1/chat/completions/stream"
SECONDS = 2.0
"""Simulated time of a turn."""
_FIELDS = {
    "model",
    "session_id",
    "message",
    "attachments",
    "enable_web_search",
    "reasoning_effort",
    "client_request_id",
}
EFFORTS = ("default", "minimal", "low", "medium", "high", "xhigh")
MOST_ATTACHMENTS = 10
# Four characters are about a token; the base price covers this many tokens of a whole turn.
_CHARACTERS_PER_TOKEN = 4
_TOKENS_OF_BASE = 2400


@dataclass(frozen=True)
class ValidChatRequest:
    """A chat request that is valid for its model.

    Attributes:
        session_id: None starts a session.
        history: ``(role, content)`` of the session's messages, oldest first.
        attachments: Ids of the files attached to the message.
        seen: Ids of the pictures in view: those, or if there are none, those of the latest
            message of the session that has any.
    """

    model: ServedModel
    session_id: str | None
    message: str
    history: tuple[tuple[str, str], ...]
    attachments: tuple[str, ...]
    seen: tuple[str, ...]


@dataclass(frozen=True)
class ChargedTurn:
    """A turn that is charged and not answered yet.

    Attributes:
        begun_at: Unix seconds.
        fails: Whether a fault makes it fail in the middle.
        late_seconds: Real seconds of delay by a fault.
        rehearsed: The text of its answer, or None if it must be written.
    """

    id: str
    account_id: str
    session_id: str
    reserved: int
    asked: ValidChatRequest
    claim: idempotency.Claim | None
    begun_at: float
    fails: bool = False
    late_seconds: float = 0
    rehearsed: str | None = None

    @property
    def opening(self) -> dict[str, str]:
        """The fields of the answer that are known before its text."""
        return {
            "id": self.id,
            "session_id": self.session_id,
            "model": self.asked.model.id,
            "created_at": iso(self.begun_at),
        }


def check(
    database: Database, catalogue: ServedCatalogue, account_id: str, body: Any
) -> ValidChatRequest:
    """Validate a request.

    Raises:
        Refusal: It is invalid.
    """
    fields = an_object(body, "The body")
    no_others(fields, _FIELDS, "the body")
    request_id(fields.get("client_request_id"))
    model = _model(catalogue, fields.get("model"))
    message = fields.get("message")
    if not isinstance(message, str) or not message.strip():
        raise invalid("'message' is required.")
    if model.max_prompt_length is not None and len(message) > model.max_prompt_length:
        raise invalid(
            f"'message' has {len(message)} characters; "
            f"{model.id!r} takes at most {model.max_prompt_length}."
        )
    if not isinstance(fields.get("enable_web_search"), bool | None):
        raise invalid("'enable_web_search' must be true or false.")
    if fields.get("reasoning_effort") not in (None, *EFFORTS):
        raise invalid(f"'reasoning_effort' must be one of {', '.join(EFFORTS)}.")
    attachments = _attachments(database, model, account_id, fields.get("attachments"))
    session_id = fields.get("session_id")
    earlier = [] if session_id is None else _history(database, account_id, model, session_id)
    text = (json.loads(row["attachments"]) for row in reversed(earlier))
    return ValidChatRequest(
        model,
        session_id,
        message,
        history=tuple((row["role"], row["content"]) for row in earlier),
        attachments=attachments,
        seen=attachments or tuple(next(filter(None, text), ())),
    )


def begin(
    transaction: sqlite3.Connection,
    asked: ValidChatRequest,
    *,
    account_id: str,
    route: str,
    claim: idempotency.Claim | None,
    profile: ServiceProfile,
    now: float,
) -> ChargedTurn:
    """Reserve the credits of a turn and mark its key as running.

    Raises:
        Refusal: Too few credits; nothing is stored.
    """
    fault = faults.of_chat(transaction, asked.model.id, asked.message)
    turn = ChargedTurn(
        id=new_id("chatcmpl"),
        account_id=account_id,
        session_id=asked.session_id or new_id("session"),
        reserved=asked.model.base_credits + profile.surcharge,
        asked=asked,
        claim=claim,
        begun_at=now,
        fails=fault is not None and fault.do == "fail",
        late_seconds=0 if fault is None or fault.seconds is None else fault.seconds,
        rehearsed=answers.of_turn(transaction, asked.model.id, asked.message, asked.history),
    )
    wallet.reserve(transaction, account_id, turn.reserved, turn.id, now=now)
    idempotency.begin(transaction, claim, now=now)
    transaction.execute(
        "INSERT INTO chat_turns VALUES (?, ?, ?, ?, ?, ?)",
        (
            turn.id,
            account_id,
            turn.session_id,
            turn.reserved,
            route,
            None if claim is None else claim.key,
        ),
    )
    return turn


def finish(
    transaction: sqlite3.Connection,
    turn: ChargedTurn,
    content: str,
    *,
    profile: ServiceProfile,
    now: float,
) -> idempotency.Stored:
    """Store the answer, settle, and keep the answer for its key, in one transaction."""
    asked = turn.asked
    read = sum(len(text) for _, text in asked.history) + len(asked.message)
    usage = _usage(read, len(content))
    priced = asked.model.base_credits * usage["total_tokens"] / _TOKENS_OF_BASE
    final = min(turn.reserved, max(1, math.ceil(priced)))
    transaction.execute(
        "INSERT INTO chat_sessions VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at",
        (turn.session_id, turn.account_id, asked.model.id, now, now),
    )
    _say(transaction, turn.session_id, "user", asked.message, now, asked.attachments)
    message_id = _say(transaction, turn.session_id, "assistant", content, now)
    wallet.settle(transaction, turn.account_id, turn.reserved - final, turn.id, now=now)
    answer = {
        "object": "chat.completion",
        **turn.opening,
        "message": {"id": message_id, "role": "assistant", "content": content},
        "usage": usage,
        "credits": {"reserved": turn.reserved, "final": final},
    }
    transaction.execute("DELETE FROM chat_turns WHERE id = ?", (turn.id,))
    whole = {**answer, **profile.extra_fields}
    return idempotency.remember(transaction, turn.claim, profile.chat_status, whole, now=now)


def abandon(database: Database, turn_id: str | None = None, *, now: float) -> None:
    """Refund a turn, or all turns, that will never be answered.

    Their keys are free again: a repeated request is charged and answered.
    """
    with database.transaction() as transaction:
        for row in transaction.execute("SELECT * FROM chat_turns").fetchall():
            if turn_id in (None, row["id"]):
                wallet.refund(transaction, row["account_id"], row["reserved"], row["id"], now=now)
                idempotency.forget(
                    transaction, row["account_id"], row["route"], row["idempotency_key"]
                )
                transaction.execute("DELETE FROM chat_turns WHERE id = ?", (row["id"],))


def sessions(database: Database, account_id: str) -> list[dict[str, Any]]:
    """All sessions of the account, the last used first."""
    rows = database.rows(
        """SELECT chat_sessions.*, count(chat_messages.id) AS message_count
            FROM chat_sessions LEFT JOIN chat_messages ON session_id = chat_sessions.id
            WHERE account_id = ? GROUP BY chat_sessions.id ORDER BY updated_at DESC, chat_sessions.rowid DESC""",
        account_id,
    )
    return [_session(row) for row in rows]


def session(database: Database, account_id: str, session_id: str) -> dict[str, Any] | None:
    """One session with its messages, or None."""
    found = [one for one in sessions(database, account_id) if one["id"] == session_id]
    if not found:
        return None
    messages = [
        {
            "id": row["id"],
            "role": row["role"],
            "content": row["content"],
            "created_at": iso(row["created_at"]),
        }
        for row in _messages(database, session_id)
    ]
    return {**found[0], "messages": messages}


def _messages(database: Database, session_id: str) -> list[sqlite3.Row]:
    return database.rows(
        "SELECT * FROM chat_messages WHERE session_id = ? ORDER BY position", session_id
    )


def _model(catalogue: ServedCatalogue, name: Any) -> ServedModel:
    if not isinstance(name, str) or not name:
        raise invalid("'model' is required.")
    model = catalogue.models.get(name)
    if model is None or model.category != "chat" or not model.available:
        raise Refusal("chat_model_not_supported", f"{name!r} is not a chat model of the API.")
    return model


def _attachments(
    database: Database, model: ServedModel, account_id: str, given: Any
) -> tuple[str, ...]:
    """The ids of attached images."""
    if given is None or given == []:
        return ()
    if not isinstance(given, list) or len(given) > MOST_ATTACHMENTS:
        raise invalid(f"'attachments' must be an array of at most {MOST_ATTACHMENTS} objects.")
    refused = "chat_attachment_not_supported"
    if not model.chat.get("image_attachments"):
        raise Refusal(refused, f"{model.id!r} takes no attachments.")
    for index, attachment in enumerate(given):
        where = f"attachments[{index}]"
        fields = an_object(attachment, where)
        file_id = fields.get("file_id")
        if fields.keys() != {"file_id"} or not isinstance(file_id, str):
            raise Refusal(refused, f"{where} must be {{file_id}} of an image of the Files API.")
        file = files.get(database, account_id, file_id)
        if file is None or file.kind != "image":
            raise Refusal(refused, f"{where}: {file_id!r} is not an image of this account.")
    return tuple(attachment["file_id"] for attachment in given)


def _history(
    database: Database, account_id: str, model: ServedModel, session_id: Any
) -> list[sqlite3.Row]:
    if not isinstance(session_id, str):
        raise invalid("'session_id' must be text.")
    found = session(database, account_id, session_id)
    if found is None:
        raise Refusal("not_found", f"No session {session_id!r}.")
    if found["model"] != model.id:
        raise Refusal(
            "chat_session_conflict", f"The session belongs to the model {found['model']!r}."
        )
    return _messages(database, session_id)


def _usage(characters_in: int, characters_out: int) -> dict[str, int]:
    tokens_in = math.ceil(characters_in / _CHARACTERS_PER_TOKEN)
    tokens_out = math.ceil(characters_out / _CHARACTERS_PER_TOKEN)
    return {
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
    }


def _say(
    transaction: sqlite3.Connection,
    session_id: str,
    role: str,
    content: str,
    now: float,
    attachments: Sequence[str] = (),
) -> str:
    message_id = new_id("msg")
    transaction.execute(
        "INSERT INTO chat_messages (id, session_id, role, content, created_at, attachments) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (message_id, session_id, role, content, now, json.dumps(attachments)),
    )
    return message_id


def _session(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "chat.session",
        "model": row["model"],
        "title": None,
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["updated_at"]),
        "message_count": row["message_count"],
    }
