"""Answers chat turns in the background, so that a client that disconnects loses nothing."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from rivya_sandbox.service import chat, files
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.idempotency import Stored
from rivya_sandbox.service.options import Options

_log = logging.getLogger(__name__)
_MOST_PIECES = 40


@dataclass(frozen=True)
class Running:
    """A turn in progress."""

    turn: chat.ChargedTurn
    _pieces: asyncio.Queue[str | None]
    _task: asyncio.Task[Stored]

    async def pieces(self) -> AsyncIterator[str]:
        """The text in pieces as it is written; ends also if the turn fails."""
        while (piece := await self._pieces.get()) is not None:
            yield piece

    async def answer(self) -> Stored:
        """The whole answer once it is settled; cancelling the wait does not end the turn.

        Raises:
            Refusal: The turn failed; nothing was charged.
        """
        return await asyncio.shield(self._task)


class Turns:
    """Answers and settles every turn once, or refunds it."""

    def __init__(self, database: Database, options: Options) -> None:
        self._database = database
        self._options = options
        self._tasks: set[asyncio.Task[Stored]] = set()

    def take(self, turn: chat.ChargedTurn) -> Running:
        """Start a turn that was just charged."""
        pieces = asyncio.Queue[str | None]()
        task = asyncio.create_task(self._carry_out(turn, pieces), name=turn.id)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return Running(turn, pieces, task)

    async def stop(self) -> None:
        """Abandon all turns; the next process refunds them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry_out(self, turn: chat.ChargedTurn, pieces: asyncio.Queue[str | None]) -> Stored:
        try:
            await asyncio.sleep(turn.late_seconds)
            content = turn.rehearsed
            if content is None:
                content = await run_in_threadpool(_write, turn, self._pictures(turn))
            parts = in_pieces(content)
            pause = chat.SECONDS * self._options.time_scale / len(parts)
            for number, part in enumerate(parts):
                await asyncio.sleep(pause)
                if turn.fails and number == len(parts) // 2:
                    raise Refusal("internal_error", "Injected fault.")
                pieces.put_nowait(part)
            with self._database.transaction() as transaction:
                return chat.finish(
                    transaction,
                    turn,
                    content,
                    profile=self._options.profile,
                    now=self._options.clock(),
                )
        except Exception:
            chat.abandon(self._database, turn.id, now=self._options.clock())
            raise
        finally:
            pieces.put_nowait(None)

    def _pictures(self, turn: chat.ChargedTurn) -> list[Path]:
        found = [files.get(self._database, turn.account_id, one) for one in turn.asked.seen]
        return [files.path(self._options.data, file) for file in found if file is not None]

    def _end(self, task: asyncio.Task[Stored]) -> None:
        self._tasks.discard(task)
        problem = None if task.cancelled() else task.exception()
        if problem is not None and not isinstance(problem, Refusal):
            # Here, since the client may have disconnected.
            _log.error("%s failed", task.get_name(), exc_info=problem)


def in_pieces(content: str) -> list[str]:
    """At most 40 pieces, cut before words; joined, they are the text."""
    words = re.split(r"(?<=\s)(?=\S)", content)
    size = -(-len(words) // _MOST_PIECES)
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]


def _write(turn: chat.ChargedTurn, pictures: Sequence[Path]) -> str:
    # Imported on first use, as all renderers.
    from rivya_sandbox.renderers.chat import reply

    return reply(turn.asked.message, turn.asked.history, pictures)
