"""Every spec as an attribute: ``rivya_flows.flows.campaigns:product_launch`` is ``specs/product-launch.yaml``.

Prefect's entrypoints are module attributes, so a spec needs no Python file of its own. Nothing
else in here begins with a letter, so that a spec may have any name.
"""

from __future__ import annotations

from collections.abc import Coroutine as _Coroutine
from typing import Any as _Any

from prefect import Flow as _Flow

from rivya_flows.flows import spec_registry as _registry


def __getattr__(name: str) -> _Flow[..., _Coroutine[_Any, _Any, _Any]]:
    """The flow of a spec; `AttributeError` says where one was looked for."""
    # Python and its tools ask every module for names such as __path__.
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _registry.flow_of(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_registry.spec_files()})
