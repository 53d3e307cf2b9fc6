"""Callbacks: signed, repeated, and never into a private network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from rivya_flows.api.addresses import RefusedAddressError
from rivya_flows.api.callbacks import CALLBACK_SCHEME, CallbackError, callback_id, post_callback
from rivya_flows.api.retries import RetryPolicy
from rivya_flows.api.surroundings import Surroundings
from rivya_flows.api.webhook_signatures import (
    WebhookPayloadError,
    WebhookSignatureError,
    verify_webhook,
)

BODY = b'{"run_id":"run-1"}'
NOW = 1_795_000_000.0


def posted(
    answer: Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]] = lambda _: (
        httpx.Response(204)
    ),
    *,
    url: str = "https://hooks.example/run?token=hidden",
    secret: str | None = "whsec_one",
    addresses: tuple[str, ...] = ("93.184.216.34",),
    attempts: int = 3,
    allow_private: bool = False,
    seconds: float = 30,
) -> tuple[Any, list[httpx.Request], list[float]]:
    """Status or error of a callback, the requests that went out, and the waits between them."""
    sent: list[httpx.Request] = []
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def resolve(host: str) -> tuple[str, ...]:
        return addresses

    async def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        given = answer(request)
        return given if isinstance(given, httpx.Response) else await given

    async def post() -> int:
        return await post_callback(
            url,
            BODY,
            secret,
            retry=RetryPolicy(attempts=attempts),
            allow_private=allow_private,
            seconds=seconds,
            surroundings=Surroundings(sleep, lambda: 0.0, lambda: NOW, lambda: 0.0, resolve),
            transport=httpx.MockTransport(handle),
        )

    try:
        return asyncio.run(post()), sent, waits
    except (CallbackError, RefusedAddressError) as error:
        return error, sent, waits


def test_a_callback_is_signed_as_a_webhook_is() -> None:
    status, [request], _ = posted()
    assert (status, request.content) == (204, BODY)
    assert request.headers["X-Rivya-Flows-Id"] == callback_id(BODY)
    headers = dict(request.headers)
    # The signature fits, and only then it is told that this is no event of the service.
    with pytest.raises(WebhookPayloadError):
        verify_webhook(BODY, headers, ["whsec_one"], NOW, scheme=CALLBACK_SCHEME)
    with pytest.raises(WebhookSignatureError):
        verify_webhook(BODY, headers, ["whsec_two"], NOW, scheme=CALLBACK_SCHEME)


def test_without_a_secret_nothing_is_signed() -> None:
    _, [request], _ = posted(secret=None)
    assert "X-Rivya-Flows-Signature" not in request.headers


def test_it_connects_to_the_very_address_that_was_checked() -> None:
    _, [request], _ = posted(url="https://hooks.example:8443/run")
    assert (request.url.host, request.url.port) == ("93.184.216.34", 8443)
    assert request.headers["Host"] == "hooks.example:8443"
    assert request.extensions["sni_hostname"] == "hooks.example"


def test_a_name_in_another_script_is_called_by_its_ascii_form() -> None:
    status, [request], _ = posted(url="https://bücher.example/läufe")
    assert status == 204
    assert request.headers["Host"] == "xn--bcher-kva.example"
    assert request.extensions["sni_hostname"] == "xn--bcher-kva.example"


def test_an_attempt_ends_though_its_receiver_never_does() -> None:
    async def drip(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    error, sent, _ = posted(drip, attempts=2, seconds=0.01)
    assert isinstance(error, CallbackError)
    assert ("no answer within 0.01 s" in str(error), error.retryable, len(sent)) == (True, True, 2)


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("http://127.0.0.1:4200/api", ()),
        ("http://[::1]/", ()),
        ("http://169.254.169.254/latest/meta-data", ()),
        ("http://intranet.example/", ("10.0.0.7",)),
        ("http://two.example/", ("93.184.216.34", "192.168.1.1")),
        ("http://0x7f000001/", ("127.0.0.1",)),
        ("ftp://hooks.example/", ("93.184.216.34",)),
        ("http://user:hush@hooks.example/", ("93.184.216.34",)),
    ],
)
def test_private_and_strange_addresses_are_refused(url: str, addresses: tuple[str, ...]) -> None:
    error, sent, _ = posted(url=url, addresses=addresses)
    assert isinstance(error, RefusedAddressError)
    assert sent == []
    assert "hush" not in str(error)


def test_private_addresses_can_be_allowed() -> None:
    status, [request], _ = posted(url="http://127.0.0.1:9/x", allow_private=True)
    assert (status, request.url.host) == (204, "127.0.0.1")


def test_a_receiver_that_is_busy_is_asked_again() -> None:
    answers = iter([503, 429, 200])
    status, sent, waits = posted(lambda _: httpx.Response(next(answers)))
    assert (status, len(sent), len(waits)) == (200, 3, 2)
    assert len({request.headers["X-Rivya-Flows-Id"] for request in sent}) == 1


def test_a_receiver_that_stays_away_is_an_error_without_secrets() -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    error, sent, _ = posted(gone)
    assert (len(sent), str(error)) == (
        3,
        "POST https://hooks.example/run: no connection: refused",
    )
    assert "hidden" not in repr(error)
    assert "whsec" not in repr(error)


@pytest.mark.parametrize("status", [302, 404, 410])
def test_a_refusal_or_a_redirect_is_final(status: int) -> None:
    error, sent, _ = posted(lambda _: httpx.Response(status, headers={"location": "http://a/"}))
    assert len(sent) == 1
    assert f"answered {status}" in str(error)


def test_an_unknown_host_is_tried_again_then_told() -> None:
    error, sent, waits = posted(addresses=())
    assert (sent, len(waits)) == ([], 2)
    assert "'hooks.example' is not known" in str(error)
