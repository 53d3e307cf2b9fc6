"""Checks of webhook URLs, and one POST to a receiver."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.webhooks import http_post
from rivya_sandbox.webhooks.events import AttemptOutcome
from rivya_sandbox.webhooks.urls import Target, is_public, target
from support.sandbox_calls import receiving

ACCEPTED = """
https://example.com https://hooks.example.com:8443/rivya?token=a%20b https://EXAMPLE.com./x
https://8.8.8.8/hook https://[2606:4700::1111]/hook https://xn--bcher-kva.example/
"""
REJECTED = """
example.com/hook http://example.com/hook ftp://example.com HTTPS//example.com https:// https:///path
https://user:secret@example.com/ https://user@example.com/ https://@example.com/
https://example.com/#part https://example.com/# https://example.com\\@evil.example/
https://example.com:99999/ https://example.com:port/ https://bücher.example/ https://%6c%6fcalhost/
https://localhost/ https://LOCALHOST:8000/ https://localhost./ https://api.localhost/
https://printer.local/ https://db.internal/ https://router.lan/ https://intranet/
https://-a.example/ https://a..example/ https://127.0.0.1/ https://127.1/ https://2130706433/
https://0x7f000001/ https://0x7f.1/ https://0177.0.0.1/ https://10.0.0.1/ https://172.16.0.1/
https://192.168.1.1/ https://169.254.169.254/latest/meta-data https://100.64.0.1/ https://0.0.0.0/
https://224.0.0.1/ https://255.255.255.255/ https://192.0.2.1/ https://[::1]/ https://[::]/
https://[fe80::1]/ https://[fe80::1%25eth0]/ https://[fd00::1]/ https://[fec0::1]/
https://[::127.0.0.1]/ https://[::ffff:127.0.0.1]/ https://[::ffff:8.8.8.8]/
https://[64:ff9b::7f00:1]/ https://[2002:7f00:1::]/ https://[ff02::1]/ https://[::1/
"""
NO_ADDRESSES = [None, 7, "", "https://exa mple.com/", "https://example.com/\r\nX-Injected: 1"]


@pytest.mark.parametrize("url", ACCEPTED.split())
def test_public_https_urls_are_accepted(url: str) -> None:
    assert target(url, allow_local=False).secure


@pytest.mark.parametrize(
    "url", [*NO_ADDRESSES, *REJECTED.split(), "https://example.com/" + "x" * 2048]
)
def test_all_others_are_rejected(url: object) -> None:
    with pytest.raises(Refusal) as refused:
        target(url, allow_local=False)
    assert refused.value.code == "webhook_url_rejected"


def test_the_option_allows_http_and_loopback_only() -> None:
    for url in ("http://127.0.0.1:8000/x", "http://localhost/", "http://[::1]:1/", "http://a.com"):
        target(url, allow_local=True)
    for url in ("http://10.0.0.1/", "http://169.254.169.254/", "http://intranet/", "ftp://a.com"):
        with pytest.raises(Refusal):
            target(url, allow_local=True)


@pytest.mark.parametrize(
    ("url", "helps"),
    [("http://127.0.0.1:8000/x", True), ("http://a.com", True), ("https://10.0.0.1/", False)],
)
def test_a_refusal_names_the_option_if_it_would_help(url: str, helps: bool) -> None:
    with pytest.raises(Refusal) as refused:
        target(url, allow_local=False)
    assert ("--allow-local-webhooks" in refused.value.message) is helps


def test_private_addresses_that_look_public_are_refused() -> None:
    assert is_public("93.184.215.14", allow_local=False)
    for address in ("127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fe80::1%eth0", "nonsense"):
        assert not is_public(address, allow_local=False)


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
