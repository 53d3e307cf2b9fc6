"""What a worker and its hosts say to each other, as lines of JSON."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass

LONGEST = 2**18
"""Bytes of the longest line."""

LONGEST_TEXT = LONGEST // 32
"""Characters of the longest text in a message: JSON writes twelve bytes for some, and there are two."""


@dataclass(frozen=True)
class Execute:
    """To a host: execute a flow run; `spec` is the hash of the deployed one, None: the spec's file as it is."""

    flow_run: str
    attribute: str
    spec: str | None


@dataclass(frozen=True)
class Cancel:
    """To a host: cancel a flow run."""

    flow_run: str


@dataclass(frozen=True)
class Alive:
    """From a host: it lives, and this is where its event loop stands.

    Attributes:
        blocked_seconds: How long the event loop has not turned; 0 if it turns.
        stack: Where it stands, with its callers; empty if it turns.
        step: The line of a step function that it stands in; None outside of them.
    """

    blocked_seconds: float = 0.0
    stack: str = ""
    step: str | None = None


@dataclass(frozen=True)
class Ended:
    """From a host: it has executed a flow run; `error` is None if Prefect knows its state."""

    flow_run: str
    error: str | None = None
    traceback: str = ""


Message = Execute | Cancel | Alive | Ended

_KINDS: dict[str, type[Message]] = {
    kind.__name__.lower(): kind for kind in (Execute, Cancel, Alive, Ended)
}


def line(message: Message) -> bytes:
    return json.dumps([type(message).__name__.lower(), asdict(message)]).encode() + b"\n"


async def next_message(reader: asyncio.StreamReader, silence: float) -> Message | None:
    """The next message of a host, None if it has ended; raises `TimeoutError`, or `ValueError` for a bad line."""
    async with asyncio.timeout(silence):
        received = await reader.readline()
    return parsed(received) if received.endswith(b"\n") else None  # the end, or within a line


def parsed(received: bytes) -> Message:
    """The message of a line; `ValueError` if it is none, or incomplete."""
    try:
        kind, values = json.loads(received)
        return _KINDS[kind](**values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no message: {received[:80]!r}") from error
