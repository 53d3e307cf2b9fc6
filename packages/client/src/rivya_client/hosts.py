"""The host names that receiver and sandbox answer to; other names may resolve to this machine too.

The owner of a name can point it at this machine after a browser has loaded a page from it ("DNS
rebinding"), and the page could read what is served here. Numeric addresses cannot be pointed
elsewhere, and no one owns a name without a dot, as machines of one network have.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/?#@\[\]]+)(:[0-9]*)?", re.ASCII)


def host_in(url: str) -> str | None:
    """The host of a URL, in lower case; None if it has none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def one_spelling(url: str) -> str:
    """The base URL of a service as every machine spells it; any other text as it is."""
    address = url.strip().rstrip("/").removesuffix("/api/v1")
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    standard = {"http": ":80", "https": ":443"}.get(parts.scheme)
    if standard is None or not parts.netloc:
        return address
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(standard)}{parts.path}"


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    host = host_in(url) or ""
    return host == "localhost" or ((ip := _ip_address(host)) is not None and ip.is_loopback)


def is_known(header: str | None, names: Iterable[str]) -> bool:
    """Whether a request with this ``Host`` may be answered; None: it has none, which no browser sends."""
    if header is None:
        return True
    match = _HOST.fullmatch(header.lower())
    host = match[1].strip("[]").rstrip(".") if match else ""
    if not host:
        return False
    known = "." not in host or host in names or host.endswith(".localhost")
    return known or _ip_address(host) is not None


def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
