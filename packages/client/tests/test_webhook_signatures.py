"""Webhook signatures: what verifies, what does not, and that no secret is ever shown."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr

from rivya_client.errors import UsageError
from rivya_client.webhook_signatures import (
    SignatureScheme,
    WebhookError,
    WebhookHeaderError,
    WebhookPayloadError,
    WebhookReplayError,
    WebhookSignatureError,
    sign_webhook,
    verify_webhook,
)

SECRET = "whsec_0123456789abcdef"
OLD = "whsec_fedcba9876543210"
NOW = 1_800_000_000
JOB = {"id": "task_1", "status": "succeeded", "model": "z-image", "final_credits": 1}
EVENT = {
    "id": "evt_1",
    "type": "generation.succeeded",
    "api_version": "2026-05-11",
    "created_at": "2026-05-11T00:00:00.000Z",
    "data": JOB,
}
BODY = json.dumps(EVENT).encode()


def signature(body: bytes = BODY, secret: str = SECRET, timestamp: object = NOW) -> str:
    """Computed with the standard library only, as in the contract."""
    message = str(timestamp).encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def headers(signed: str | None = None, timestamp: object = NOW) -> dict[str, str]:
    return {
        "X-Rivya-Timestamp": str(timestamp),
        "X-Rivya-Signature": signature(timestamp=timestamp) if signed is None else signed,
        "Content-Type": "application/json",
    }


def test_an_event_survives_half_a_character() -> None:
    error = b'{"code": "generation_failed", "message": "too dark \\ud83d"}'
    job = b'{"id": "task_1", "status": "failed", "model": "z-image", "error": %s}' % error
    body = b'{"id": "evt_1", "type": "generation.failed", "data": %s}' % job
    event = verify_webhook(body, headers(signature(body)), [SECRET], NOW)
    assert event.generation is not None
    assert event.generation.error is not None
    assert event.generation.error.message == "too dark �"


def test_a_signed_delivery_gives_its_event() -> None:
    event = verify_webhook(BODY, headers(), [SECRET], NOW)
    assert (event.id, event.type, event.api_version) == (
        "evt_1",
        "generation.succeeded",
        "2026-05-11",
    )
    assert event.generation is not None
    assert (event.generation.id, event.generation.ended) == ("task_1", True)


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param({"data": JOB}, id="data"),
        pytest.param({"data": {"object": JOB}}, id="data-object"),
        pytest.param({"data": {"generation": JOB}}, id="data-generation"),
        pytest.param({"generation": JOB}, id="generation"),
        pytest.param({"data": {"id": "x"}, "generation": JOB}, id="the-first-that-is-a-job"),
    ],
)
def test_the_job_is_found_in_every_known_place(rest: dict[str, Any]) -> None:
    body = json.dumps({"id": "evt_1", "type": "generation.failed", **rest}).encode()
    event = verify_webhook(body, headers(signature(body)), [SECRET], NOW)
    assert event.generation is not None
    assert event.generation.id == "task_1"


@pytest.mark.parametrize("rest", [{}, {"data": {}}, {"data": {"id": "x"}}, {"data": [1]}])
def test_an_event_without_a_job_is_an_event(rest: dict[str, Any]) -> None:
    body = json.dumps({"id": "evt_1", "type": "webhook.test", **rest}).encode()
    event = verify_webhook(body, headers(signature(body)), [SECRET], NOW)
    assert (event.type, event.generation) == ("webhook.test", None)


def test_the_case_of_headers_does_not_matter_and_any_of_several_secrets_may_have_signed() -> None:
    for change in (str.lower, str.upper, str.swapcase):
        changed = {change(name): value for name, value in headers().items()}
        assert verify_webhook(BODY, changed, [SECRET], NOW).id == "evt_1"
    several: list[Sequence[str | SecretStr]] = [
        *([SECRET], [OLD, SECRET], [SECRET, OLD], (f" {SECRET}\n",), [SecretStr(SECRET)])
    ]
    for secrets in several:
        assert verify_webhook(BODY, headers(), secrets, NOW).id == "evt_1"


@pytest.mark.parametrize(
    "signed",
    [
        pytest.param(f"{signature(secret=OLD)}, {signature()}", id="two"),
        pytest.param(f"v2=abc,{signature()}", id="another-version"),
        pytest.param(f"v1=,{signature()}", id="an-empty-one"),
        pytest.param(f"v1=लाल,{signature()}", id="not-ascii"),
        pytest.param(f"  {signature()}  ", id="blanks"),
        pytest.param("v1=" + signature()[3:].upper(), id="upper-case"),
    ],
)
def test_one_of_several_signatures_is_enough(signed: str) -> None:
    assert verify_webhook(BODY, headers(signed), [SECRET], NOW).id == "evt_1"


@pytest.mark.parametrize(
    ("body", "given"),
    [
        pytest.param(BODY + b" ", headers(), id="another-body"),
        pytest.param(BODY.replace(b"z-image", b"z-imagf"), headers(), id="a-changed-body"),
        pytest.param(BODY, headers(signature(secret=OLD)), id="another-secret"),
        pytest.param(BODY, headers(signature(timestamp=NOW - 1)), id="another-time"),
        pytest.param(BODY, headers(signature()[:-1]), id="cut"),
        pytest.param(BODY, headers("v1=0"), id="nonsense"),
        pytest.param(BODY, headers("v1=लाल"), id="not-ascii"),
        pytest.param(BODY, headers(signature(secret="0123456789abcdef")), id="without-whsec"),
    ],
)
def test_a_signature_that_does_not_match_is_refused(body: bytes, given: dict[str, str]) -> None:
    with pytest.raises(WebhookSignatureError):
        verify_webhook(body, given, [SECRET], NOW)


@pytest.mark.parametrize("name", ["X-Rivya-Timestamp", "X-Rivya-Signature"])
@pytest.mark.parametrize("value", [None, "", "  ", "soon", "v1=", "v2=ab", "-1", "1_0", "१०"])
def test_unreadable_headers_are_refused(name: str, value: str | None) -> None:
    given = headers()
    del given[name]
    if value is not None:
        given[name] = value
    with pytest.raises(WebhookHeaderError, match=name):
        verify_webhook(BODY, given, [SECRET], NOW)


def test_two_timestamps_are_refused() -> None:
    with pytest.raises(WebhookHeaderError):
        verify_webhook(BODY, {**headers(), "x-rivya-timestamp": "1"}, [SECRET], NOW)


def test_deliveries_outside_the_window_are_replays() -> None:
    for age in (-300, -1, 0, 299, 300):
        given = headers(timestamp=NOW - age)
        assert verify_webhook(BODY, given, [SECRET], NOW).id == "evt_1"
    for age in (-86_400, -301, 301, 10**9):
        with pytest.raises(WebhookReplayError):
            verify_webhook(BODY, headers(timestamp=NOW - age), [SECRET], NOW)


def test_the_time_is_that_of_the_machine_unless_it_is_given() -> None:
    now = int(time.time())
    assert verify_webhook(BODY, headers(timestamp=now), [SECRET]).id == "evt_1"
    with pytest.raises(WebhookReplayError):
        verify_webhook(BODY, headers(timestamp=now - 10_000), [SECRET])


def test_the_window_can_be_set() -> None:
    given = headers(timestamp=NOW - 60)
    assert verify_webhook(BODY, given, [SECRET], NOW, tolerance_seconds=60).id == "evt_1"
    for tolerance in (59, float("nan")):
        with pytest.raises(WebhookReplayError):
            verify_webhook(BODY, given, [SECRET], NOW, tolerance_seconds=tolerance)


def test_a_forger_does_not_learn_whether_the_time_was_right() -> None:
    with pytest.raises(WebhookSignatureError):
        verify_webhook(BODY, headers(signature(secret=OLD), timestamp=1), [SECRET], NOW)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"id": "evt_1"}', b'{"id":"","type":""}', b"[" * 100_000]
)
def test_a_signed_body_that_is_not_an_event_is_an_error_of_its_own(body: bytes) -> None:
    with pytest.raises(WebhookPayloadError):
        verify_webhook(body, headers(signature(body)), [SECRET], NOW)


@pytest.mark.parametrize(
    "secrets",
    [SECRET, SecretStr(SECRET), [], (), [""], ["  "], [SECRET, ""], ["whsec_\ud800"], [None]],
)
def test_invalid_secrets_are_refused_and_not_shown(secrets: Any) -> None:
    with pytest.raises(UsageError) as caught:
        verify_webhook(BODY, headers(signature(secret="")), secrets, NOW)
    assert "whsec" not in repr(caught.value)


def test_a_body_that_was_decoded_is_refused() -> None:
    with pytest.raises(UsageError, match="is not bytes"):
        verify_webhook(BODY.decode(), headers(), [SECRET], NOW)  # type: ignore[arg-type]  # the test


def test_the_names_of_the_scheme_can_be_set() -> None:
    scheme = SignatureScheme("Rivya-Time", "Rivya-Sign", "s2")
    given = {"rivya-time": str(NOW), "rivya-sign": "s2=" + signature()[3:]}
    assert verify_webhook(BODY, given, [SECRET], NOW, scheme=scheme).id == "evt_1"


def test_signing_and_verifying_agree_with_the_contract() -> None:
    assert f"v1={sign_webhook(BODY, SECRET, NOW)}" == signature()
    assert sign_webhook(BODY, SecretStr(SECRET), str(NOW)) == signature()[3:]


@given(
    st.binary(max_size=50),
    st.dictionaries(
        st.sampled_from(["X-Rivya-Timestamp", "x-rivya-signature", "X-Rivya-Signature"]), st.text()
    ),
)
def test_any_unsigned_delivery_is_refused_with_a_webhook_error(
    body: bytes, given: Mapping[str, str]
) -> None:
    with pytest.raises(WebhookError) as caught:
        verify_webhook(body, given, [SECRET], NOW)
    assert SECRET not in repr(caught.value) + str(caught.value)
