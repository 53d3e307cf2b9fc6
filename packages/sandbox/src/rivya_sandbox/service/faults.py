"""Injected faults: read from YAML, kept in the state, drawn by a seed.

The counts survive a restart, so "drop the second request" holds even if the server is killed
in between.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rivya_sandbox.renderers.request import HOWS, How
from rivya_sandbox.service import yaml_files
from rivya_sandbox.service.catalogue import packaged_catalogue
from rivya_sandbox.service.database import Database, server_value
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.yaml_files import fold_text

GENERATION = "generation"
CHAT = "chat"
WEBHOOK = "webhook"
_FORM = "write it like `faults: [{on: generation, do: fail, times: 1}]`"
_OF_REQUESTS = ("status", "delay", "drop_before", "drop_after_commit")
_OF_GENERATIONS = ("delay", "fail", "stall", "refuse", "broken")
_OF_CHATS = ("delay", "fail")
_OF_WEBHOOKS = ("status", "delay", "drop_before", "drop_after_commit", "double", "shuffle")
CREATE = "POST /api/v1/generations"
_ON = re.compile(r"generation|chat|webhook|[A-Z]+ /\S*")
_ALLOWED = {
    CREATE: (*_OF_REQUESTS, "refuse"),
    GENERATION: _OF_GENERATIONS,
    CHAT: _OF_CHATS,
    WEBHOOK: _OF_WEBHOOKS,
}


class Fault(BaseModel):
    """One fault.

    Attributes:
        on: ``METHOD /path`` (with ``*`` for any text), ``generation``, ``chat`` or ``webhook``.
        do: What happens; `status delay drop_before drop_after_commit` to a request, and `refuse`
            to a new generation's; `delay fail stall refuse broken` to a generation, `delay fail`
            to a chat turn, `status delay drop_before drop_after_commit double shuffle` to a webhook.
        how: Of `broken`: how the medium is.
        model: Only requests, generations, turns or events of this model; None means any.
        prompt: Only those whose prompt or message contains this text, whatever its case and
            spaces; None means any.
        status: HTTP status for ``status``.
        seconds: Real seconds for ``delay``, ``stall`` and ``shuffle``; a stall without them lasts
            until the faults are replaced.
        times: Maximum number of times; None means no limit.
        probability: Probability of each matching event, 0 to 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: str
    do: Literal[
        "status",
        "delay",
        "drop_before",
        "drop_after_commit",
        "fail",
        "stall",
        "refuse",
        "broken",
        "double",
        "shuffle",
    ]
    how: How | None = None
    model: str | None = None
    prompt: str | None = Field(default=None, min_length=1, max_length=500)
    status: int | None = Field(default=None, ge=400, le=599)
    seconds: float | None = Field(default=None, ge=0)
    times: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1, gt=0, le=1)

    @field_validator("on")
    @classmethod
    def _check_event(cls, on: str) -> str:
        if not _ON.fullmatch(on):
            kinds = "generation, chat, webhook, or a request such as 'GET /api/v1/credits'"
            raise ValueError(f"{on!r:.60} is not one of {kinds}")
        return on

    @model_validator(mode="after")
    def _fits(self) -> Fault:
        allowed = _ALLOWED.get(self.on, _OF_REQUESTS)
        if self.do not in allowed:
            raise ValueError(
                f"'do: {self.do}' does not go with 'on: {self.on}', but one of {', '.join(allowed)}"
            )
        if self.do == "status" and self.status is None:
            raise ValueError("'do: status' needs 'status'")
        if self.do == "delay" and self.seconds is None:
            raise ValueError("'do: delay' needs 'seconds'")
        if (self.do == "broken") != (self.how is not None):
            raise ValueError(f"'how' goes with 'do: broken': one of {', '.join(get_args(How))}")
        category = _categories().get(self.model or "", "")
        if self.how is not None and self.how not in HOWS.get(category, (self.how,)):
            raise ValueError(
                f"'how: {self.how}' does not go with the {category} of {self.model},"
                f" but one of {', '.join(HOWS[category])}"
            )
        if self.prompt is not None:
            if not self.prompt.strip():
                raise ValueError("'prompt' has no words")
            if self.on not in (GENERATION, CHAT) and not self.on.startswith("POST "):
                raise ValueError(f"'prompt' does not go with 'on: {self.on}', which has none")
        return self

    def concerns(self, model: str | None, prompt: str | None) -> bool:
        """Whether it is for this model and this prompt or message."""
        if self.model not in (None, model):
            return False
        return self.prompt is None or (
            prompt is not None and fold_text(self.prompt) in fold_text(prompt)
        )


class Faults(BaseModel):
    """A file of faults; the first that applies happens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    faults: tuple[Fault, ...] = Field(default=(), max_length=200)


def parse(text: str, *, source: str) -> Faults:
    """Parse faults from YAML.

    Raises:
        SandboxError: It is not YAML, or does not match the schema.
    """
    found = yaml_files.read(text, source=source, form=_FORM) or {}
    if not isinstance(found, dict):
        raise SandboxError(f"{source}: is not a map", _FORM)
    return yaml_files.validate(Faults, found, source=source, form=_FORM)


def replace(database: Database, faults: Faults, *, continued: bool = False) -> None:
    """Replace all faults with these, none of which has happened yet.

    Generations that were stalled without a time continue.

    Args:
        database: Of the data folder.
        faults: All that there will be.
        continued: True where a server starts: the same faults as before are left as they are.
    """
    text = faults.model_dump_json()
    with database.transaction() as transaction:
        if server_value(transaction, "faults", "") == text and continued:
            return
        transaction.execute("UPDATE server SET value = ? WHERE name = 'faults'", (text,))
        transaction.execute("DELETE FROM faults")
        transaction.execute("UPDATE generations SET due_at = starts_at WHERE due_at IS NULL")
        for position, fault in enumerate(faults.faults):
            transaction.execute(
                "INSERT INTO faults (position, fault, seed) VALUES (?, ?, ?)",
                (position, fault.model_dump_json(), faults.seed),
            )


def list_faults(database: Database) -> list[dict[str, Any]]:
    """The faults in their order, each with how often it was `used`."""
    return [
        {**json.loads(row["fault"]), "used": row["used"]}
        for row in database.rows("SELECT * FROM faults ORDER BY position")
    ]


def may_apply(database: Database, method: str, path: str) -> bool:
    """Whether any fault matches such requests; cheap, and draws nothing."""
    rows = database.rows("SELECT fault FROM faults")
    return any(_on_request(Fault.model_validate_json(row["fault"]), method, path) for row in rows)


def of_request(
    database: Database, method: str, path: str, model: str | None, prompt: str | None
) -> Fault | None:
    """The fault that happens to this request, now counted, or None."""
    with database.transaction() as transaction:
        return _draw(
            transaction,
            lambda fault: _on_request(fault, method, path) and fault.concerns(model, prompt),
        )


def of_generation(
    transaction: sqlite3.Connection, model: str, prompt: str, hows: Collection[How]
) -> Fault | None:
    """The fault that happens to this new generation, now counted, or None.

    Args:
        transaction: Counts it.
        model: Its id.
        prompt: Its prompt.
        hows: How its media can be broken.
    """
    return _draw(
        transaction,
        lambda fault: (
            fault.on == GENERATION
            and fault.concerns(model, prompt)
            and (fault.how is None or fault.how in hows)
        ),
    )


def of_chat(transaction: sqlite3.Connection, model: str, message: str) -> Fault | None:
    """The fault that happens to this new chat turn, now counted, or None."""
    return _draw(transaction, lambda fault: fault.on == CHAT and fault.concerns(model, message))


def of_delivery(database: Database, model: str) -> Fault | None:
    """The fault that happens to this attempt of a webhook delivery, now counted, or None."""
    if not database.rows("SELECT 1 FROM faults LIMIT 1"):
        return None
    with database.transaction() as transaction:
        return _draw(
            transaction, lambda fault: fault.on == WEBHOOK and fault.model in (None, model)
        )


@cache
def _categories() -> dict[str, str]:
    return {model.id: model.category for model in packaged_catalogue().models.values()}


def _on_request(fault: Fault, method: str, path: str) -> bool:
    wanted, _, pattern = fault.on.partition(" ")
    return wanted == method and fnmatchcase(path, pattern)


def _draw(transaction: sqlite3.Connection, applies: Callable[[Fault], bool]) -> Fault | None:
    for row in transaction.execute("SELECT * FROM faults ORDER BY position").fetchall():
        fault = Fault.model_validate_json(row["fault"])
        if not applies(fault) or (fault.times is not None and row["used"] >= fault.times):
            continue
        lot = random.Random(f"{row['seed']}/{row['position']}/{row['draws']}").random()
        hit = lot < fault.probability
        transaction.execute(
            "UPDATE faults SET draws = draws + 1, used = used + ? WHERE position = ?",
            (int(hit), row["position"]),
        )
        if hit:
            return fault
    return None
