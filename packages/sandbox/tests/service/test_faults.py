"""Injected faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import calling, order

CREATE = "POST /api/v1/generations"


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


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
    admin.set_faults(sandbox.data, "")


def test_a_refusal_may_happen_to_some_prompts_by_the_seed(sandbox: Sandbox) -> None:
    fault = f'on: "{CREATE}", do: refuse, prompt: neon, probability: 0.5, times: 3'
    with faulty(sandbox, fault, seed=3) as client:
        drawn = [order(client, prompt=f"Neon lamp {n}").status_code for n in range(12)]
        assert {order(client).status_code for _ in range(3)} == {202}
    assert drawn.count(400) == 3
