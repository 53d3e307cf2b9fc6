"""What several machines share: media on an S3-compatible store, the journal on a database server."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from sqlalchemy import make_url, text

from rivya_flows.errors import StoreError, StoreUnreachableError
from rivya_flows.processes.ports import choose_port
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.database import make_patient, open_engine, reading, writing
from support.databases import fresh_store
from support.s3_server import BUCKET, s3_server

pytestmark = pytest.mark.slow

CONTENT = b"a picture"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with s3_server() as environment, pytest.MonkeyPatch.context() as patch:
        point_at(environment, patch)
        fsspec.filesystem("s3").mkdir(BUCKET)
        yield environment


@pytest.fixture
def store(
    server: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> AssetStore:
    point_at(server, monkeypatch)
    return AssetStore(f"s3://{BUCKET}/{request.node.name}", tmp_path / "copies")


def point_at(environment: dict[str, str], patch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        patch.setenv(name, value)
    # fsspec keeps a client for each address, whatever the environment says by now.
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def medium(folder: Path, content: bytes = CONTENT) -> Path:
    path = folder / "medium.png"
    path.write_bytes(content)
    return path


def test_a_medium_is_kept_read_listed_and_removed_by_any_machine(
    store: AssetStore, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match=f"medium {DIGEST[:12]} is not in s3://{BUCKET}/"):
        store.local_path(DIGEST)
    assert store.size(DIGEST) is None
    assert store.put(medium(tmp_path)) == store.put(medium(tmp_path)) == DIGEST
    assert store.local_path(DIGEST).read_bytes() == CONTENT
    [kept] = store.listing()
    assert (kept.sha256, kept.size_bytes) == (DIGEST, len(CONTENT))
    assert kept.changed_at is not None
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    AssetStore(store.url, tmp_path / "elsewhere").remove(DIGEST)
    assert store.size(DIGEST) is None
    assert list(store.listing()) == []
    store.put(medium(tmp_path))
    assert store.local_path(DIGEST).read_bytes() == CONTENT
    store.remove(DIGEST)
    assert store.size(DIGEST) is None


def test_a_medium_that_was_changed_there_is_never_given_out(
    store: AssetStore, tmp_path: Path
) -> None:
    store.put(medium(tmp_path))
    with fsspec.open(f"{store.url}/{DIGEST[:2]}/{DIGEST}", "wb") as file:
        file.write(b"a pictur3")
    elsewhere = AssetStore(store.url, tmp_path / "elsewhere")
    for _ in range(2):
        with pytest.raises(StoreError, match="has changed"):
            elsewhere.local_path(DIGEST)
    assert store.local_path(DIGEST).read_bytes() == CONTENT  # its own copy, never fetched back


def test_a_bucket_that_is_not_there_is_told_and_not_made(store: AssetStore, tmp_path: Path) -> None:
    misspelt = AssetStore("s3://campaings/media", tmp_path)
    with pytest.raises(StoreError, match="bucket does not exist") as caught:
        misspelt.put(medium(tmp_path))
    assert "create the bucket, or correct RIVYA_FLOWS_ASSETS" in str(caught.value.hint)
    assert not fsspec.filesystem("s3").exists("campaings")


def test_a_store_that_cannot_be_reached_is_a_clear_error(
    store: AssetStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    point_at({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}, monkeypatch)
    away = AssetStore(store.url, tmp_path)
    with pytest.raises(StoreError, match="Could not connect") as caught:
        away.size(DIGEST)
    assert "AWS_ENDPOINT_URL" in str(caught.value.hint)
    assert "sesame" not in f"{caught.value} {caught.value.hint}"


UNSUPPORTED = ("is not a supported database", "postgresql://")
AWAY = ("Connection refused", "start the database, or correct RIVYA_FLOWS_STORE")


@pytest.mark.parametrize(
    ("scheme", "rest", "message", "hint"),
    [
        ("oracle", "scott:sesame@host/journal", *UNSUPPORTED),
        ("mssql+pyodbc", "scott:sesame@host/journal", *UNSUPPORTED),
        ("sqlite", "/FOLDER/file/journal.sqlite", "FOLDER/file", "RIVYA_FLOWS_DATA"),
        ("postgresql", "rivya:sesame@127.0.0.1:9/journal", *AWAY),
        ("postgres", "rivya:sesame@127.0.0.1:9/journal", *AWAY),
        ("postgresql+asyncpg", "rivya:sesame@127.0.0.1:9/journal", *AWAY),
    ],
)
def test_a_database_that_cannot_be_used_is_told_with_what_to_do_and_without_its_password(
    scheme: str, rest: str, message: str, hint: str, tmp_path: Path
) -> None:
    if scheme.startswith("postgres"):
        pytest.importorskip("psycopg")
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.raises(StoreError) as caught:
        open_engine(f"{scheme}://{rest.replace('FOLDER', str(tmp_path))}")
    assert message.replace("FOLDER", str(tmp_path)) in str(caught.value)
    assert hint in str(caught.value.hint)
    assert "sesame" not in f"{caught.value} {caught.value.hint}"


class Gate:
    """A port of loopback that leads to PostgreSQL's socket while it is open.

    Args:
        socket_path: Where the server listens.
    """

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self.port = choose_port(0, None)

    def start(self) -> None:
        """Lets through."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Cuts what is under way, and refuses what comes, as a server that restarts does."""
        assert self._listener is not None
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self._socket_path))
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := one.recv(65536):
            other.sendall(piece)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[tuple[Gate, str]]:
    """A gate that is open, and the URL of an empty store behind it."""
    url = make_url(fresh_store("postgresql", tmp_path))
    made = Gate(Path(str(url.query["host"])) / ".s.PGSQL.5432")
    made.start()
    query = {"options": url.query["options"]}
    through = url.set(host="127.0.0.1", port=made.port, query=query)
    try:
        yield made, through.render_as_string(hide_password=False)
    finally:
        made.stop()


def test_a_run_goes_on_when_its_database_was_away_for_a_moment(gate: tuple[Gate, str]) -> None:
    door, url = gate
    engine = open_engine(url)
    try:
        make_patient(engine)
        with reading(engine) as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        door.stop()
        coming_back = threading.Timer(0.3, door.start)
        coming_back.start()
        with writing(engine) as connection:
            assert connection.scalar(text("SELECT 2")) == 2
        coming_back.join()
    finally:
        engine.dispose()


def test_a_database_that_stays_away_is_a_clear_error_in_the_end(
    gate: tuple[Gate, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    door, url = gate
    engine = open_engine(url)
    try:
        make_patient(engine, seconds=0.2)
        door.stop()
        with pytest.raises(StoreError, match="Connection refused"), writing(engine):
            pass
        waits: list[float] = []
        with monkeypatch.context() as patched:
            patched.setattr("rivya_flows.store.database.time.sleep", waits.append)
            with pytest.raises(StoreUnreachableError), writing(engine):
                pass
        assert waits == [], "the outage was waited for already"
        door.start()
        with writing(engine) as connection:
            assert connection.scalar(text("SELECT 2")) == 2
    finally:
        engine.dispose()
