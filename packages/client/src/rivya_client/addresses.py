"""Which addresses may be used: of the service with a key, and of downloads, which no one may lead
into a private network.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from rivya_client.errors import RefusedAddressError, UsageError
from rivya_client.runtime import Runtime
from rivya_client.wire import MAX_URL_LENGTH

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")

_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")  # every public IPv6 address is in it
# Stands for every IPv4 host in a network without IPv4, so it cannot be refused as a whole.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
_MAX_SHOWN = 500  # characters


def checked_base_url(base_url: str) -> str:
    """The address of a service without a slash at its end."""
    import httpx  # heavy, and most callers need other addresses only

    hint = "write it like https://rivya.ai"
    if not isinstance(base_url, str):
        raise UsageError(f"base_url: {base_url!r} is not the address of a service", hint)
    try:
        parts = urlsplit(base_url.strip())
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        known = known and bool(httpx.URL(base_url.strip()).host)
    except (ValueError, httpx.InvalidURL):  # such as for a port that is not a number
        known = False
    if "@" in base_url:
        raise UsageError("RIVYA_BASE_URL: has a user name or a password", hint)
    if not known or parts.query or parts.fragment or re.search(r"[\s\\]", base_url.strip()):
        raise UsageError("RIVYA_BASE_URL: is not the address of a service", hint)
    return base_url.strip().rstrip("/").removesuffix("/api/v1")


def refuse_plain_http(base_url: str) -> None:
    """Protects a key from a network that could read it."""
    parts = urlsplit(base_url)
    if parts.scheme == "http" and parts.hostname not in THIS_MACHINE:
        raise UsageError(
            f"RIVYA_BASE_URL: {base_url} would get the API key unencrypted",
            "write https://; http:// works only on this machine, such as http://127.0.0.1:8700",
        )


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port of an address."""

    scheme: str
    host: str
    port: int
    private: bool  # the host is, or resolves to, an address that is not public

    def may_lead_to(self, target: Origin, home: Origin) -> bool:
        """Whether this origin may redirect to another; `home`, the service, may run on this machine."""
        return not target.private or self.private or target == home


def join_address(base: str, url: str) -> str:
    """The whole address of a `url` in a response of `base`."""
    if len(url) > MAX_URL_LENGTH:
        reason = f"an address has at most {MAX_URL_LENGTH:,} characters"
        raise RefusedAddressError(redact_url(url), reason)
    try:
        return urljoin(base, url)
    except ValueError:
        raise RefusedAddressError(redact_url(url), "not an address") from None


async def origin_of(url: str, runtime: Runtime) -> Origin:
    """The origin of an address."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        raise RefusedAddressError(redact_url(url), "not an address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RefusedAddressError(redact_url(url), "only http and https are allowed")
    if parts.username or parts.password:
        raise RefusedAddressError(redact_url(url), "the address has a user name or a password")
    host = parts.hostname.rstrip(".")
    found = await ip_addresses(host, runtime)
    return Origin(parts.scheme, host, port, any(map(is_private, found)))


async def ip_addresses(host: str, runtime: Runtime) -> tuple[str, ...]:
    """The IP addresses of a host, which may be one itself; none if the name is unknown."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return await runtime.resolve(host)
    return (host,)


def is_private(address: str) -> bool:
    """Whether an IP address is loopback, link-local, of a private network or otherwise not public.

    An IPv6 address that stands for an IPv4 one is treated as that one.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        teredo = ip.teredo
        inner = ip.ipv4_mapped or ip.sixtofour or (teredo[1] if teredo else None)
        if ip in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(ip) % 2**32)
        if inner is None and ip not in _PUBLIC_IPV6:
            return True
        ip = inner or ip
    return not ip.is_global or ip.is_multicast


def redact_url(url: str) -> str:
    """An address for messages and logs: short, without query, fragment and user name."""
    bare = url.partition("#")[0].partition("?")[0]
    scheme, slashes, rest = bare.partition("://")
    host, slash, path = rest.partition("/")
    whole = scheme + slashes + host.rpartition("@")[2] + slash + path
    return whole if len(whole) <= _MAX_SHOWN else whole[:_MAX_SHOWN] + "…"


def public_alone(host: str, url: str) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    """Ends a new connection to a private address before anything is sent.

    For the `trace` extension of a request to a host that was found to be public: its name may
    resolve to another address the second time. A connection to a proxy is not checked.

    `host` is as the HTTP library names it, `url` as messages show it.
    """
    connecting_to: str | None = None

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        nonlocal connecting_to
        if event == "connection.connect_tcp.started":
            connecting_to = info["host"]
        elif event == "connection.connect_tcp.complete" and connecting_to == host:
            stream = info["return_value"]
            address = stream.get_extra_info("server_addr")
            if address is not None and is_private(address[0]):
                await stream.aclose()
                reason = "its host was public and now leads to a private address"
                raise RefusedAddressError(url, reason)

    return trace
