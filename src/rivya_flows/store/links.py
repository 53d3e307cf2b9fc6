"""Links for reviewers: who may answer a question of a run from outside, and until when."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Update, insert, select, update

from rivya_flows.questions.question import answer_name
from rivya_flows.store import mailbox
from rivya_flows.store.database import rows, write, writing
from rivya_flows.store.tables import LINKS


@dataclass(frozen=True)
class Link:
    """A link for one person to one question in all its rounds.

    Attributes:
        reviewer: The name of who answers with it; `created_by`: of who made it.
    """

    id: int
    run_id: str
    step: str
    key: str
    reviewer: str
    created_by: str | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    @property
    def label(self) -> str:
        """The name of its question."""
        return answer_name(self.step, self.key)

    @property
    def digest(self) -> bytes:
        """64 bits of a hash of what the link allows: its address is signed with them."""
        allows = (self.run_id, self.step, self.key, self.reviewer, _seconds(self.expires_at))
        return hashlib.sha256(json.dumps([self.id, *allows]).encode()).digest()[:8]

    def is_active(self, at: datetime) -> bool:
        return self.revoked_at is None and at < self.expires_at


def create(
    engine: Engine,
    run_id: str,
    question: tuple[str, str],
    reviewers: Iterable[str],
    created_by: str | None,
    at: datetime,
    expires_at: datetime,
    *,
    replaces: bool = False,
) -> Sequence[Link]:
    """Makes a link for each reviewer; `replaces` ends the earlier ones of the same question and reviewer."""
    made, asked = list[int](), json.dumps(question)
    with writing(engine) as connection:
        for reviewer in reviewers:
            if replaces:
                earlier = (LINKS.c.question == asked, LINKS.c.reviewer == reviewer)
                connection.execute(_revoke(at, LINKS.c.run_id == run_id, *earlier))
            row = {
                "run_id": run_id,
                "question": asked,
                "reviewer": reviewer,
                "created_by": created_by,
                "created_at": _seconds(at),
                "expires_at": _seconds(expires_at),
            }
            key = connection.execute(insert(LINKS).values(row)).inserted_primary_key
            assert key is not None
            made.append(key[0])
    return [one for one in links_of(engine, run_id) if one.id in made]


def links_of(engine: Engine, run_id: str) -> Sequence[Link]:
    """All links of a run, as they were made."""
    found = rows(engine, select(LINKS).where(LINKS.c.run_id == run_id).order_by(LINKS.c.id))
    return [*map(_link, found)]


def link(engine: Engine, number: int) -> Link | None:
    """The link of an id; None if there is none."""
    found = rows(engine, select(LINKS).where(LINKS.c.id == number))
    return next(map(_link, found), None)


def revoke(engine: Engine, numbers: Sequence[int], at: datetime) -> None:
    """Ends the links of these ids, and drops what they answered and nothing has taken yet."""
    write(engine, _revoke(at, LINKS.c.id.in_(numbers)))
    for one in filter(None, (link(engine, number) for number in numbers)):
        for waiting, answer in mailbox.waiting(engine, one.run_id):
            asked, by = answer.question[:2], (answer.answer.channel, answer.answer.name)
            if (asked, by) == ((one.step, one.key), ("link", one.reviewer)):
                mailbox.remove(engine, waiting)


def _revoke(at: datetime, *which: ColumnElement[bool]) -> Update:
    ending = update(LINKS).where(LINKS.c.revoked_at.is_(None), *which)
    return ending.values(revoked_at=_seconds(at))


def _link(row: Any) -> Link:
    step, key = json.loads(row.question)
    times = (row.created_at, row.expires_at, row.revoked_at)
    created, expires, revoked = (one and datetime.fromtimestamp(one, UTC) for one in times)
    by, found = row.created_by, (row.id, row.run_id, step, key, row.reviewer)
    return Link(*found, by, created, expires, revoked)


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
