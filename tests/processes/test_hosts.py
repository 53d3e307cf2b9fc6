"""The hosts of a worker, and what they and the worker send each other."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile

import pytest

from rivya_flows.processes import hosts
from rivya_flows.processes.hosts import (
    LONGEST,
    LONGEST_TEXT,
    Host,
    HostDiedError,
    Order,
    Report,
    line,
)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (line(Report(error="a step function blocked its process")), "a step function blocked"),
        (b"no json\n", "sent no message"),
        (line(Report())[:-3], "ended by SIGKILL"),  # it hung up while it wrote
        (b"", "did not respond"),
        (line(Report()), "did not respond"),  # any more
    ],
)
async def test_the_runs_of_a_host_that_must_end_say_why(
    said: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "_START_SECONDS", 0.5 if not said else 60.0)
    monkeypatch.setattr(hosts, "SILENT_SECONDS", 0.5)
    process = await asyncio.create_subprocess_exec("sleep", "600")
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)
        host = Host({}, process, reader, writer, tempfile.TemporaryDirectory())
        ended = host.execute(Order("0b1c", "picture"))
        theirs.sendall(said)
        if said and not said.endswith(b"\n"):
            theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(HostDiedError, match=reason):
            await ended
    assert not host.lives


async def test_a_host_that_is_being_ended_takes_no_more_runs() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "600")
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)
        host = Host({}, process, reader, writer, tempfile.TemporaryDirectory())
        assert host.has_place
        ended = host.stop()
        assert not host.has_place
    await ended  # its end of the socket closes with it


@pytest.mark.parametrize(
    "message",
    [
        Order("0b1c", "product_launch", "sha256:0123"),
        Order("0b1d", "file_2F_a"),
        Order("0b1c"),
        Report(),
        Report(error="a step function blocked its process for 31 s: cut, /specs/steps.py:12"),
        Report("0b1c"),
        Report("0b1d", "ReadTimeout: ", "Traceback"),
    ],
)
def test_a_message_arrives_as_it_was_said(message: Order | Report) -> None:
    said = line(message)
    assert said.endswith(b"\n")
    assert type(message)(*json.loads(said)) == message


def test_the_longest_texts_fit_into_a_line() -> None:
    text = "\N{GRINNING FACE}" * LONGEST_TEXT  # which JSON writes with twelve bytes
    assert len(line(Report("0b1c", text, text))) <= LONGEST
