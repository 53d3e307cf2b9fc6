"""What continues a run that did not complete."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.receipt.continuing import continuation, next_step, plain_reason
from rivya_flows.receipt.model import Item
from support.receipts import parsed, whole


def ended(*codes: str, **facts: Any) -> dict[str, Any]:
    items = [{"key": "", "status": "failed", "code": code} for code in codes]
    spec = {"file": "specs/my spec.yaml"}
    steps = [{"id": "film", "status": "failed", "items": items}]
    return {"run_id": "run-1", "status": "failed", "spec": spec, "steps": steps} | facts


def item_of(facts: dict[str, Any]) -> Item:
    return Item.model_validate(whole("items", facts))


def test_results_that_cannot_be_downloaded_can_be_bought_again() -> None:
    items = [{"status": "failed", "code": "download", "key": ""}]
    found = continuation(parsed({"run_id": "run-1", "steps": [{"id": "still", "items": items}]}))
    assert str(found) == (
        "resume with: rivya-flows resume run-1; where results are gone for good, buy them again: "
        "rivya-flows resume run-1 --regenerate still"
    )


def test_what_may_go_otherwise_is_resumed_with_its_options() -> None:
    found = continuation(parsed(ended("job_failed")))
    assert found.command == "rivya-flows resume run-1 --regenerate film"
    assert found.advice == "resume with"
    assert continuation(parsed(ended("connection"))).command == "rivya-flows resume run-1"


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


def test_what_a_failed_job_and_all_that_follows_cost_is_said() -> None:
    credits = {"needed": 10, "left": 10}
    film = continuation(parsed(ended("job_failed", credits=credits)))
    assert film.advice == "resume, which buys film again for 10 credits, with"
    both = continuation(
        parsed(ended("job_failed", "job_failed", credits={"needed": 20, "left": None}))
    )
    assert both.advice == "resume, which buys 2 failed jobs again for at least 20 credits, with"
    found = continuation(parsed(ended("job_failed", "connection", credits=credits)))
    assert found.advice == "resume, which buys film again and all that follows for 10 credits, with"
    assert continuation(parsed(ended("job_failed"))).advice == "resume with"
    cancelled = continuation(parsed(ended("job_failed", credits=credits, status="cancelled")))
    assert cancelled.advice == "resume, which buys what is left for 10 credits, with"


def test_what_a_stopped_run_still_buys_is_said() -> None:
    credits = {"spent": 12, "needed": 12, "left": None, "enough": 36}
    found = continuation(parsed(ended("over_budget", credits=credits)))
    assert str(found) == (
        "resume, which buys what is left for at least 24 credits, with: "
        "rivya-flows resume run-1 --budget 36"
    )
    done = continuation(parsed(ended("connection", credits={"needed": 0, "left": 0})))
    assert done.advice == "resume with"


def test_beside_a_failed_job_a_refused_request_is_mended_in_the_spec() -> None:
    found = continuation(parsed(ended("job_failed", "validation_failed", inputs={"n": 2})))
    assert found.command == "rivya-flows resume run-1 --regenerate film"
    assert found.more == (
        "; film: refused again as it stands: mend specs/my spec.yaml, or its input with -i "
        "NAME=VALUE, then fork the run, which takes what it has paid for: "
        "rivya-flows fork run-1 --spec 'specs/my spec.yaml'"
    )


def test_a_request_that_is_refused_again_is_mended_in_the_spec_or_by_an_input() -> None:
    found = continuation(parsed(ended("not_found", inputs={"product": "Comet"})))
    assert "mend specs/my spec.yaml, or its input with -i NAME=VALUE, then fork" in found.advice
    assert found.command == "rivya-flows fork run-1 --spec 'specs/my spec.yaml'"
    assert "-i" not in continuation(parsed(ended("not_found"))).advice
    both = continuation(parsed(ended("not_found", "job_failed")))
    assert both.command.startswith("rivya-flows resume")


def test_a_prompt_that_a_filter_refused_is_changed_and_not_bought_again() -> None:
    found = continuation(parsed(ended("content_refused")))
    assert str(found) == (
        "the same prompt is refused again: change it in specs/my spec.yaml, "
        "then fork the run, which takes what it has paid for: "
        "rivya-flows fork run-1 --spec 'specs/my spec.yaml'"
    )
    assert found.retry == "buys no failed job again"
    many = continuation(parsed(ended("content_refused", *["job_failed"] * 4, ledger=[])))
    assert many.command.count("--regenerate") == 4, "each of those that may succeed"


def test_a_run_that_waits_is_answered() -> None:
    found = continuation(parsed(ended(status="suspended")))
    assert str(found) == "answer with: rivya-flows resume run-1"


def test_a_failure_is_told_in_plain_words() -> None:
    assert plain_reason(item_of({"code": "not_found"})) == (
        "the service did not find something that the request names"
    )
    assert (
        plain_reason(item_of({"code": "api_key_revoked"})) == "the service did not accept the key"
    )
    assert plain_reason(item_of({"code": "something_new"})) == plain_reason(item_of({})) == ""
