"""Injected faults of requests and of generations."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from rivya_sandbox.service import admin
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import calling, code, credits, ended, fetch, order, png, upload

CREATE = "POST /api/v1/generations"


@contextmanager
def faulty(sandbox: Sandbox, *faults: str, seed: int = 0) -> Iterator[httpx.Client]:
    listed = "".join(f"  - {{{fault}}}\n" for fault in faults)
    admin.set_faults(sandbox.data, f"seed: {seed}\nfaults:\n{listed}")
    with calling(sandbox) as client:
        yield client


def test_probabilities_follow_the_seed(sandbox: Sandbox) -> None:
    fault = f'on: "{CREATE}", do: status, status: 500, probability: 0.5'
    drawn = []
    for seed in (1, 2, 1):
        admin.set_faults(sandbox.data, "")
        with faulty(sandbox, fault, seed=seed) as client:
            drawn.append([order(client).status_code for _ in range(12)])
    assert drawn[0] == drawn[2] != drawn[1]
    assert {500, 202} == set(drawn[0])


def test_counts_survive_a_restart_with_the_same_faults(tmp_path: Path) -> None:
    text = f'faults: [{{on: "{CREATE}", do: status, status: 500, times: 1}}]'
    statuses = []
    for _ in range(2):
        with running(tmp_path, faults=text) as sandbox, calling(sandbox) as client:
            statuses.append(order(client).status_code)
    assert statuses == [500, 202]


def test_the_same_faults_set_again_happen_again(sandbox: Sandbox) -> None:
    fault = f'on: "{CREATE}", do: status, status: 500, times: 1'
    statuses = []
    for _ in range(2):
        with faulty(sandbox, fault) as client:
            assert [one["used"] for one in admin.list_faults(sandbox.data)] == [0]
            statuses += [order(client).status_code for _ in range(2)]
    assert statuses == [500, 202, 500, 202]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (
            "on: chat, do: refuse",
            "'do: refuse' does not go with 'on: chat', but one of delay, fail",
        ),
        ('on: "GET /api/v1/models", do: refuse', "'do: refuse' does not go with"),
        ("on: webhook, do: double, prompt: a", "'prompt' does not go with 'on: webhook'"),
        ('on: "GET /x", do: status, status: 500, prompt: a', "'prompt' does not go with"),
        ("on: generation, do: refuse, prompt: ' '", "'prompt' has no words"),
        ("on: generation, do: refuse, prompt: ''", "faults.0.prompt"),
        ("on: generation, do: refuse, words: a", "faults.0.words: Extra inputs"),
        ("on: generation, do: refuze", "faults.0.do"),
        ("on: generation, do: broken", "'how' goes with 'do: broken': one of black, frozen, "),
        ("on: generation, do: fail, how: black", "'how' goes with 'do: broken'"),
        ("on: generation, do: broken, how: green", "faults.0.how"),
        ("on: chat, do: broken, how: black", "'do: broken' does not go with 'on: chat'"),
        (
            "on: generation, do: broken, how: frozen, model: z-image",
            "'how: frozen' does not go with the image of z-image, but one of shape, blank",
        ),
        ("on: generations, do: fail", "'generations' is not one of generation, chat, webhook"),
    ],
)
def test_a_wrong_fault_says_what_is_wrong_and_leaves_the_earlier_ones(
    sandbox: Sandbox, fault: str, problem: str
) -> None:
    admin.set_faults(sandbox.data, "faults: [{on: chat, do: fail}]")
    with pytest.raises(SandboxError) as error:
        admin.set_faults(sandbox.data, f"faults: [{{{fault}}}]")
    assert problem in str(error.value)
    assert [one["on"] for one in admin.list_faults(sandbox.data)] == ["chat"]


def test_a_refusal_may_happen_to_some_prompts_by_the_seed(sandbox: Sandbox) -> None:
    fault = f'on: "{CREATE}", do: refuse, prompt: neon, probability: 0.5, times: 3'
    with faulty(sandbox, fault, seed=3) as client:
        drawn = [order(client, prompt=f"Neon lamp {n}").status_code for n in range(12)]
        assert {order(client).status_code for _ in range(3)} == {202}
    assert drawn.count(400) == 3


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "validation_failed"),
        (401, "api_key_invalid"),
        (404, "not_found"),
        (409, "idempotency_conflict"),
        (418, "validation_failed"),
        (429, "rate_limited"),
        (500, "internal_error"),
        (503, "public_api_disabled"),
    ],
)
def test_an_injected_status_happens_the_given_number_of_times(
    sandbox: Sandbox, status: int, said: str
) -> None:
    with faulty(sandbox, f'on: "{CREATE}", do: status, status: {status}, times: 2') as client:
        before = credits(client)
        for _ in range(2):
            answer = order(client)
            assert (answer.status_code, code(answer)) == (status, said)
        assert credits(client) == before
        assert order(client).status_code == 202
    assert [fault["used"] for fault in admin.list_faults(sandbox.data)] == [2]


def test_a_drop_before_leaves_nothing_and_one_after_leaves_a_paid_job(sandbox: Sandbox) -> None:
    before = len(admin.ledger(sandbox.data)["generations"])
    with faulty(
        sandbox,
        f'on: "{CREATE}", do: drop_before, times: 1',
        f'on: "{CREATE}", do: drop_after_commit, times: 1',
    ) as client:
        for jobs in (0, 1):
            with pytest.raises(httpx.TransportError):
                order(client, key=sandbox.base_url)
            assert len(admin.ledger(sandbox.data)["generations"]) == before + jobs
        replayed = order(client, key=sandbox.base_url)
        assert replayed.headers["Idempotent-Replayed"] == "true"
        assert ended(client, replayed.json()["id"])["status"] == "succeeded"
    assert len(admin.ledger(sandbox.data)["generations"]) == before + 1


def test_a_fault_may_be_for_one_model_and_for_a_pattern_of_paths(sandbox: Sandbox) -> None:
    with faulty(
        sandbox,
        f'on: "{CREATE}", do: status, status: 500, model: nano-banana',
        'on: "GET /api/v1/generations/*", do: status, status: 502',
        f'on: "{CREATE}", do: delay, seconds: 0.01',
    ) as client:
        assert order(client).status_code == 202
        assert order(client, model="nano-banana").status_code == 500
        assert client.get("/api/v1/generations/task_1").status_code == 502
        assert client.get("/api/v1/credits").status_code == 200


def test_a_refused_prompt_is_answered_at_once_and_costs_nothing(sandbox: Sandbox) -> None:
    with faulty(sandbox, f'on: "{CREATE}", do: refuse, prompt: bare shoulders') as client:
        before = credits(client), len(admin.ledger(sandbox.data)["generations"])
        for _ in range(2):
            answer = order(client, key="refused", prompt="Bare shoulders, neon")
            assert (answer.status_code, code(answer)) == (400, "validation_failed")
            assert "content policy" in answer.json()["error"]["message"]
        assert (credits(client), len(admin.ledger(sandbox.data)["generations"])) == before
        assert order(client, key="refused", prompt="A coat, neon").status_code == 202


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


def test_a_broken_medium_is_charged_as_any_other_and_others_stay_whole(sandbox: Sandbox) -> None:
    with faulty(
        sandbox,
        "on: generation, do: broken, how: blank, times: 1, model: z-image",
        "on: generation, do: broken, how: silent, times: 1",
    ) as client:
        jobs = [ended(client, order(client).json()["id"]) for _ in range(2)]
        assert {(job["status"], job["final_credits"]) for job in jobs} == {("succeeded", 1)}
        pictures = [
            Image.open(io.BytesIO(fetch(job["result"]["primary_url"]).content)) for job in jobs
        ]
        assert [len(picture.getcolors() or ()) == 1 for picture in pictures] == [True, False]


def test_a_fault_waits_for_a_medium_that_can_be_so_broken(sandbox: Sandbox) -> None:
    def used() -> int:
        return int(admin.list_faults(sandbox.data)[0]["used"])

    with faulty(sandbox, "on: generation, do: broken, how: silent, times: 1") as client:
        for model in ("z-image", "veo3-1-lite"):
            assert order(client, model=model).status_code == 202
        assert used() == 0
        assert order(client, model="kling-3-0", params={"sound": "true"}).status_code == 202
        assert used() == 1


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
