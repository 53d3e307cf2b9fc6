"""Signed callbacks to addresses in a spec: never to a private network, never redirected.

Signed like Rivya's webhooks, with headers of our own, so that one verifier does for both.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from rivya_client.addresses import ip_addresses, is_private, origin_of, redact_url
from rivya_client.errors import RefusedAddressError
from rivya_client.retries import RetryPolicy, repeat
from rivya_client.runtime import Runtime
from rivya_client.webhook_signatures import SignatureScheme, sign_webhook
from rivya_flows.errors import APIError

logger = logging.getLogger("rivya_client.wire")

CALLBACK_SCHEME = SignatureScheme("X-Rivya-Flows-Timestamp", "X-Rivya-Flows-Signature")

ID_HEADER = "X-Rivya-Flows-Id"

SECONDS = 30.0  # for one attempt, response included


class CallbackError(APIError):
    """The receiver did not accept a callback.

    The message shows a secret address by its name only, any other one without its query.
    """

    code = "callback"

    def __init__(self, message: str, retryable: bool) -> None:
        super().__init__(message, retryable)
        self.message = message
        self.retryable = retryable
        self.hint = "the receiver must answer 2xx; resume the run to send it again, for free"

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Revealed:
    """A secret and its name in the spec, such as ``env:NAME``, which is all that messages show."""

    name: str
    value: SecretStr

    def __str__(self) -> str:
        return self.name


def callback_id(body: bytes) -> str:
    """The id of a body: a repetition has the same one, so that a receiver can drop it."""
    return f"cb_{hashlib.sha256(body).hexdigest()[:32]}"


async def post_callback(
    url: str | Revealed,
    body: bytes,
    secret: Revealed | None,
    *,
    retry: RetryPolicy,
    allow_private: bool = False,
    seconds: float = SECONDS,
    runtime: Runtime | None = None,
    transport: Any = None,
) -> int:
    """Posts a JSON body, signed if there is a secret, until the receiver accepts it; returns the status, 2xx.

    Raises `RefusedAddressError` for an address that is not allowed, else `CallbackError`. `seconds`: of one attempt.
    """
    around = runtime or Runtime()
    plain = url if isinstance(url, str) else url.value.get_secret_value()
    name = redact_url(url) if isinstance(url, str) else url.name
    # A transport and no client: a client logs whole addresses, keeps cookies and follows redirects.
    # No proxy: it would look the name up again and reach what is refused here.
    async with transport or httpx.AsyncHTTPTransport(trust_env=False) as http:

        async def attempt() -> int:
            with _plain_errors(name, seconds):
                # The transport restarts its timeouts with each byte.
                async with asyncio.timeout(seconds):
                    address = await _checked_address(plain, around, allow_private)
                    request = _request(plain, address, body, secret, around)
                    request.extensions["timeout"] = httpx.Timeout(seconds).as_dict()
                    # Only the status counts, so the body is not read.
                    answer = await http.handle_async_request(request)
                    await answer.aclose()
                status = answer.status_code
                logger.debug("POST %s callback -> %d", name, status)
                if not 200 <= status < 300:
                    retryable = status in (408, 425, 429) or status >= 500
                    raise CallbackError(f"answered {status}", retryable)
                return status

        return await repeat(attempt, retry, around)


@contextmanager
def _plain_errors(name: str, seconds: float) -> Iterator[None]:
    """Gives each failed attempt its message, with no text of other libraries: they quote what may be secret."""
    try:
        yield
    except CallbackError as error:
        raise CallbackError(f"POST {name}: {error.message}", error.retryable) from None
    except RefusedAddressError as error:
        raise RefusedAddressError(name, error.reason) from None
    except TimeoutError:
        raise CallbackError(f"POST {name}: no answer within {seconds:g} s", True) from None
    except httpx.RequestError as error:
        raise CallbackError(f"POST {name}: {_kind_of(error)}", True) from None
    except (httpx.InvalidURL, ValueError):
        raise RefusedAddressError(name, "not an address") from None
    except Exception as error:
        raise CallbackError(f"POST {name}: {type(error).__name__}", False) from None


def _kind_of(error: httpx.RequestError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "no connection: TLS failed; check the certificate"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    return "the connection broke, or the response is not HTTP"


async def _checked_address(url: str, around: Runtime, allow_private: bool) -> str:
    """The IP address to connect to, so that no second look-up can lead elsewhere."""
    host = (await origin_of(url, around)).host
    found = await ip_addresses(host, around)
    if not found:
        raise CallbackError("the host name is unknown", True)
    if not allow_private and any(map(is_private, found)):
        reason = "it is, or resolves to, an address that is not public"
        raise RefusedAddressError(redact_url(url), reason)
    return found[0]


def _request(
    url: str, address: str, body: bytes, secret: Revealed | None, around: Runtime
) -> httpx.Request:
    named = httpx.URL(url)
    target = named.copy_with(host=address.partition("%")[0])
    headers = {
        "Content-Type": "application/json",
        "Host": named.netloc.decode("ascii"),
        "User-Agent": "rivya-flows",
        "Accept": "*/*",
        ID_HEADER: callback_id(body),
    }
    if secret is not None:
        headers |= _signature(body, secret, str(int(around.now())))
    # The certificate is checked for the name, although the connection is to the IP address.
    names = {"sni_hostname": named.raw_host.decode("ascii")}
    return httpx.Request("POST", target, content=body, headers=headers, extensions=names)


def _signature(body: bytes, secret: Revealed, timestamp: str) -> dict[str, str]:
    try:
        signature = sign_webhook(body, secret.value, timestamp)
    except UnicodeError:  # its message quotes the secret
        raise CallbackError(f"the secret {secret.name} is not UTF-8 text", False) from None
    return {
        CALLBACK_SCHEME.timestamp_header: timestamp,
        CALLBACK_SCHEME.signature_header: f"{CALLBACK_SCHEME.version}={signature}",
    }
