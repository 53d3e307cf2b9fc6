"""What a worker and its hosts say to each other, as lines of JSON."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass

LONGEST = 2**16
"""Bytes of the longest line."""


@dataclass(frozen=True)
class Execute:
    """To a host: execute a flow run.

    Attributes:
        flow_run: Id of the flow run.
        attribute: Of `rivya_flows.flows.campaigns`; its flow.
        spec: Hash of the deployed spec; None: the spec's file as it is.
    """

    flow_run: str
    attribute: str
    spec: str | None


@dataclass(frozen=True)
class Cancel:
    """To a host: cancel a flow run."""

    flow_run: str


@dataclass(frozen=True)
class Alive:
    """From a host: its event loop turns."""


@dataclass(frozen=True)
class Ended:
    """From a host: it has executed a flow run.

    Attributes:
        flow_run: Id of the flow run.
        status: 0 if Prefect knows its state; 1 if its state must be told, as of a process that failed.
    """

    flow_run: str
    status: int


Message = Execute | Cancel | Alive | Ended

_KINDS: dict[str, type[Message]] = {
    kind.__name__.lower(): kind for kind in (Execute, Cancel, Alive, Ended)
}


def line(message: Message) -> bytes:
    """A message as a line."""
    return json.dumps([type(message).__name__.lower(), asdict(message)]).encode() + b"\n"


async def next_message(reader: asyncio.StreamReader, silence: float | None) -> Message | None:
    """The next message of the other side; None if it has ended.

    Args:
        reader: Of the connection.
        silence: Seconds within which it must come; None: any time.

    Raises:
        TimeoutError: It did not come in time.
        ValueError: It is longer than `LONGEST`.
    """
    async with asyncio.timeout(silence):
        received = await reader.readline()
    if not received.endswith(b"\n"):  # the end, also in the middle of a line
        return None
    kind, values = json.loads(received)
    return _KINDS[kind](**values)
