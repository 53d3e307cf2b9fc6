"""The pool of connections: its time-outs, its limits, and what went wrong in words."""

from __future__ import annotations

import functools
import logging
import ssl
from contextvars import ContextVar
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx

from rivya_flows.client.transport.unpacking import ACCEPTED
from rivya_flows.errors import UsageError

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
"""Longest pause between two pieces of an answer, and between two pieces of a request."""

ANSWER_SECONDS = 120.0
"""For one whole attempt, so that an answer that drips for ever ends too."""

CHAT_SECONDS = 600.0
"""For one whole attempt of a chat turn; of a streamed one, for each piece of its text."""

UPLOAD_SECONDS = 1800.0

_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "proxy", "socks")))

_HOME = ("all://127.0.0.1", "all://localhost", "all://[::1]")  # never through a proxy


_OURS: ContextVar[bool] = ContextVar("rivya_flows_request", default=False)


class Quiet(httpx.AsyncClient):
    """A client whose requests the HTTP libraries do not log: result addresses are keys.

    Other clients of the same process are logged as before. ``rivya_flows.wire`` has the trace of
    ours, without what is secret.
    """

    def __init__(self, **options: Any) -> None:
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_not_ours)  # once, however often it is added
        super().__init__(**options)

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """The answer, see httpx."""
        token = _OURS.set(True)
        try:
            return await super().send(request, **options)
        finally:
            _OURS.reset(token)


def _not_ours(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or not _OURS.get()


def open_pool(transport: Any = None) -> httpx.AsyncClient:
    """A pool without a key in it: it also downloads from other hosts.

    Args:
        transport: Answers instead of the network, in tests.

    Raises:
        UsageError: The environment names a proxy or certificates that cannot be used.
    """
    try:
        return Quiet(
            headers={"User-Agent": f"rivya-flows/{_version()}", "Accept-Encoding": ACCEPTED},
            timeout=time_outs(SILENCE_SECONDS),
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
            follow_redirects=False,
            cookies=no_cookies(),
            mounts=None if transport else dict.fromkeys(_HOME),
            transport=transport,
            verify=_trust(),
        )
    except (ImportError, ValueError, httpx.InvalidURL) as exc:
        # Not the message of the last two, which may quote a password.
        reason = str(exc) if isinstance(exc, ImportError) else "it is not an address of one"
        raise UsageError(
            f"HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: this proxy cannot be used: {reason}",
            'unset it or, for a SOCKS proxy, install "httpx[socks]"',
        ) from None


def no_cookies() -> CookieJar:
    """A jar that takes none.

    A cookie is no credential of this API, and one that is not ASCII fails every request after it.
    Source: contract, section 1.
    """
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


@functools.cache  # reading all certificates takes longer than a request to this machine
def _trust() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as exc:
        raise UsageError(
            f"SSL_CERT_FILE or SSL_CERT_DIR: holds no certificates: {exc.strerror or exc}",
            "unset it, or let it name a file of certificates in PEM form",
        ) from exc


def time_outs(silence_seconds: float) -> httpx.Timeout:
    """All time-outs of a request; `silence_seconds` is for each piece of the answer."""
    # No limit for the pool: the total of an attempt bounds it.
    return httpx.Timeout(SILENCE_SECONDS, read=silence_seconds, connect=CONNECT_SECONDS, pool=None)


def said(error: httpx.RequestError) -> str:
    """What went wrong on the way, in a few words."""
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_SECONDS:g} s"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return f"no connection: {error}"
    return str(error) or type(error).__name__


def _version() -> str:
    try:
        return version("rivya-flows")
    except PackageNotFoundError:  # run from a folder, not installed
        return "0"
