"""Media by SHA-256 on any fsspec file system, verified before use and again when a file changes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from rivya_flows.errors import LostMediumError, StoreError, explain_os_error
from rivya_flows.extras import need
from rivya_flows.private import as_private_as_its_folder

_NAME = re.compile(r"[0-9a-f]{64}")
_S3 = ("s3", "s3a")
# Writes are atomic there, and folders need no creation: fsspec would create a bucket, even one with
# a misspelt name.
_OBJECT_STORES = (*_S3, "gs", "gcs", "abfs", "abfss", "az")

_PIECE_BYTES = 2**20
_READERS = 0o444
# Half of the age at which a prune may delete a medium that no journal names yet.
_YOUNG = timedelta(hours=12)
_CLONE = 0x40049409  # FICLONE of Linux; other systems refuse it

# Inode, size and times of a file; a program cannot set the change time.
_Mark = tuple[int, int, int, int]

_HINTS = (
    (
        "credentials",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the variables of your store",
    ),
    ("access key", "check AWS_ACCESS_KEY_ID"),
    ("signature", "check AWS_SECRET_ACCESS_KEY"),
    ("bucket does not exist", "create the bucket, or correct RIVYA_FLOWS_ASSETS"),
    ("nosuchbucket", "create the bucket, or correct RIVYA_FLOWS_ASSETS"),
    ("access denied", "grant that account read, write, list and delete"),
    ("forbidden", "grant that account read, write, list and delete"),
    (
        "could not connect",
        "start the object store, or check RIVYA_FLOWS_ASSETS and AWS_ENDPOINT_URL",
    ),
)


def file_hash(path: Path, *, sync: bool = False) -> str:
    """SHA-256 of a file's content, in hex; with `sync` the file is on disk afterwards."""
    with path.open("rb") as file:
        if sync:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class StoredMedium:
    """A medium; if `linked`, the folder of a run has it too: deleting frees nothing."""

    sha256: str
    size_bytes: int
    changed_at: datetime | None
    linked: bool = False


class AssetStore:
    """Media named by SHA-256 at an fsspec URL; those elsewhere are copied to the folder `scratch`."""

    def __init__(self, url: str, scratch: Path) -> None:
        scheme = url.partition(":")[0]
        if scheme in _S3:
            need("s3", "RIVYA_FLOWS_ASSETS on S3")
        self._is_object_store = scheme in _OBJECT_STORES
        # Other machines write too, so a cached listing proves nothing.
        options = {"use_listings_cache": False} if self._is_object_store else {}
        try:
            self._files, self._root = fsspec.core.url_to_fs(url, **options)
        except (ValueError, ImportError) as error:
            raise StoreError(
                f"cannot use RIVYA_FLOWS_ASSETS {url.partition(':')[0]!r}: {error}",
                "give an fsspec URL such as file:///data/assets",
            ) from error
        # Shown in errors, without the password that a URL may hold.
        self.url = re.sub(r"//[^/@]*@", "//", url)
        self._scratch = scratch
        self._is_local = isinstance(self._files, LocalFileSystem)
        self._verified: dict[str, _Mark] = {}
        self._lent: dict[str, Path] = {}

    def incoming(self) -> Path:
        """A new path for a file, or a folder of files, that `take` moves into the store."""
        folder = Path(self._root) / "incoming" if self._is_local else self._scratch
        return folder / f"{uuid.uuid4().hex}.part"

    def put(self, path: Path) -> str:
        """Stores a copy of a file that is another's, durably, reading it once; gives its SHA-256."""
        staged, hashed = self.incoming(), hashlib.sha256()
        try:
            with self._reaching(f"cannot keep {path.name}", "free disk space"):
                staged.parent.mkdir(parents=True, exist_ok=True)
                with path.open("rb") as source, staged.open("xb") as target:
                    while piece := source.read(_PIECE_BYTES):
                        hashed.update(piece)
                        target.write(piece)
                    target.flush()
                    os.fsync(target.fileno())
            self.take(staged, hashed.hexdigest())
        finally:
            staged.unlink(missing_ok=True)
        return hashed.hexdigest()

    def lend(self, path: Path, sha256: str) -> None:
        """Reads a medium that is not here from a file that is another's; nothing is written."""
        self._lent[sha256] = path

    def take(self, path: Path, sha256: str) -> Path:
        """Moves a synced file from `incoming` into the store; gives its `local_path`."""
        target = self._place(sha256)
        with self._reaching(f"cannot keep {path.name}", "free disk space"):
            if not self._is_local:
                self._upload(path, target)
                mine = self._scratch / sha256
                path.replace(mine)  # read from here from now on, never fetched back
            elif self._is_intact(mine := Path(target), sha256) and _touch(mine):
                path.unlink(missing_ok=True)
            else:
                mine.parent.mkdir(parents=True, exist_ok=True)
                for written in (mine.parent, path):
                    as_private_as_its_folder(written, Path(self._root))
                path.chmod(path.stat().st_mode & _READERS)
                path.replace(mine)
            self._verified[sha256] = _mark(mine)
        return mine

    def local_path(self, sha256: str) -> Path:
        """A local file with exactly this content, hashed again only if it has changed since."""
        if not _NAME.fullmatch(sha256):
            raise self._missing(sha256)
        lent = self._lent.get(sha256)
        path = lent or self.shared_path(sha256) or self._fetch(sha256)
        with self._reaching(f"cannot read medium {sha256[:12]}"):
            if not path.is_file():
                raise self._missing(sha256)
            whole = self._is_intact(path, sha256)
        if not whole:
            if not (self._is_local or lent):
                path.unlink()
            raise LostMediumError(
                f"medium {sha256[:12]} in {self.url} has changed on disk",
                "restore that file from a copy, or start a new run",
            )
        return path

    def shared_path(self, sha256: str) -> Path | None:
        """Where a medium lies for every process of this machine; None in a store elsewhere."""
        return Path(self._place(sha256)) if self._is_local else None

    def forget_copy(self, sha256: str) -> None:
        """Deletes the local copy of a medium of a store elsewhere; no one may read it any more."""
        if not self._is_local:
            self._verified.pop(sha256, None)
            (self._scratch / sha256).unlink(missing_ok=True)

    def size(self, sha256: str) -> int | None:
        """Size of a medium in bytes; None if it is missing."""
        if not _NAME.fullmatch(sha256):
            return None
        with self._reaching(f"cannot read medium {sha256[:12]}"):
            try:
                return int(self._files.info(self._place(sha256))["size"])
            except FileNotFoundError:
                return None

    def part(self, sha256: str, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`, unverified; `StoreError` if it is missing."""
        if not _NAME.fullmatch(sha256):
            raise self._missing(sha256)
        with self._reaching(f"cannot read medium {sha256[:12]}"):
            return bytes(self._files.cat_file(self._place(sha256), start=start, end=stop))

    def export(self, sha256: str, destination: Path) -> None:
        """Gives a medium a second path, atomically; read-only where both are one file.

        A file system that shares blocks gets a copy that costs nothing; another one gets a hard
        link; only another file system than that of the store gets a copy of the bytes.
        """
        source = self.local_path(sha256)
        before = self._verified[sha256]
        with replacing(destination) as partial:
            if _share_blocks(source, partial):
                as_private_as_its_folder(partial)
            elif not _link(source, partial):
                shutil.copyfile(source, partial)
                as_private_as_its_folder(partial)
        with contextlib.suppress(OSError):
            after = _mark(source)
            if before[:-1] == after[:-1]:  # a link changes the change time alone
                self._verified[sha256] = after

    def listing(self) -> Iterator[StoredMedium]:
        """All media; other files beside them are skipped."""
        with self._reaching("cannot list the media"):
            if not self._files.exists(self._root):
                return
            found = self._files.find(self._root, detail=True)
        for place, about in sorted(found.items()):
            name = place.rpartition("/")[2]
            if _NAME.fullmatch(name):
                links = int(about.get("nlink") or 1)
                changed = about.get("LastModified") or self._changed_at(place)  # S3 tells it here
                yield StoredMedium(name, int(about.get("size") or 0), changed, links > 1)

    def remove(self, sha256: str, *, unchanged_since: datetime | None = None) -> bool:
        """Deletes a medium, if it is unchanged since; tells whether it is gone."""
        place = self._place(sha256)
        if unchanged_since and (changed := self._changed_at(place)) and changed > unchanged_since:
            return False
        gone = contextlib.suppress(FileNotFoundError)  # by another prune
        with self._reaching(f"cannot delete medium {sha256[:12]}"), gone:
            self._files.rm_file(place)
        return True

    def remove_unfinished(self, before: datetime) -> None:
        """Deletes what killed processes left on its way into a local store before a moment."""
        with self._reaching("cannot delete unfinished media"):
            for path in (Path(self._root) / "incoming").glob("*") if self._is_local else ():
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime <= before.timestamp():
                        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _upload(self, path: Path, target: str) -> None:
        """Writes a remote medium atomically; an old one again, since age exposes it to a prune."""
        if self.size(target.rpartition("/")[2]) == path.stat().st_size:
            changed = self._changed_at(target)
            if changed is None or datetime.now(UTC) - changed < _YOUNG:
                return
        if self._is_object_store:
            self._files.put_file(str(path), target)
            return
        partial = f"{target}.{uuid.uuid4().hex}"
        try:
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(path), partial)
            self._files.mv(partial, target)
        except BaseException:
            with contextlib.suppress(Exception):
                self._files.rm_file(partial)
            raise

    def _is_intact(self, path: Path, sha256: str) -> bool:
        """Whether a local file is there and has its content."""
        try:
            mark = _mark(path)
        except FileNotFoundError:
            return False
        if self._verified.get(sha256) != mark:
            if file_hash(path) != sha256:
                return False
            self._verified[sha256] = mark
        return True

    def _changed_at(self, place: str) -> datetime | None:
        try:
            changed: datetime = self._files.modified(place)
        except (NotImplementedError, OSError, KeyError):
            return None
        return changed if changed.tzinfo else changed.replace(tzinfo=UTC)

    def _fetch(self, sha256: str) -> Path:
        path = self._scratch / sha256
        if not path.is_file():
            partial = path.with_name(f"{sha256}.{uuid.uuid4().hex[:8]}")
            with self._reaching(f"cannot fetch medium {sha256[:12]}"):
                self._scratch.mkdir(parents=True, exist_ok=True)
                try:
                    self._files.get_file(self._place(sha256), str(partial))
                    partial.replace(path)
                except FileNotFoundError as error:
                    raise self._missing(sha256) from error
                finally:
                    partial.unlink(missing_ok=True)
        return path

    def _missing(self, sha256: str) -> LostMediumError:
        return LostMediumError(
            f"medium {sha256[:12]} is not in {self.url}",
            "`store prune` deletes media of old runs; else check RIVYA_FLOWS_ASSETS, or restore the file"
            " from a copy",
        )

    @contextlib.contextmanager
    def _reaching(self, what: str, hint: str = "check RIVYA_FLOWS_ASSETS") -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except Exception as error:  # each store raises its own client's errors
            text = f"{type(error).__name__} {error}".lower()
            known = next((advice for phrase, advice in _HINTS if phrase in text), hint)
            # Only the reason of an OSError: its text names temporary files.
            reason = getattr(error, "strerror", None) or error
            raise StoreError(
                f"{what} in {self.url}: {reason}",
                f"{known}, then resume the run; nothing is bought twice",
            ) from error

    def _place(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives another path in the folder of a file, which replaces that file atomically after the block."""
    partial = path.with_name(f".{uuid.uuid4().hex}")
    hint = "free disk space, then resume the run; nothing is bought twice"
    with explain_os_error(f"cannot write {path}", hint, StoreError):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)  # it is there still if both are one file already


def _mark(path: Path) -> _Mark:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _touch(path: Path) -> bool:
    """Updates the modification time, which protects a medium from `cache prune`; false if it is gone."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)  # unlike `touch` it never makes an empty file
        return True
    return False


def _link(source: Path, target: Path) -> bool:
    """Whether the file got a second name; readers of both may read it, and no one may write."""
    try:
        source.chmod((source.stat().st_mode | target.parent.stat().st_mode) & _READERS)
        os.link(source, target)
    except OSError:  # another file system, one without links, or another user's file
        return False
    return True


def _share_blocks(source: Path, target: Path) -> bool:
    """Whether the file system made a copy that shares its blocks until one of both changes."""
    try:
        with source.open("rb") as reads, target.open("xb") as writes:
            fcntl.ioctl(writes, _CLONE, reads.fileno())
    except OSError:
        target.unlink(missing_ok=True)
        return False
    return True
