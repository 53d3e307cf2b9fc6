"""Media by hash, on any store that fsspec reaches; verified whenever they are read."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from pathlib import Path

import fsspec

from rivya_flows.errors import StoreError


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class AssetStore:
    """A folder of media named by the SHA-256 of their content.

    Args:
        url: fsspec URL of the folder.
        scratch: Local folder for copies of media that lie elsewhere.

    Raises:
        StoreError: The URL cannot be used.
    """

    def __init__(self, url: str, scratch: Path) -> None:
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise StoreError(
                f"cannot use RIVYA_FLOWS_ASSETS {url!r}: {error}",
                "give an fsspec URL such as file:///data/assets",
            ) from error
        self.url = url
        self._scratch = scratch
        self._is_local = self._files.protocol in ("file", "local") or "file" in self._files.protocol

    def put(self, path: Path, sha256: str | None = None) -> str:
        """Keeps a copy of a file; what is there already is not written again.

        Returns:
            The SHA-256 of its content.

        Raises:
            StoreError: The folder cannot be written, as when the disk is full.
        """
        digest = sha256 or file_hash(path)
        target = self._place(digest)
        try:
            if not self._files.exists(target):
                self._files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
                # Whole or not at all: a reader never sees a half-written medium.
                partial = f"{target}.{uuid.uuid4().hex}"
                self._files.put_file(str(path), partial)
                self._files.mv(partial, target)
        except OSError as error:
            raise StoreError(
                f"cannot keep {path.name} in {self.url}: {error}",
                "free disk space, then resume the run; nothing is bought twice",
            ) from error
        return digest

    def has(self, sha256: str) -> bool:
        """Whether the medium is here."""
        return bool(self._files.exists(self._place(sha256)))

    def local_path(self, sha256: str) -> Path:
        """A local file with exactly this content; not to be changed.

        Raises:
            StoreError: It is not here, or its content is not what its name says.
        """
        path = Path(self._place(sha256)) if self._is_local else self._copy(sha256)
        if not path.is_file():
            raise StoreError(f"medium {sha256[:12]} is not in {self.url}")
        if file_hash(path) != sha256:
            raise StoreError(
                f"medium {sha256[:12]} in {self.url} has changed on disk",
                "take that file away, then resume the run; it is fetched again",
            )
        return path

    def export(self, sha256: str, destination: Path) -> None:
        """Copies a medium to a place for people, whole or not at all."""
        source = self.local_path(sha256)
        partial = destination.with_name(f".{destination.name}.{uuid.uuid4().hex[:8]}")
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, partial)
            partial.replace(destination)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise StoreError(
                f"cannot write {destination}: {error.strerror or error}",
                "free disk space or choose another --out, then resume the run",
            ) from error

    def _copy(self, sha256: str) -> Path:
        path = self._scratch / sha256
        if not path.is_file():
            self._scratch.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{sha256}.{uuid.uuid4().hex[:8]}")
            try:
                self._files.get_file(self._place(sha256), str(partial))
            except FileNotFoundError as error:
                raise StoreError(f"medium {sha256[:12]} is not in {self.url}") from error
            partial.replace(path)
        return path

    def _place(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"
