"""What `rivya_client` promises, and what it does not import for that."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rivya_client

HEAVY = ("httpx", "pydantic", "asyncio", "rivya_flows", "rivya_sandbox")


def test_the_public_names_are_sorted_and_can_all_be_imported() -> None:
    assert rivya_client.__all__ == sorted(rivya_client.__all__) == dir(rivya_client)
    for name in rivya_client.__all__:
        assert getattr(rivya_client, name) is not None


def test_nothing_else_is_public() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Transport'"):
        _ = rivya_client.Transport  # type: ignore[attr-defined]


def test_importing_it_and_its_prices_imports_nothing_heavy() -> None:
    code = "import sys, rivya_client; from rivya_client import catalogue as c"
    code += "; assert str(c.price(c.shipped().models['z-image'], {})) == '1 credit'"
    code += f"; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
