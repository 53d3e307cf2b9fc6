"""The pool of connections: its limits and time-outs, and the words for its errors."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import platform
import re
import ssl
from contextvars import ContextVar
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import httpx

from rivya_client.addresses import THIS_MACHINE, redact_url
from rivya_client.errors import UsageError
from rivya_client.version import __version__

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0  # between two pieces of a response, and between two pieces of a request
ANSWER_SECONDS = 120.0  # for one whole attempt, so that a response that drips forever ends too
CHAT_SECONDS = 600.0  # likewise of a chat turn; of a streamed one, for each piece of its text
UPLOAD_SECONDS = 1800.0

MAX_CONNECTIONS = 200  # more than requests and downloads of 500 jobs need
MAX_IDLE_CONNECTIONS = 10
"""A connection that is closed after its response costs a later request a TLS handshake, so as many stay
as a burst of the rate needs. Not more: the pool asks the kernel about each idle one, several times for
each request, and 100 of them took half of a request's processor time."""

ACCEPTED = "gzip"  # the only content coding that requests accept
HEADERS = {
    "User-Agent": f"rivya-client/{__version__} python/{platform.python_version()}"
    f" ({platform.system()} {platform.machine()})",
    "Accept-Encoding": ACCEPTED,
}
"""Headers of every request, also with an HTTP client of the caller's."""

_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "proxy", "socks")))
_IS_OURS: ContextVar[bool] = ContextVar("rivya_client_request", default=False)
# Connections belong to the loop that opened them.
_LOOPS: WeakKeyDictionary[httpx.AsyncClient, asyncio.AbstractEventLoop] = WeakKeyDictionary()
# Bytes of the other side in the words of the HTTP library.
_QUOTED = re.compile(r""":? (?:bytearray\()?b['"].*""", re.DOTALL)


def open_pool(transport: Any = None) -> httpx.AsyncClient:
    """A pool that holds no key: it also downloads from other hosts."""
    direct = [f"all://[{host}]" if ":" in host else f"all://{host}" for host in THIS_MACHINE]
    try:
        return httpx.AsyncClient(
            timeout=time_outs(SILENCE_SECONDS),
            limits=httpx.Limits(
                max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_IDLE_CONNECTIONS
            ),
            # No cookie is accepted: it is not a credential of this API, and one that is not ASCII
            # fails every later request. Source: contract, section 1.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            mounts=None if transport else dict.fromkeys(direct),  # never through a proxy
            transport=transport,
            verify=_trust(),
        )
    except (ImportError, ValueError, httpx.InvalidURL) as exc:
        # Not the message of the last two, which may quote a password.
        reason = str(exc) if isinstance(exc, ImportError) else "not the address of a proxy"
        raise UsageError(
            f"HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: this proxy cannot be used: {reason}",
            'unset it or, for a SOCKS proxy, install "httpx[socks]"',
        ) from None


@functools.cache  # reading all certificates takes longer than a request to this machine
def _trust() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as exc:
        raise UsageError(
            f"SSL_CERT_FILE or SSL_CERT_DIR: holds no certificates: {exc.strerror or exc}",
            "unset it, or set it to a file of certificates in PEM form",
        ) from exc


def time_outs(silence_seconds: float) -> httpx.Timeout:
    """All time-outs of a request; `silence_seconds` is for each piece of the response."""
    # No limit for the pool: the total of an attempt bounds it.
    return httpx.Timeout(SILENCE_SECONDS, read=silence_seconds, connect=CONNECT_SECONDS, pool=None)


def _keep_others(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or not _IS_OURS.get()


async def send_quietly(http: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """The head of a response. The HTTP libraries do not log it: result addresses are keys.

    Other requests of the process are logged as before. ``rivya_client.wire`` has the trace of ours,
    without secrets. Redirects are not followed, and no credentials of the HTTP client are sent.

    Raises:
        UsageError: The client is closed, or belongs to another event loop; nothing was sent.
    """
    if http.is_closed:
        raise UsageError("RivyaClient: is closed", "call it inside its `async with`")
    loop = asyncio.get_running_loop()
    if _LOOPS.setdefault(http, loop) is not loop:
        raise UsageError(
            "RivyaClient: was used in another event loop",
            "make one client for each asyncio.run, or use SyncRivyaClient",
        )
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_keep_others)  # once, however often it is added
    token = _IS_OURS.set(True)
    try:
        return await http.send(request, stream=True, follow_redirects=False, auth=None)
    finally:
        _IS_OURS.reset(token)


def describe(error: httpx.RequestError) -> str:
    """What went wrong on the way, in a few words."""
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_SECONDS:g} s"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if "WRONG_VERSION_NUMBER" in str(error):
        return "no connection: the host speaks no TLS at this port; is it http:// there?"
    if isinstance(error, httpx.ConnectError):
        cause: BaseException | None = error
        for _ in range(8):  # no chain of causes is longer
            if isinstance(cause, OSError) and cause.errno and not isinstance(cause, ssl.SSLError):
                system = os.strerror(cause.errno) if cause.errno > 0 else cause.strerror
                return f"no connection: {system}"  # such as ``Connection refused``
            cause = cause and (cause.__cause__ or cause.__context__)
        return f"no connection: {error}"
    return _QUOTED.sub("", str(error)) or type(error).__name__


def cause_of(error: httpx.RequestError) -> httpx.RequestError | None:
    """The error as a cause for tracebacks; None if it quotes bytes, which may hold the key."""
    return None if _QUOTED.search(str(error)) else error


def through_proxy(base_url: str) -> str:
    """`` through the proxy http://host:port``, if the environment names one for an address."""
    parts = urlsplit(base_url)
    named = getproxies()
    proxy = named.get(parts.scheme) or named.get("all")
    if not proxy or parts.hostname in THIS_MACHINE or proxy_bypass(parts.hostname or ""):
        return ""
    return f" through the proxy {redact_url(proxy)}"
