"""The host names that receiver and sandbox answer to: other names may resolve to this machine too.

A page that a browser has from a name which its owner then lets lead to this machine ("DNS
rebinding") could read what is served here. An address in numbers cannot be made to lead elsewhere,
and nobody can own a name without a dot, as machines of one network have.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/?#@\[\]]+)(:[0-9]*)?", re.ASCII)


def host_in(url: str) -> str | None:
    """The host of an address, in lower case; None if it has none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def is_known(header: str | None, names: Iterable[str]) -> bool:
    """Whether a request may be answered.

    Args:
        header: Its ``Host``, with or without a port; None where it has none, as no browser sends.
        names: Hosts with a dot that it answers to.
    """
    if header is None:
        return True
    told = _HOST.fullmatch(header.lower())
    host = told[1].strip("[]").rstrip(".") if told else ""
    if not host:
        return False
    return "." not in host or host in names or host.endswith(".localhost") or _is_number(host)


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
