"""The example of docs/client.md does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_flows.api.client import RivyaClient
from rivya_flows.api.surroundings import Surroundings

PAGE = Path(__file__).parents[1] / "docs" / "client.md"


def example() -> dict[str, Any]:
    """The names that the page's one block of Python defines."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def service(request: httpx.Request) -> httpx.Response:
    """Buys at once and has the picture at the first look."""
    if request.method == "POST":
        return httpx.Response(202, json={"id": "task_1", "status": "queued"})
    if request.url.path == "/api/v1/generations/task_1":
        result = {"primary_url": "/1.png", "urls": ["/1.png", "/2.png"]}
        return httpx.Response(200, json={"id": "task_1", "status": "succeeded", "result": result})
    return httpx.Response(200, content=b"\x89PNG", headers={"Content-Type": "image/png"})


async def test_the_example_buys_and_saves_every_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def sleep(seconds: float) -> None:
        pass

    async with RivyaClient(
        "rvya_sk_k",
        "http://127.0.0.1:1",
        surroundings=Surroundings(sleep=sleep),
        transport=httpx.MockTransport(service),
    ) as client:
        job = await example()["picture"](client, "A lamp", tmp_path)
    assert job.status == "succeeded"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picture-0.png", "picture-1.png"]
    assert "task_1 succeeded" in capsys.readouterr().out
