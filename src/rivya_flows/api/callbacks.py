"""Signed callbacks to addresses that a spec names: never into a private network, never redirected.

Signed as Rivya's webhooks are by convention, under names of our own, so that one verifier does.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import Any

import httpx

from rivya_flows.api.addresses import RefusedAddressError, is_private, origin_of, shown
from rivya_flows.api.connection import Quiet, no_cookies, said
from rivya_flows.api.retries import RetryPolicy, retrying
from rivya_flows.api.surroundings import Surroundings
from rivya_flows.api.webhook_signatures import SignatureScheme, sign_webhook
from rivya_flows.errors import APIError

logger = logging.getLogger("rivya_flows.wire")

CALLBACK_SCHEME = SignatureScheme("X-Rivya-Flows-Timestamp", "X-Rivya-Flows-Signature")
ID_HEADER = "X-Rivya-Flows-Id"
SECONDS = 30.0
"""For one attempt, answer included."""


class CallbackError(APIError):
    """A callback was not taken.

    Attributes:
        message: Where and why; never the secret, and the address without its query.
        retryable: It may be taken later.
    """

    code = "callback"

    def __init__(self, message: str, retryable: bool) -> None:
        super().__init__(message, retryable)
        self.message = message
        self.retryable = retryable
        self.hint = "the receiver must answer 2xx; resume the run to send it again, for free"

    def __str__(self) -> str:
        return self.message


def callback_id(body: bytes) -> str:
    """Names what is told: a repetition has the same id, so that a receiver can drop it."""
    return f"cb_{hashlib.sha256(body).hexdigest()[:32]}"


async def post_callback(
    url: str,
    body: bytes,
    secret: str | None,
    *,
    retry: RetryPolicy,
    allow_private: bool = False,
    seconds: float = SECONDS,
    surroundings: Surroundings | None = None,
    transport: Any = None,
) -> int:
    """Posts a JSON body until it is taken; gives the status of the answer, 2xx.

    Args:
        url: http or https; redirects are not followed.
        body: The exact bytes.
        secret: Signs each attempt; None sends no signature.
        retry: How often a failed attempt is repeated.
        allow_private: Addresses of this machine and of private networks are allowed too.
        seconds: For one attempt, from the name to the head of the answer.
        surroundings: Sleep, clocks, chance and names of hosts.
        transport: Answers instead of the network, in tests.

    Raises:
        RefusedAddressError: The address may not be called.
        CallbackError: Nobody took it.
    """
    around = surroundings or Surroundings()
    # No proxy of the environment: it would look the name up again and reach what is refused here.
    async with Quiet(
        timeout=seconds,
        trust_env=False,
        follow_redirects=False,
        cookies=no_cookies(),
        transport=transport,
    ) as http:

        async def attempt() -> int:
            try:
                # The time-outs of the client begin anew with each byte.
                async with asyncio.timeout(seconds):
                    address = await _checked_address(url, around, allow_private)
                    request = _request(http, url, address, body, secret, around)
                    return await _send(http, request, url)
            except TimeoutError:
                told = f"POST {shown(url)}: no answer within {seconds:g} s"
                raise CallbackError(told, True) from None

        status: int = await retrying(retry, around, repeatable=True)(attempt)
    return status


async def _checked_address(url: str, around: Surroundings, allow_private: bool) -> str:
    """The one address to connect to, so that no second look-up can lead elsewhere."""
    host = (await origin_of(url, around)).host
    try:
        is_private(host)
        found: tuple[str, ...] = (host,)
    except ValueError:
        found = await around.resolve(host)
    if not found:
        raise CallbackError(f"POST {shown(url)}: the host {host!r} is not known", True)
    if not allow_private and any(map(is_private, found)):
        raise RefusedAddressError(shown(url), "it is, or leads to, an address that is not public")
    return found[0]


def _request(
    http: httpx.AsyncClient,
    url: str,
    address: str,
    body: bytes,
    secret: str | None,
    around: Surroundings,
) -> httpx.Request:
    try:
        named = httpx.URL(url)
        target = named.copy_with(host=address.partition("%")[0])
    except httpx.InvalidURL as error:
        raise RefusedAddressError(shown(url), str(error)) from error
    headers = {
        "Content-Type": "application/json",
        "Host": named.netloc.decode("ascii"),
        "User-Agent": "rivya-flows",
        ID_HEADER: callback_id(body),
    }
    if secret is not None:
        timestamp = str(int(around.now()))
        headers[CALLBACK_SCHEME.timestamp_header] = timestamp
        signature = sign_webhook(body, secret, timestamp)
        headers[CALLBACK_SCHEME.signature_header] = f"{CALLBACK_SCHEME.version}={signature}"
    # The certificate is checked for the name, although the connection goes to the address.
    names = {"sni_hostname": named.raw_host.decode("ascii")}
    return http.build_request("POST", target, content=body, headers=headers, extensions=names)


async def _send(http: httpx.AsyncClient, request: httpx.Request, url: str) -> int:
    try:
        # What the receiver says beside its status is of no use here, so it is not read.
        answer = await http.send(request, stream=True)
        await answer.aclose()
    except httpx.RequestError as error:
        raise CallbackError(f"POST {shown(url)}: {said(error)}", True) from error
    logger.debug("POST %s callback -> %d", shown(url), answer.status_code)
    if not answer.is_success:
        later = answer.status_code in (408, 425, 429) or answer.status_code >= 500
        raise CallbackError(f"POST {shown(url)}: answered {answer.status_code}", later)
    return answer.status_code
