"""The sample files of docs/reference/sandbox.md do what the page says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_sandbox.service.serve import running
from support.sandbox_calls import calling, order, until

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "sandbox.md"


def sample(heading: str) -> str:
    """The first YAML block below a heading."""
    below = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    found = re.search(r"```yaml\n(.*?)```", below, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a sandbox with both sample files."""
    with (
        running(tmp_path, faults=sample("Faults"), answers=sample("Rehearsed answers")) as sandbox,
        calling(sandbox) as client,
    ):
        yield client


def test_the_sample_faults_lose_answers_and_refuse_content(client: httpx.Client) -> None:
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            order(client, key="lost")
    assert order(client, key="lost").headers["Idempotent-Replayed"] == "true"
    refused = order(client, model="nano-banana", prompt="A famous  actor on a stage")
    assert refused.json()["error"]["code"] == "validation_failed"
    accepted = order(client, model="nano-banana", prompt="Bare shoulders in the sun")

    def error() -> Any:
        answer = client.get(f"/api/v1/generations/{accepted.json()['id']}")
        return None if answer.is_error else answer.json()["error"]  # one look in ten is a 503

    assert until(error)["code"] == "content_refused"


def test_the_sample_answers_are_given(client: httpx.Client) -> None:
    def said(message: str) -> Any:
        body = {"model": "gemini-2-5-flash-chat", "message": message}
        answer = client.post("/api/v1/chat/completions", json=body)
        return None if answer.is_error else answer.json()["message"]["content"]

    assert said("The fault of the sample fails the first turn") is None
    judged = json.loads(said("Judge the stills from 0 to 10."))
    assert [one["score"] for one in judged["scores"]] == [8.5, 3]
    assert json.loads(said("Rate the slogan: Warm light"))["score"] == 42
    assert json.loads(said("Write three headlines for a lamp")) == {"headlines": ["Only one"]}
    assert said("A shot description for a lamp") == "No idea."
    assert said("A shot description for a lamp") != "No idea."
