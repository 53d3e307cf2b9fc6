from __future__ import annotations

import pytest

from support.cli_calls import Terminal


def test_down_with_nothing_running_succeeds(terminal: Terminal) -> None:
    said = terminal("down")
    assert (said.code, said.out) == (0, "nothing was running\n")
    assert terminal("down", "--json").document == {"ended": []}


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)
