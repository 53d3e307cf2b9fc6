"""The receiver's own routes, the hosts that it answers to, and its port."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rivya_flows.errors import UsageError
from rivya_flows.receiver import server
from support.receiver_stage import METRICS, METRICS_LOGIN, Stage, receiving
from support.sandbox_calls import PATIENCE


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("receiver")
    store = f"sqlite:///{folder / 'journal.sqlite'}"
    with receiving(store, folder, metrics=METRICS, hosts=["media.example.org"]) as opened:
        yield opened


def test_health_and_metrics_are_served(stage: Stage) -> None:
    assert stage.get("/healthz").json() == {"status": "ok"}
    answer = stage.get("/metrics", Authorization=METRICS_LOGIN)
    assert answer.text == "credits 3\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_metrics_need_the_password_and_are_not_served_through_a_proxy(
    stage: Stage, tmp_path: Path
) -> None:
    for name in ("X-Forwarded-For", "Via", "Forwarded", "X-Real-IP"):
        headers = {name: "192.0.2.7", "Authorization": METRICS_LOGIN}
        assert stage.get("/metrics", **headers).status_code == 404
    assert stage.get("/metrics").status_code == 401
    assert stage.get("/metrics", Authorization="Basic cml2eWE6eA==").status_code == 401
    with receiving(f"sqlite:///{tmp_path / 'journal.sqlite'}", tmp_path) as without:
        assert without.get("/metrics").status_code == 404


def test_pruning_goes_on_after_an_error_that_nobody_expected(tmp_path: Path) -> None:
    tries, again = 0, threading.Event()

    def prune() -> None:
        nonlocal tries
        tries += 1
        if tries == 2:
            again.set()
        raise RuntimeError("the disk speaks in tongues")

    with receiving(f"sqlite:///{tmp_path / 'journal.sqlite'}", tmp_path, prune=(prune, 0.01)):
        assert again.wait(PATIENCE)


KNOWN = (
    *("localhost", "LOCALHOST:99", "run.localhost", "127.0.0.1", "[::1]:8710", "10.0.0.7:8710"),
    *("media.example.org", "Media.Example.Org:443", "receiver:8710"),
)
UNKNOWN = (
    *("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example@localhost"),
    *("media.example.org.evil.example", "[::1", "0x7f.1", ""),
)


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_a_request_for_an_unknown_host_reads_nothing(stage: Stage, path: str) -> None:
    with closing(http.client.HTTPConnection(stage.url.removeprefix("http://"))) as connection:
        for host in (*KNOWN, *UNKNOWN):
            connection.request("GET", path, headers={"Host": host, "Authorization": METRICS_LOGIN})
            answer = connection.getresponse()
            assert answer.status == (200 if host in KNOWN else 421), host
            assert (b"credits" in answer.read()) == (host in KNOWN and path == "/metrics")


def test_the_port_is_taken_before_the_receiver_starts() -> None:
    with closing(server.listen("127.0.0.1", 0)) as bound, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(bound.getsockname())


def test_a_taken_port_and_a_foreign_host_are_usage_errors() -> None:
    with closing(server.listen("127.0.0.1", 0)) as bound:
        with pytest.raises(UsageError, match="is taken"):
            server.listen("127.0.0.1", bound.getsockname()[1])
        with pytest.raises(UsageError, match="is not an address of this machine"):
            server.listen("300.0.0.1", 0)


def test_a_receiver_on_all_addresses_is_reached_on_loopback() -> None:
    with closing(server.listen("0.0.0.0", 0)) as bound:
        assert server.url_of(bound, "0.0.0.0").startswith("http://127.0.0.1:")
        assert server.url_of(bound, "fe80::1").startswith("http://[fe80::1]:")
