"""Read the catalogue of the service, and cache it for work offline."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.snapshot import from_wire, shipped

if TYPE_CHECKING:  # heavy, and `check` needs none of them
    from rivya_client.client import RivyaClient
    from rivya_flows.engine.run_context import RunContext
    from rivya_flows.settings import Settings

_NAME, _MAX_BYTES = "catalogue.json", 8 << 20


async def read_catalogue(client: RivyaClient, context: RunContext | None = None) -> Catalogue:
    """The models that the service lists now; cached in the context, unless it is of a sandbox."""
    catalogue = await client.models.catalogue()
    if context is not None and not context.service.identity.startswith("sandbox:"):
        service, path = context.service.base_url, context.settings.data / _NAME
        cached = {"service": service, "date": catalogue.date, "payload": catalogue.wire}
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):  # it is only a convenience
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(cached), "utf-8")
            partial.replace(path)
    return catalogue


def known_catalogue(settings: Settings) -> Catalogue:
    """The catalogue to check against offline: the cached one of the service if it is newer than the shipped one."""
    ours, path = shipped(), settings.data / _NAME
    # One that cannot be read counts for nothing.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        cached = json.loads(path.read_text("utf-8")) if path.stat().st_size <= _MAX_BYTES else {}
        if cached["service"] == settings.rivya_base_url and cached["date"] > ours.date:
            read = from_wire(cached["payload"], date=cached["date"], source="cached")
            return read if read.models else ours
    return ours


def known_schema(settings: Settings) -> dict[str, Any]:
    """The JSON Schema of specs, with the models that are known here."""
    from rivya_flows.spec.json_schema import json_schema
    from rivya_flows.steps.registry import installed_kinds

    return json_schema(known_catalogue(settings), installed_kinds())
