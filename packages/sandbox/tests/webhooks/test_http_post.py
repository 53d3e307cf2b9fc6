"""One POST to a webhook receiver."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from rivya_sandbox.webhooks import http_post
from rivya_sandbox.webhooks.events import AttemptOutcome
from rivya_sandbox.webhooks.urls import Target, target
from support.sandbox_calls import receiving


def leads_to(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


def send(
    url: str, *, allow_local: bool = True, seconds: float = 10, lead: tuple[str, ...] = ()
) -> AttemptOutcome:
    resolve = leads_to(*lead) if lead else http_post.addresses
    where: Target = target(url, allow_local=True)

    async def post() -> AttemptOutcome:
        return await http_post.post(
            where, {}, b"{}", allow_local=allow_local, seconds=seconds, resolve=resolve
        )

    return asyncio.run(post())


def test_a_name_that_resolves_to_a_private_address_is_not_connected_to() -> None:
    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2]
        url = f"http://hooks.example.com:{port}/x?y=1"
        for lead in (("127.0.0.1",), ("93.184.215.14", "127.0.0.1"), ("10.0.0.1",)):
            outcome = send(url, allow_local=False, lead=lead)
            assert (outcome.status, outcome.error) == (
                None,
                "The host does not lead to a public address.",
            )
        assert receiver.received == []
        # It connects to the very address that passed the check; the Host header keeps the name.
        assert send(url, lead=("127.0.0.1",)).status == 204
        (received,) = receiver.received
    assert (received.path, received.headers["host"]) == ("/x?y=1", f"hooks.example.com:{port}")


def test_a_redirect_is_a_failure_and_is_not_followed() -> None:
    with receiving() as receiver:
        receiver.statuses = [302]
        outcome = send(receiver.url)
        assert (outcome.status, outcome.error) == (302, "The receiver answered 302.")
        assert len(receiver.received) == 1


def test_errors_of_receivers_are_distinguished() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert send(url, seconds=0.05).error == "No answer within 0.05 s."
    assert send(url).error == "The connection failed."
    with receiving() as receiver:
        assert send(receiver.url.replace("http:", "https:")).error == "The TLS connection failed."


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"SSH-2.0-x\r\n\r\n", "The answer is not HTTP."),
        (b"HTTP/1.1 200 OK\r\n", "The answer is not HTTP."),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2**17, "The answer is not HTTP."),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", None),
        (b"HTTP/1.0 204\r\n\r\n", None),
    ],
)
def test_only_the_head_of_an_answer_counts(answer: bytes, said: str | None) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(answer)
        writer.close()

    async def exchange() -> AttemptOutcome:
        async with await asyncio.start_server(once, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            return await http_post.post(target(url, allow_local=True), {}, b"{}", allow_local=True)

    assert asyncio.run(exchange()).error == said
