"""Who is really at the other end: a name may lead elsewhere when it is looked up a second time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from rivya_flows.client.transport.addresses import RefusedAddressError, is_private

Trace = Callable[[str, Mapping[str, Any]], Awaitable[None]]


def public_alone(host: str, url: str) -> Trace:
    """Ends a new connection to a host before anything is sent, if it leads to a private address.

    Goes into the `trace` extension of a request to a host that was found to be public. A
    connection to a proxy is the proxy's affair.

    Args:
        host: The host as the HTTP library names it.
        url: Its address as messages show it.

    Returns:
        A coroutine function that raises RefusedAddressError.
    """
    asked: str | None = None

    async def look(event: str, info: Mapping[str, Any]) -> None:
        nonlocal asked
        if event == "connection.connect_tcp.started":
            asked = info["host"]
        elif event == "connection.connect_tcp.complete" and asked == host:
            stream = info["return_value"]
            address = stream.get_extra_info("server_addr")
            if address is not None and is_private(address[0]):
                await stream.aclose()
                raise RefusedAddressError(
                    url, "its host was public and now leads to a private address"
                )

    return look
