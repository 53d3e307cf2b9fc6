"""Callbacks: signed, repeated, and never into a private network."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from rivya_client.errors import RefusedAddressError
from rivya_client.retries import RetryPolicy
from rivya_client.runtime import Runtime
from rivya_client.webhook_signatures import (
    WebhookPayloadError,
    WebhookSignatureError,
    verify_webhook,
)
from rivya_flows.callbacks import (
    CALLBACK_SCHEME,
    CallbackError,
    Revealed,
    callback_id,
    post_callback,
)

BODY = b'{"run_id":"run-1"}'
NOW = 1_795_000_000.0


def posted(
    answer: Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]] = lambda _: (
        httpx.Response(204)
    ),
    *,
    url: str | Revealed = "https://hooks.example/run?token=hidden",
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
            None if secret is None else Revealed("env:SIGN", SecretStr(secret)),
            retry=RetryPolicy(attempts=attempts),
            allow_private=allow_private,
            seconds=seconds,
            runtime=Runtime(sleep, lambda: 0.0, lambda: NOW, lambda: 0.0, resolve),
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
    # The signature matches, and only then the body counts: it is not an event of the service.
    with pytest.raises(WebhookPayloadError):
        verify_webhook(BODY, headers, ["whsec_one"], NOW, scheme=CALLBACK_SCHEME)
    with pytest.raises(WebhookSignatureError):
        verify_webhook(BODY, headers, ["whsec_two"], NOW, scheme=CALLBACK_SCHEME)
    _, [request], _ = posted(secret=None)
    assert "X-Rivya-Flows-Signature" not in request.headers


@pytest.mark.parametrize(
    ("url", "host", "name"),
    [
        ("https://hooks.example:8443/run", "hooks.example:8443", "hooks.example"),
        ("https://bücher.example/läufe", "xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_it_connects_to_the_address_that_was_checked(url: str, host: str, name: str) -> None:
    status, [request], _ = posted(url=url)
    assert (status, request.url.host) == (204, "93.184.216.34")
    assert f":{request.url.port}" in (":8443", ":None")
    assert request.headers["Host"] == host
    assert request.extensions["sni_hostname"] == name


def test_an_attempt_ends_with_a_receiver_that_never_does() -> None:
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


def given(answer: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: answer


def test_a_busy_receiver_is_retried_and_a_refusal_or_a_redirect_is_final() -> None:
    answers = iter([503, 429, 200])
    status, sent, waits = posted(lambda _: httpx.Response(next(answers)))
    assert (status, len(sent), len(waits)) == (200, 3, 2)
    assert len({request.headers["X-Rivya-Flows-Id"] for request in sent}) == 1
    for final in (302, 404, 410):
        away = httpx.Response(final, headers={"location": "http://a/"})
        error, sent, _ = posted(given(away))
        assert len(sent) == 1
        assert f"answered {final}" in str(error)


def test_a_receiver_that_stays_down_or_is_unknown_is_an_error_without_secrets() -> None:
    error, sent, _ = posted(raised(httpx.ConnectError("refused")))
    assert (len(sent), str(error)) == (3, "POST https://hooks.example/run: no connection")
    assert "hidden" not in repr(error)
    assert "whsec" not in repr(error)
    error, sent, waits = posted(addresses=())
    assert (sent, len(waits)) == ([], 2)
    assert str(error) == "POST https://hooks.example/run: the host name is unknown"


HOST, PATH = "hooks.chat.example", "T0KEN-c4n4ry"


def secretly(url: str = f"https://{HOST}/services/{PATH}?q={PATH}") -> Revealed:
    return Revealed("env:HOOK", SecretStr(url))


def raised(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    return fail


def of_tls(request: httpx.Request) -> httpx.Response:
    why = ssl.SSLCertVerificationError(f"certificate is not valid for '{HOST}'")
    raise httpx.ConnectError(str(why), request=request) from why


def quoting(request: httpx.Request) -> httpx.Response:
    body = f"no such hook: https://{HOST}/services/{PATH}"
    return httpx.Response(404, text=body, headers={"X-Why": body}, request=request)


def redirecting(_: httpx.Request) -> httpx.Response:
    return httpx.Response(302, headers={"Location": f"https://{HOST}/{PATH}"})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (quoting, "answered 404"),
        (redirecting, "answered 302"),
        (of_tls, "no connection: TLS failed; check the certificate"),
        (raised(httpx.ConnectError(f"cannot reach {HOST}")), "no connection"),
        (raised(httpx.ReadTimeout(f"{HOST}/{PATH}")), "no answer in time"),
        (
            raised(httpx.RemoteProtocolError(f"illegal status line: /services/{PATH}")),
            "the connection broke, or the response is not HTTP",
        ),
        (raised(RuntimeError(f"https://{HOST}/{PATH}")), "RuntimeError"),
    ],
)
def test_every_error_about_a_secret_address_shows_its_name_only(
    answer: Callable[[httpx.Request], httpx.Response], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    error, _, _ = posted(answer, url=secretly(), attempts=1)
    assert str(error) == f"POST env:HOOK: {words}"
    refuse_to_tell(error, caplog)


@pytest.mark.parametrize(
    ("rest", "addresses", "words"),
    [
        (f"{HOST}/{PATH}", (), "POST env:HOOK: the host name is unknown"),
        (
            f"{HOST}/{PATH}",
            ("10.0.0.7",),
            "env:HOOK: it is, or resolves to, an address that is not",
        ),
        (f"me:{PATH}@{HOST}/", ("1.1.1.1",), "env:HOOK: the address has a user name"),
        (f"{HOST}:{PATH}/", ("1.1.1.1",), "env:HOOK: not an address"),
        (f"{HOST}/\x00{PATH}", ("1.1.1.1",), "env:HOOK: not an address"),
        (f"{HOST}/\udcff{PATH}", ("1.1.1.1",), "env:HOOK: not an address"),
    ],
)
def test_an_error_about_a_secret_that_is_not_a_public_address_shows_its_name_only(
    rest: str, addresses: tuple[str, ...], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    error, sent, _ = posted(url=secretly(f"https://{rest}"), addresses=addresses, attempts=1)
    assert (str(error)[: len(words)], sent) == (words, [])
    refuse_to_tell(error, caplog)
    error, sent, _ = posted(url=secretly(PATH), addresses=())
    assert str(error).startswith("env:HOOK: only http and https")
    refuse_to_tell(error, caplog)


def test_an_error_about_a_secret_that_cannot_sign_shows_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error, _, _ = posted(url=secretly(), secret=f"{PATH}\udcff", attempts=1)
    assert str(error) == "POST env:HOOK: the secret env:SIGN is not UTF-8 text"
    refuse_to_tell(error, caplog)


def test_an_accepted_callback_leaves_no_address_in_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    status, [request], _ = posted(url=secretly())
    assert (status, request.url.path) == (204, f"/services/{PATH}")
    assert "POST env:HOOK callback -> 204" in caplog.text
    refuse_to_tell(None, caplog)


def refuse_to_tell(error: BaseException | None, caplog: pytest.LogCaptureFixture) -> None:
    """Neither host nor path stand in what can be shown, logged or pickled."""
    shown = repr(error) + str(error) + repr(vars(error) if error else "")
    shown += str(getattr(error, "hint", "")) + caplog.text
    assert error is None or error.__context__ is None or error.__suppress_context__
    for canary in (HOST, PATH):
        assert canary not in shown
