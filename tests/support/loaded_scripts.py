"""Programs of the repository that are in no package, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def loaded(path: str | Path) -> Any:
    """The module of a file.

    Args:
        path: Absolute, or from the root of the repository.
    """
    file = ROOT / path
    described = importlib.util.spec_from_file_location(file.stem, file)
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    sys.modules[described.name] = module  # dataclasses look there
    described.loader.exec_module(module)
    return module


def examples_of(page: Path, **names: Any) -> dict[str, Any]:
    """The names that the blocks of Python on a page define, one after the other.

    Args:
        page: A Markdown file.
        names: What is there before the first block.
    """
    names.setdefault("__name__", "example")
    for part in page.read_text("utf-8").split("```python\n")[1:]:
        # Without `from __future__ import annotations` of this module.
        code = part.partition("```")[0]
        # Under no name of a file: Prefect would read that as Python.
        exec(compile(code, f"<{page.name}>", "exec", dont_inherit=True), names)
    return names
