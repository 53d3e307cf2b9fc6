"""The request limit of a key."""

from __future__ import annotations

from pathlib import Path

from rivya_sandbox.service import admin
from rivya_sandbox.service.serve import running
from support.sandbox_calls import calling, code


def test_requests_over_the_limit_wait_for_the_next_minute(tmp_path: Path) -> None:
    now = [120.0]
    with (
        running(tmp_path, rate_limit=3, clock=lambda: now[0]) as sandbox,
        calling(sandbox) as client,
    ):
        answers = [client.get("/api/v1/credits") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert code(answers[3]) == "rate_limited"
        assert answers[3].headers["Retry-After"] == "60"
        other = admin.create_key(sandbox.data)["api_key"]
        with calling(sandbox, other) as second:
            assert second.get("/api/v1/credits").status_code == 200
        assert client.get("/api/v1/models").status_code == 200
        now[0] += 60
        assert client.get("/api/v1/credits").status_code == 200
