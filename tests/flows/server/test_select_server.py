from __future__ import annotations

import os

import pytest
from prefect.settings import get_current_settings
from pydantic import ValidationError

from rivya_flows.flows.server.environment import pointed_at


def test_prefect_uses_another_server_inside_the_block() -> None:
    with pointed_at({"PREFECT_API_URL": "http://127.0.0.1:1/api"}):
        assert get_current_settings().api.url == "http://127.0.0.1:1/api"
    assert get_current_settings().api.url is None
    assert "PREFECT_API_URL" not in os.environ


def test_nothing_is_set_when_prefect_refuses_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_FLOWS_DEFAULT_RETRIES", "many")
    with pytest.raises(ValidationError), pointed_at({"PREFECT_API_URL": "http://127.0.0.1:1/api"}):
        pass
    assert "PREFECT_API_URL" not in os.environ
