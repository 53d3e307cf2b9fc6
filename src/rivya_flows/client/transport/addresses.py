"""Which addresses a download may go to: no stranger may lead it into a private network."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from rivya_flows.client.transport.runtime import Runtime
from rivya_flows.client.wire.fields import MAX_URL_LENGTH
from rivya_flows.errors import APIError

_GIVEN_OUT = ipaddress.IPv6Network("2000::/3")
"""All public IPv6 addresses are among these; what is old or odd elsewhere needs no list."""

_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""Where a network without IPv4 looks for every IPv4 host, so it cannot be refused as a whole."""


_MAX_SHOWN = 500  # characters


class RefusedAddressError(APIError):
    """An address of a download may not be followed.

    Attributes:
        url: The address, without its query, which may hold a signature.
        reason: Why not.
    """

    code = "address_refused"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason
        self.hint = "nothing was downloaded; look where this address comes from"

    def __str__(self) -> str:
        return f"{self.url}: {self.reason}"


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port, as far as they tell who answers.

    Attributes:
        private: The host is, or its name leads to, an address that is not public.
    """

    scheme: str
    host: str
    port: int
    private: bool

    def may_lead_to(self, target: Origin, home: Origin) -> bool:
        """Whether an answer of this origin may send us on to another.

        Args:
            target: Where it leads.
            home: The service itself, which may run on this machine.
        """
        return not target.private or self.private or target == home


def joined(base: str, url: str) -> str:
    """Where `url` leads when it stands in an answer of `base`.

    Raises:
        RefusedAddressError: It is not an address, or longer than any.
    """
    if len(url) > MAX_URL_LENGTH:
        told = f"an address has at most {MAX_URL_LENGTH:,} characters"
        raise RefusedAddressError(shown(url), told)
    try:
        return urljoin(base, url)
    except ValueError:
        raise RefusedAddressError(shown(url), "this is not an address") from None


async def origin_of(url: str, runtime: Runtime) -> Origin:
    """Who stands behind an address.

    Raises:
        RefusedAddressError: It is not http or https, or it holds a user name.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        raise RefusedAddressError(shown(url), "this is not an address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RefusedAddressError(shown(url), "only http and https are downloaded")
    if parts.username or parts.password:
        raise RefusedAddressError(shown(url), "the address holds a user name or a password")
    host = parts.hostname.rstrip(".")
    found = (host,) if _is_ip(host) else await runtime.resolve(host)
    return Origin(parts.scheme, host, port, any(map(is_private, found)))


def is_private(address: str) -> bool:
    """Whether an IP address is loopback, link-local, of a private network or otherwise not public.

    An IPv6 address that leads to an IPv4 one is what that one is.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = _inner(ip)
        if inner is None and ip not in _GIVEN_OUT:
            return True
        ip = inner or ip
    return not ip.is_global or ip.is_multicast


def _inner(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a mapped, translated or tunnelled one leads to."""
    if ip in _TRANSLATED:
        return ipaddress.IPv4Address(int(ip) % 2**32)
    teredo = ip.teredo
    return ip.ipv4_mapped or ip.sixtofour or (teredo[1] if teredo else None)


def shown(url: str) -> str:
    """An address as messages and logs may show it: short, without query, fragment and user name."""
    bare = url.partition("#")[0].partition("?")[0]
    scheme, slashes, rest = bare.partition("://")
    host, slash, path = rest.partition("/")
    whole = scheme + slashes + host.rpartition("@")[2] + slash + path
    return whole if len(whole) <= _MAX_SHOWN else whole[:_MAX_SHOWN] + "…"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
