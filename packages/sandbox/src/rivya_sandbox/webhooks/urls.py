"""Checks webhook URLs: public HTTPS only, by spelling and by resolved address.

Source: contract, section 8.3, and its suggested convention.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from rivya_sandbox.service.errors import Refusal

_LONGEST = 2048  # characters
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_LOCAL_NAMES = ("localhost", "local", "internal", "localdomain", "lan", "home.arpa")
# Ranges that count as global but embed an IPv4 address.
_TUNNELS = tuple(ipaddress.IPv6Network(network) for network in ("2002::/16", "2001::/32"))
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")  # the range assigned to the internet
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Target:
    """The target of a delivery.

    Attributes:
        host: A name in lower case, or an address without brackets.
        path: With its query, as in the request line.
        authority: The ``Host`` header.
    """

    secure: bool
    host: str
    port: int
    path: str
    authority: str


def target(url: object, *, allow_local: bool) -> Target:
    """Parse and check a URL.

    Args:
        url: As sent; any JSON value.
        allow_local: Accept ``http://`` and loopback too.

    Raises:
        Refusal: It breaks a rule (``webhook_url_rejected``).
    """
    try:
        return _target(url, allow_local)
    except Refusal as refusal:
        if not allow_local and _is_good_here(url):
            switch = "`sandbox serve --allow-local-webhooks` takes it; Rivya does not."
            raise Refusal(refusal.code, f"{refusal.message} {switch}") from None
        raise


def _is_good_here(url: object) -> bool:
    """Whether the option for local receivers would allow it."""
    try:
        _target(url, allow_local=True)
    except Refusal:
        return False
    return True


def _target(url: object, allow_local: bool) -> Target:
    if not isinstance(url, str) or not 1 <= len(url) <= _LONGEST:
        raise _refusal(f"it must be text of at most {_LONGEST} characters")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise _refusal("it must be printable ASCII without spaces and backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refusal("it cannot be read") from None
    if parts.scheme != "https" and not (allow_local and parts.scheme == "http"):
        raise _refusal("it must begin with https://")
    if "@" in parts.netloc:
        raise _refusal("it must not hold credentials")
    if "#" in url:
        raise _refusal("it must not have a fragment")
    host = (parts.hostname or "").lower()
    _check_host(host, allow_local=allow_local)
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    usual = 443 if secure else 80
    return Target(secure, host, usual if port is None else port, path, parts.netloc)


def is_public(address: str, *, allow_local: bool) -> bool:
    """Whether a resolved address may be connected to."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # such as an IPv6 address with a zone
        return False
    if allow_local and found.is_loopback:
        return True
    if isinstance(found, ipaddress.IPv6Address) and (
        found not in _PUBLIC_IPV6 or any(found in tunnel for tunnel in _TUNNELS)
    ):
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def _check_host(host: str, *, allow_local: bool) -> None:
    address = _literal(host)
    if address is not None:
        if not is_public(str(address), allow_local=allow_local):
            raise _refusal("its address is not a public one")
        return
    name = host.removesuffix(".")
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise _refusal("its host is not a name")
    last = name.rpartition(".")[2]
    # Resolvers read `127.1`, `2130706433` and `0x7f.1` as addresses.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last):
        raise _refusal("its host is not a plain address")
    if allow_local and name == "localhost":
        return
    if "." not in name or any(name == end or name.endswith("." + end) for end in _LOCAL_NAMES):
        raise _refusal("its host is a name of a local network")


def _literal(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _refusal(reason: str) -> Refusal:
    return Refusal("webhook_url_rejected", f"The webhook URL is not accepted: {reason}.")
