"""Operations on a data folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox


def test_operator_errors_name_the_wrong_value(sandbox: Sandbox, tmp_path: Path) -> None:
    wrong: list[Callable[[], object]] = [
        lambda: admin.create_key(sandbox.data, scopes=["everything"]),
        lambda: admin.revoke_key(sandbox.data, "key_unknown"),
        lambda: admin.list_keys(sandbox.data, account="nobody"),
        lambda: admin.add_credits(sandbox.data, 0),
        lambda: admin.ledger(sandbox.data, account="nobody"),
        lambda: admin.ledger(tmp_path / "nothing"),
        lambda: admin.set_faults(sandbox.data, "faults: [{on: generation, do: explode}]"),
        lambda: admin.set_faults(sandbox.data, "faults: [{on: generation, do: drop_before}]"),
        lambda: admin.set_faults(sandbox.data, "{"),
    ]
    for act in wrong:
        with pytest.raises(SandboxError):
            act()
    assert not (tmp_path / "nothing").exists()
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(SandboxError, match="cannot be used"), contextlib.ExitStack() as stack:
        stack.enter_context(running(blocked))
