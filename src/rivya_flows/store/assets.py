"""Media by SHA-256 on any fsspec file system, verified at every read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from rivya_flows.errors import LostMediumError, StoreError
from rivya_flows.extras import need
from rivya_flows.private import as_private_as_its_folder

_NAME = re.compile(r"[0-9a-f]{64}")
_S3 = ("s3", "s3a")
_OBJECT_STORES = (*_S3, "gs", "gcs", "abfs", "abfss", "az")
"""Writes are atomic there, and folders need no creation: fsspec would create a bucket, even one with
a misspelt name."""

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


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Kept:
    """A medium in the store.

    Attributes:
        changed_at: UTC; None if the store does not say.
    """

    sha256: str
    size_bytes: int
    changed_at: datetime | None


class AssetStore:
    """A folder of media named by the SHA-256 of their content.

    Args:
        url: fsspec URL of the folder.
        scratch: Local folder for copies of remote media.

    Raises:
        StoreError: The URL cannot be used.
        UsageError: It is on S3, and the extra ``s3`` is not installed.
    """

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

    def put(self, path: Path, sha256: str | None = None) -> str:
        """Stores a copy of a file, durably; an intact copy is not written again.

        Returns:
            The SHA-256 of its content.

        Raises:
            StoreError: The folder cannot be written, as when the disk is full.
        """
        digest = sha256 or file_hash(path)
        target = self._place(digest)
        with self._reaching(f"cannot keep {path.name}", "free disk space"):
            if self._is_whole(target, digest, path.stat().st_size):
                if self._is_local:
                    Path(target).touch()  # in use again, so `cache prune` leaves it alone
            elif self._is_object_store:
                self._files.put_file(str(path), target)
            else:
                self._put_as_file(path, target)
        return digest

    def local_path(self, sha256: str) -> Path:
        """A local file with exactly this content; do not modify it.

        Raises:
            LostMediumError: It is missing, or its content does not match its hash.
            StoreError: The store cannot be read.
        """
        if not _NAME.fullmatch(sha256):
            raise self._missing(sha256)
        path = Path(self._place(sha256)) if self._is_local else self._copy(sha256)
        with self._reaching(f"cannot read medium {sha256[:12]}"):
            if not path.is_file():
                raise self._missing(sha256)
            found = file_hash(path)
        if found != sha256:
            if not self._is_local:
                path.unlink()
            raise LostMediumError(
                f"medium {sha256[:12]} in {self.url} has changed on disk",
                "restore that file from a copy, or start a new run",
            )
        return path

    def size(self, sha256: str) -> int | None:
        """Size of a medium in bytes; None if it is missing.

        Raises:
            StoreError: The store cannot be reached.
        """
        if not _NAME.fullmatch(sha256):
            return None
        with self._reaching(f"cannot read medium {sha256[:12]}"):
            try:
                return int(self._files.info(self._place(sha256))["size"])
            except FileNotFoundError:
                return None

    def part(self, sha256: str, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`, unverified.

        Raises:
            StoreError: It is missing, or the store cannot be reached.
        """
        if not _NAME.fullmatch(sha256):
            raise self._missing(sha256)
        with self._reaching(f"cannot read medium {sha256[:12]}"):
            return bytes(self._files.cat_file(self._place(sha256), start=start, end=stop))

    def export(self, sha256: str, destination: Path) -> None:
        """Copies a medium to a path atomically, with the permissions of its folder.

        Raises:
            StoreError: It is missing or changed, or the path cannot be written.
        """
        source = self.local_path(sha256)
        partial = destination.with_name(f".{uuid.uuid4().hex}")
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, partial)
            as_private_as_its_folder(partial)
            partial.replace(destination)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise StoreError(
                f"cannot write {destination}: {error.strerror or error}",
                "free disk space, then resume the run; nothing is bought twice",
            ) from error

    def listing(self) -> Iterator[Kept]:
        """All media; other files beside them are skipped.

        Raises:
            StoreError: The store cannot be reached.
        """
        with self._reaching("cannot list the media"):
            if not self._files.exists(self._root):
                return
            found = self._files.find(self._root, detail=True)
        for place, about in sorted(found.items()):
            name = place.rpartition("/")[2]
            if _NAME.fullmatch(name):
                yield Kept(name, int(about.get("size") or 0), self._changed_at(place))

    def remove(self, sha256: str) -> None:
        """Deletes a medium permanently.

        Raises:
            StoreError: It cannot be deleted.
        """
        with self._reaching(f"cannot delete medium {sha256[:12]}"):
            self._files.rm_file(self._place(sha256))

    def _put_as_file(self, path: Path, target: str) -> None:
        """Writes atomically: a reader never sees a partial medium."""
        partial = f"{target}.{uuid.uuid4().hex}"
        try:
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(path), partial)
            if self._is_local:
                for written in (Path(target).parent, Path(partial)):
                    as_private_as_its_folder(written, Path(self._root))
                _to_disk(Path(partial))
            self._files.mv(partial, target)
        except BaseException:
            with contextlib.suppress(Exception):
                self._files.rm_file(partial)
            raise

    def _is_whole(self, target: str, sha256: str, size_bytes: int) -> bool:
        """Whether the medium is intact; a remote one is checked by its size alone."""
        if not self._files.exists(target):
            return False
        if self._is_local:
            return file_hash(Path(target)) == sha256
        return bool(self._files.size(target) == size_bytes)

    def _changed_at(self, place: str) -> datetime | None:
        try:
            changed: datetime = self._files.modified(place)
        except (NotImplementedError, OSError, KeyError):
            return None
        return changed if changed.tzinfo else changed.replace(tzinfo=UTC)

    def _copy(self, sha256: str) -> Path:
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
            "check RIVYA_FLOWS_ASSETS, or restore the file from a copy",
        )

    @contextlib.contextmanager
    def _reaching(self, what: str, hint: str = "check RIVYA_FLOWS_ASSETS") -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except Exception as error:  # each store raises its own client's errors
            words = f"{type(error).__name__} {error}".lower()
            known = next((advice for word, advice in _HINTS if word in words), hint)
            # Only the reason of an OSError: its text names temporary files.
            reason = getattr(error, "strerror", None) or error
            raise StoreError(
                f"{what} in {self.url}: {reason}",
                f"{known}, then resume the run; nothing is bought twice",
            ) from error

    def _place(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"


def _to_disk(path: Path) -> None:
    """Syncs a file: the journal must not name a medium that a power cut could lose."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
