"""`webhooks`: endpoints of the service, whose secrets go into the store and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rivya_flows.settings import read_settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.secrets import signing_secrets
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from
from support.sandbox_calls import Receiver, receiving, until

ENDPOINTS = ("webhooks", "endpoints")


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with running(tmp_path / "sandbox", allow_local_webhooks=True) as started:
        buy_from(started, monkeypatch)
        yield started


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def kept() -> list[str]:
    """The signing secrets in the store."""
    with closing(Journal(read_settings().store_url)) as journal:
        return [secret.get_secret_value() for secret in signing_secrets(journal.engine)]


def test_the_secrets_of_an_endpoint_are_never_printed(
    call: Terminal, service: Sandbox, receiver: Receiver
) -> None:
    said = [call(*ENDPOINTS, "create", receiver.url, "--name", "Ours", "--json")]
    endpoint = str(said[0].document["id"])
    (first,) = kept()
    said += [
        call(*ENDPOINTS, "list"),
        call(*ENDPOINTS, "show", endpoint),
        call(*ENDPOINTS, "update", endpoint, "--name", "Theirs", "--event", "generation.failed"),
        call(*ENDPOINTS, "rotate", endpoint),
        call(*ENDPOINTS, "test", endpoint),
    ]
    second = next(secret for secret in kept() if secret != first)
    assert len(kept()) == 2
    (delivery,) = receiver.wait(1)
    assert delivery.is_signed_with(second)
    until(lambda: "succeeded" in call(*ENDPOINTS, "deliveries", endpoint).out or None)
    said.append(call(*ENDPOINTS, "show", endpoint, "--json"))
    assert said[-1].document["name"] == "Theirs"
    assert said[-1].document["event_types"] == ["generation.failed"]
    said.append(call(*ENDPOINTS, "remove", endpoint))
    assert [one.code for one in said] == [0] * len(said), [one.err for one in said]
    assert kept() == []
    assert not any(secret in one.out + one.err for one in said for secret in (first, second))
    assert "there are no endpoints" in call(*ENDPOINTS, "list").out


def test_a_secret_is_printed_once_on_request(
    call: Terminal, service: Sandbox, receiver: Receiver
) -> None:
    made = call(*ENDPOINTS, "create", receiver.url, "--print-secret", "--json").document
    assert [made["signing_secret"]] == kept()
    assert "signing_secret" not in call(*ENDPOINTS, "show", made["id"], "--json").document
    told = call(*ENDPOINTS, "rotate", made["id"], "--at-once", "--print-secret")
    assert told.out.splitlines()[-1:] == kept()


@pytest.mark.parametrize("given", ["whsec_in_plain_sight", "file:whsec_in_plain_sight"])
def test_a_secret_as_an_argument_is_refused_and_not_repeated(call: Terminal, given: str) -> None:
    said = call("webhooks", "listen", "--secret", given)
    assert said.code == 2
    assert "env:NAME" in said.err
    assert "whsec" not in said.err


def test_a_refused_url_and_a_taken_port_are_reported_and_leave_nothing(
    call: Terminal, service: Sandbox, receiver: Receiver
) -> None:
    said = call(*ENDPOINTS, "create", "ftp://example.org/hook")
    assert (said.code, "webhook_url_rejected" in said.err) == (1, True)
    assert kept() == []
    said = call("webhooks", "listen", "--port", receiver.url.rpartition(":")[2])
    assert (said.code, "is taken" in said.err) == (2, True)
