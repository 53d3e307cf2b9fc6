"""The Rivya API from Python: pictures, films, speech, music and chat.

    from rivya_client import SyncRivyaClient

    with SyncRivyaClient() as client:
        job = client.generations.create_and_wait({"model": "z-image", "prompt": "A brass lamp"})

The names of `__all__`, and those of `rivya_client.catalogue`, are the public API; every other module
is internal and may change. They stand in ``__init__.pyi``, and are imported when they are used, so that
``import rivya_client`` is quick.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

_IMPORTS = re.findall(
    r"^from (\S+) import (\([^)]*\)|.+)$", Path(f"{__file__}i").read_text("utf-8"), re.MULTILINE
)
_MODULES = {
    name: module for module, names in _IMPORTS for name in re.findall(r"\b(\w+) as \1\b", names)
}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    """A public name, imported when it is used first.

    Raises:
        AttributeError: It is not public, and no module that was imported.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
