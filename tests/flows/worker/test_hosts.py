from __future__ import annotations

import asyncio
import socket
import tempfile

from rivya_flows.flows.worker.hosts import Host


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
