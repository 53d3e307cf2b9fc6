"""Requests: what is sent, under which key, and what the trace names."""

from __future__ import annotations

import logging

import httpx
import pytest

from support.api_stage import BODY, JOB, KEY, Stage, job
from support.raw_server import http, saying


async def test_bytes_are_sent_unchanged_under_their_key() -> None:
    stage = Stage(job())
    async with stage.client() as client:
        generation = await client.generations.create(BODY, idempotency_key="k1")
    (request,) = stage.requests
    assert request.content == BODY
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == "k1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["user-agent"].startswith("rivya-client/")
    assert generation.reserved_credits == 1


async def test_the_trace_names_requests_and_never_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stage = Stage(httpx.Response(202, json=JOB, headers={"X-Request-Id": "req_9"}))
    async with stage.client() as client:
        await client.generations.create(BODY, idempotency_key="k1")
    (line,) = [r.getMessage() for r in caplog.records if r.name == "rivya_client.wire"]
    assert "POST https://rivya.test/api/v1/generations" in line
    assert "rvya_sk_***" in line
    assert "202 req_9" in line
    assert KEY not in caplog.text


async def test_repeated_headers_are_accepted() -> None:
    twice = (
        "X-Request-Id: a",
        "X-Request-Id: b",
        "Content-Type: text/html",
        "Content-Type: application/json",
    )
    with saying(http(b'{"current_credits": 5}', *twice)) as raw:
        async with raw.client() as client:
            assert (await client.credits.retrieve()).current_credits == 5
