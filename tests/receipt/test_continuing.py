"""What continues a run that did not complete."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.receipt.continuing import continuation, next_command, next_step, plain_reason
from rivya_flows.receipt.model import Item
from support.receipts import parsed, whole


def ended(*codes: str, **facts: Any) -> dict[str, Any]:
    items = [{"key": "", "status": "failed", "code": code} for code in codes]
    spec = {"file": "specs/my spec.yaml"}
    steps = [{"id": "film", "status": "failed", "items": items}]
    return {"run_id": "run-1", "status": "failed", "spec": spec, "steps": steps} | facts


@pytest.mark.parametrize(
    ("credits", "words"),
    [
        ({"needed": 33, "after": 1}, "add at least 32 credits first, then resume with"),
        ({"needed": 33, "after": 32}, "add at least 1 credit first, then resume with"),
        ({"needed": 33, "after": 40}, "add credits first, then resume with"),
        ({}, "add credits first, then resume with"),
    ],
)
def test_a_wallet_that_is_too_small_is_filled_first(credits: object, words: str) -> None:
    found = continuation(parsed(ended("insufficient_credits", credits=credits)))
    assert (found.advice, found.command) == (words, "rivya-flows resume run-1")
    step = next_step(parsed(ended("insufficient_credits", credits=credits)), deployed=True)
    assert str(step).startswith(f"{words}: rivya-flows resume run-1; Retry")


@pytest.mark.parametrize(
    ("code", "key"),
    [("api_scope_denied", "a key with that scope"), ("api_key_revoked", "a new key")],
)
def test_a_key_that_is_refused_is_replaced_first(code: str, key: str) -> None:
    found = continuation(parsed(ended(code)))
    assert found.advice == f"set RIVYA_API_KEY to {key} first, then resume with"
    step = next_step(parsed(ended(code)), deployed=True)
    assert "fails again until the worker has that key" in str(step)


JOB = "job_failed"
FORK = "rivya-flows fork run-1 --spec 'specs/my spec.yaml'"
MEND = "mend specs/my spec.yaml, or its input with -i NAME=VALUE, then fork the run, which takes what it has paid for"
TEN = {"needed": 10, "left": 10}


@pytest.mark.parametrize(
    ("codes", "facts", "words"),
    [
        ([JOB], {}, "resume with: rivya-flows resume run-1 --regenerate film"),
        (["connection"], {}, "resume with: rivya-flows resume run-1"),
        (["connection"], {"credits": {"needed": 0, "left": 0}}, "resume with: rivya-flows resume run-1"),
        (["download"], {}, "resume with: rivya-flows resume run-1; where results are gone for good, buy them again: "
         "rivya-flows resume run-1 --regenerate film"),
        ([JOB], {"credits": TEN}, "resume, which buys film again for 10 credits, with: "
         "rivya-flows resume run-1 --regenerate film"),
        ([JOB, JOB], {"credits": {"needed": 20, "left": None}},
         "resume, which buys 2 failed jobs again for at least 20 credits, with: rivya-flows resume run-1"
         " --regenerate film --regenerate film"),
        ([JOB, "connection"], {"credits": TEN},
         "resume, which buys film again and all that follows for 10 credits, with: "
         "rivya-flows resume run-1 --regenerate film"),
        ([JOB], {"credits": TEN, "status": "cancelled"},
         "resume, which buys what is left for 10 credits, with: rivya-flows resume run-1"),
        (["over_budget"], {"credits": {"spent": 12, "needed": 12, "left": None, "enough": 36}},
         "resume, which buys what is left for at least 24 credits, with: rivya-flows resume run-1 --budget 36"),
        ([JOB, "validation_failed"], {"inputs": {"n": 2}},
         f"resume with: rivya-flows resume run-1 --regenerate film; film: refused again as it stands: {MEND}: {FORK}"),
        (["bad_arguments"], {"inputs": {"product": "Comet"}}, f"the same request is refused again: {MEND}: {FORK}"),
        (["not_found"], {"inputs": {"product": "Comet"}}, f"the same request is refused again: {MEND}: {FORK}"),
        (["not_found"], {}, "the same request is refused again: mend specs/my spec.yaml, "
         f"then fork the run, which takes what it has paid for: {FORK}"),
        (["content_refused"], {}, "the same prompt is refused again: change it in specs/my spec.yaml, "
         f"then fork the run, which takes what it has paid for: {FORK}"),
        ([], {"status": "suspended"}, "answer with: rivya-flows resume run-1"),
    ],
)  # fmt: skip
def test_what_continues_a_run_follows_from_its_failures(
    codes: list[str], facts: dict[str, Any], words: str
) -> None:
    assert str(continuation(parsed(ended(*codes, **facts)))) == words


def test_of_many_refused_media_a_few_are_not_named_as_if_they_were_all() -> None:
    few, many = (continuation(parsed(ended(*["quality_failed"] * n))).more for n in (3, 4))
    assert few.count(" --accept film") == 3
    assert many.endswith("rivya-flows resume run-1 --accept STEP")


def test_a_failed_job_is_bought_again_and_a_refused_one_beside_it_is_not() -> None:
    many = continuation(parsed(ended("content_refused", *["job_failed"] * 4)))
    assert many.command.count("--regenerate") == 4, "each of those that may succeed"
    found = continuation(parsed(ended("content_refused")))
    assert found.retry == "buys no failed job again"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("not_found", "the service did not find something that the request names"),
        ("api_key_revoked", "the service did not accept the key"),
        ("something_new", ""),
        (None, ""),
    ],
)
def test_a_failure_is_told_in_plain_words(code: str | None, words: str) -> None:
    assert plain_reason(Item.model_validate(whole("items", {"code": code}))) == words


@pytest.mark.parametrize(
    ("receipt", "asked", "following"),
    [
        (ended(JOB), (), "rivya-flows resume run-1 --regenerate film"),
        (ended("content_refused"), (), FORK),
        (
            ended(status="suspended"),
            ("hero", "heroes[a b]"),
            "rivya-flows resume run-1 --answer hero=ANSWER --answer 'heroes[a b]=ANSWER'",
        ),
        (ended(status="completed"), (), None),
    ],
)
def test_the_command_that_continues_a_run_is_one_to_call(
    receipt: dict[str, Any], asked: tuple[str, ...], following: str | None
) -> None:
    assert next_command(parsed(receipt), asked) == following
