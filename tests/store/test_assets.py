"""Media by hash: whole or not there, verified on read, in a folder or far away."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest

from rivya_flows.errors import LostMediumError, StoreError
from rivya_flows.store.assets import AssetStore, file_hash


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> AssetStore:
    # Everything in fsspec's memory lives as long as the process.
    places = {
        "file": (tmp_path / "assets").as_uri(),
        "memory": f"memory://assets-{uuid.uuid4().hex}",
    }
    return AssetStore(places[request.param], tmp_path / "copies")


@pytest.fixture
def local(tmp_path: Path) -> AssetStore:
    """A store in a folder."""
    return AssetStore((tmp_path / "assets").as_uri(), tmp_path / "copies")


CONTENT = b"a picture"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    path = tmp_path / "medium.png"
    path.write_bytes(CONTENT)
    return path


def overwrite(store: AssetStore, content: bytes) -> None:
    """Damages the medium where it lies."""
    with fsspec.open(f"{store.url}/{DIGEST[:2]}/{DIGEST}", "wb") as file:
        file.write(content)


def elsewhere(store: AssetStore, folder: Path) -> AssetStore:
    """The same store, as another process opens it."""
    return AssetStore(store.url, folder / uuid.uuid4().hex)


def names(store: AssetStore) -> list[str]:
    """Everything that lies in the store, media or not."""
    files, root = fsspec.core.url_to_fs(store.url)
    return [place.rpartition("/")[2] for place in files.find(root)]


def test_a_medium_is_kept_once_by_its_hash_and_read_back_until_it_is_removed(
    store: AssetStore, medium: Path
) -> None:
    assert store.size(DIGEST) is None
    for _ in range(2):
        assert store.put(medium) == DIGEST
    assert store.size(DIGEST) == len(CONTENT)
    assert store.local_path(DIGEST).read_bytes() == CONTENT
    assert names(store) == [DIGEST]
    for _ in range(2):  # as two prunes at once do
        store.remove(DIGEST)
    assert store.size(DIGEST) is None


def test_a_medium_that_is_not_there_is_a_clear_error(store: AssetStore) -> None:
    with pytest.raises(StoreError, match=f"medium {'a' * 12} is not in ") as caught:
        store.local_path("a" * 64)
    assert "RIVYA_FLOWS_ASSETS" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["../../../etc/passwd", "", "a" * 63, "A" * 64])
def test_what_is_no_hash_is_nowhere(store: AssetStore, name: str) -> None:
    assert store.size(name) is None
    with pytest.raises(StoreError, match="is not in"):
        store.local_path(name)


@pytest.mark.parametrize("damage", [b"", b"a pictur3", b"a picture and more"])
def test_a_medium_that_changed_where_it_lies_is_never_given_out(
    store: AssetStore, medium: Path, tmp_path: Path, damage: bytes
) -> None:
    store.put(medium)
    overwrite(store, damage)
    other, shown = elsewhere(store, tmp_path), tmp_path / "out" / "picture.png"
    with pytest.raises(StoreError, match="has changed on disk"):
        other.local_path(DIGEST)
    with pytest.raises(StoreError, match="has changed on disk"):
        other.export(DIGEST, shown)
    assert not shown.exists()
    overwrite(store, CONTENT)
    assert other.local_path(DIGEST).read_bytes() == CONTENT
    overwrite(store, b"a pict")
    store.put(medium)  # brought again, it is mended
    assert elsewhere(store, tmp_path).local_path(DIGEST).read_bytes() == CONTENT


def test_a_medium_that_was_verified_and_changed_since_is_not_given_out(
    local: AssetStore, medium: Path
) -> None:
    local.put(medium)
    local.local_path(DIGEST).write_bytes(b"a pictur3")
    with pytest.raises(StoreError, match="has changed on disk"):
        local.local_path(DIGEST)


def test_a_medium_that_was_uploaded_is_not_fetched_back(medium: Path, tmp_path: Path) -> None:
    store = AssetStore(f"memory://assets-{uuid.uuid4().hex}", tmp_path / "copies")
    store.put(medium)
    store.remove(DIGEST)
    assert store.local_path(DIGEST).read_bytes() == CONTENT


def test_a_medium_that_is_taken_again_is_young_and_no_prune_removes_it(
    store: AssetStore, medium: Path, tmp_path: Path
) -> None:
    store.put(medium)
    limit = datetime.now(UTC) - timedelta(days=30)
    files, root = fsspec.core.url_to_fs(store.url)
    if store.url.startswith("memory"):
        files.store[f"{root}/{DIGEST[:2]}/{DIGEST}"].modified = limit
    else:
        os.utime(store.local_path(DIGEST), (limit.timestamp(), limit.timestamp()))
    (listed,) = store.listing()
    assert listed.changed_at == limit
    elsewhere(store, tmp_path).put(medium)
    assert not store.remove(DIGEST, unchanged_since=limit)
    assert names(store) == [DIGEST]
    assert store.remove(DIGEST, unchanged_since=datetime.now(UTC) + timedelta(days=1))
    assert names(store) == []


def test_a_file_of_ours_is_moved_into_the_store(store: AssetStore) -> None:
    for _ in range(2):
        staged = store.incoming()
        staged.parent.mkdir(parents=True, exist_ok=True)
        staged.write_bytes(CONTENT)
        inode = staged.stat().st_ino
        kept = store.take(staged, DIGEST)
        assert (kept, kept.read_bytes()) == (store.local_path(DIGEST), CONTENT)
        assert not staged.exists()
    assert kept.stat().st_ino != inode or store.url.startswith("memory")
    assert names(store) == [DIGEST]


def test_a_medium_that_is_deleted_while_it_is_brought_again_is_kept_whole(
    local: AssetStore, medium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.put(medium)
    is_intact = local._is_intact

    def pruned(kept: Path, sha256: str) -> bool:
        found = is_intact(kept, sha256)
        kept.unlink()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(local, "_is_intact", pruned)
        local.put(medium)
    assert local.local_path(DIGEST).read_bytes() == CONTENT


def test_an_exported_medium_takes_no_space_of_its_own_and_cannot_be_edited_by_mistake(
    store: AssetStore, medium: Path, tmp_path: Path
) -> None:
    store.put(medium)
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o755)  # whatever the umask
    shown = tmp_path / "out" / "picture.png"
    for _ in range(2):  # whole over what was there
        store.export(DIGEST, shown)
        assert shown.read_bytes() == CONTENT
    assert [found.name for found in shown.parent.iterdir()] == ["picture.png"]
    kept, mode = store.local_path(DIGEST), stat.S_IMODE(shown.stat().st_mode)
    # A link, or on a file system that shares blocks a copy that is its owner's alone.
    assert (kept.samefile(shown), mode) in [(True, 0o444), (False, 0o644)]
    # Editors save a new file beside the old one, and so does who copies over it.
    edited = tmp_path / "edited.png"
    edited.write_bytes(b"retouched")
    edited.replace(shown)
    assert store.local_path(DIGEST).read_bytes() == CONTENT


def test_a_medium_is_copied_to_another_file_system(
    store: AssetStore, medium: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    store.put(medium)
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(fcntl, "ioctl", refuse)
    shown = tmp_path / "out" / "picture.png"
    store.export(DIGEST, shown)
    with shown.open("r+b") as copy:
        copy.write(b"retouched")
    assert store.local_path(DIGEST).read_bytes() == CONTENT


def test_a_link_does_not_make_the_medium_be_read_again(
    local: AssetStore, medium: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.put(medium)
    local.export(DIGEST, tmp_path / "out" / "a.png")
    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", None)
        local.export(DIGEST, tmp_path / "out" / "b.png")


def test_an_export_that_cannot_be_written_is_a_clear_error(
    store: AssetStore, medium: Path, tmp_path: Path
) -> None:
    store.put(medium)
    (tmp_path / "out").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot write") as caught:
        store.export(DIGEST, tmp_path / "out" / "picture.png")
    assert "resume the run" in str(caught.value.hint)


def test_all_media_are_listed_and_nothing_else(store: AssetStore, medium: Path) -> None:
    assert list(store.listing()) == []
    store.put(medium)
    with fsspec.open(f"{store.url}/notes.txt", "w") as file:
        file.write("ours")
    [kept] = store.listing()
    assert (kept.sha256, kept.size_bytes) == (DIGEST, 9)
    assert kept.changed_at is not None
    assert abs(kept.changed_at - datetime.now(UTC)) < timedelta(hours=1)


LIMITED = """
import resource, sys
from pathlib import Path
from rivya_flows.errors import LostMediumError, StoreError
from rivya_flows.store.assets import AssetStore, file_hash
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    AssetStore((folder / "assets").as_uri(), folder).put(folder / "medium.png")
except StoreError as error:
    print(error)
    print(error.hint)
"""


def test_a_medium_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "medium.png").write_bytes(b"x" * 5000)
    called = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    words, hint = called.stdout.splitlines()
    assert words == f"cannot keep medium.png in {(tmp_path / 'assets').as_uri()}: File too large"
    assert hint == "free disk space, then resume the run; nothing is bought twice"
    assert [found for found in (tmp_path / "assets").rglob("*") if found.is_file()] == []


def test_an_address_of_the_store_that_is_wrong_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot use RIVYA_FLOWS_ASSETS 'nowhere'"):
        AssetStore("nowhere://user:sesame@host/x", tmp_path)
    with pytest.raises(StoreError) as caught:
        AssetStore("memory://user:sesame@assets", tmp_path).local_path("a" * 64)
    assert "sesame" not in f"{caught.value} {caught.value.hint}"


def test_a_medium_that_is_lent_is_read_where_it_lies_and_never_deleted(
    store: AssetStore, tmp_path: Path
) -> None:
    lent = tmp_path / "lent.png"
    lent.write_bytes(b"picture")
    digest = file_hash(lent)
    store.lend(lent, digest)
    assert store.local_path(digest) == lent
    assert not [*store.listing()]
    lent.write_bytes(b"another")
    with pytest.raises(LostMediumError, match="changed"):
        store.local_path(digest)
    assert lent.exists()
