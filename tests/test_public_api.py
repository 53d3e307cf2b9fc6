"""What `rivya_flows` promises, and what it does not import for that."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rivya_flows
from rivya_flows.errors import UsageError

HEAVY = ("prefect", "httpx", "sqlalchemy", "pydantic", "click", "rich")


def test_the_public_names_are_sorted_and_can_all_be_imported() -> None:
    assert rivya_flows.__all__ == sorted(rivya_flows.__all__)
    for name in rivya_flows.__all__:
        assert getattr(rivya_flows, name) is not None


def test_nothing_else_is_public() -> None:
    assert dir(rivya_flows) == rivya_flows.__all__
    with pytest.raises(AttributeError, match="no attribute 'prepare'"):
        getattr(rivya_flows, "prepare")  # noqa: B009  # mypy knows that it is missing


@pytest.mark.slow
def test_importing_the_package_imports_nothing_heavy_and_checking_a_spec_no_prefect() -> None:
    code = f"import sys, rivya_flows as rf; print([m for m in {HEAVY} if m in sys.modules])"
    code += "; rf.check, rf.run; print('prefect' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\nFalse\n"


@pytest.mark.parametrize("name", ["plan", "run"])
async def test_a_synchronous_function_in_a_running_loop_names_its_twin(name: str) -> None:
    with pytest.raises(UsageError, match="running event loop") as caught:
        getattr(rivya_flows, name)("spot.yaml")
    assert caught.value.hint == f"write: await rivya_flows.a{name}(...)"
