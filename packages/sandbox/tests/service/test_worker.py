"""Generations in the background."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import calling, credits, ended, order, png, upload


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


@contextmanager
def faulty(sandbox: Sandbox, *faults: str, seed: int = 0) -> Iterator[httpx.Client]:
    listed = "".join(f"  - {{{fault}}}\n" for fault in faults)
    admin.set_faults(sandbox.data, f"seed: {seed}\nfaults:\n{listed}")
    with calling(sandbox) as client:
        yield client


def test_injected_faults_make_generations_fail_stall_or_wait(sandbox: Sandbox) -> None:
    with faulty(
        sandbox,
        "on: generation, do: fail, times: 1, model: nano-banana",
        "on: generation, do: stall, times: 1",
        "on: generation, do: delay, seconds: 0.05, times: 1",
    ) as client:
        stalled = order(client).json()["id"]
        assert ended(client, order(client).json()["id"])["status"] == "succeeded"
        failed = ended(client, order(client, model="nano-banana").json()["id"])
        assert (failed["status"], failed["final_credits"]) == ("failed", 0)
        job = client.get(f"/api/v1/generations/{stalled}").json()
        assert job["status"] == "processing"
        admin.set_faults(sandbox.data, "")
        assert ended(client, stalled)["status"] == "succeeded"


def test_refused_content_ends_a_job_with_its_own_code_and_costs_nothing(sandbox: Sandbox) -> None:
    with faulty(
        sandbox, 'on: generation, do: refuse, prompt: "Bare  shoulders", model: z-image'
    ) as client:
        before = credits(client)
        accepted = order(client, prompt="A dancer, bare\nSHOULDERS, neon")
        assert accepted.status_code == 202
        job = ended(client, accepted.json()["id"])
        assert (job["status"], job["final_credits"], job["result"]) == ("failed", 0, None)
        assert job["error"]["code"] == "content_refused"
        assert "content policy" in job["error"]["message"]
        assert credits(client) == before
        for change in ({"prompt": "A dancer in a coat"}, {"model": "nano-banana"}):
            body = {"prompt": "bare shoulders", **change}
            assert ended(client, order(client, **body).json()["id"])["status"] == "succeeded"


def test_a_failing_rendering_fails_the_job_and_gives_the_credits_back(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    file = upload(client, png()).json()
    # Damaged after the upload, so that no renderer can read it.
    (sandbox.data / "files" / file["url"].rpartition("/")[2]).write_bytes(png()[:20])
    job = ended(
        client,
        order(
            client,
            model="nano-banana",
            params={
                "imageSize": "auto",
                "referenceMediaItems": [{"url": file["url"], "kind": "image"}],
            },
        ).json()["id"],
    )
    assert (job["status"], job["error"]["code"]) == ("failed", "generation_failed")
    assert credits(client) == 1000
