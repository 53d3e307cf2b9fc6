"""Uploaded reference files: checks, storage, and duration tokens.

Source: contract, section 5.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rivya_sandbox.service.catalogue import ServedCatalogue, ServedFileLimit
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import Refusal, invalid
from rivya_sandbox.service.identifiers import iso, new_id

FOLDER = "files"
URL_PATH = "/media/files/"
KINDS = ("image", "video", "audio")
# MB means 2^20, the lenient reading; the service does not document which it means.
_MB = 2**20
_DEFAULTS = {
    "image": ServedFileLimit(10 * _MB, ("image/jpeg", "image/png", "image/webp")),
    "video": ServedFileLimit(50 * _MB, ("video/mp4", "video/quicktime", "video/webm")),
    "audio": ServedFileLimit(
        10 * _MB, ("audio/mpeg", "audio/mp4", "audio/wav", "audio/x-wav", "audio/aac", "audio/ogg")
    ),
}
EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
    "audio/aac": ".aac",
    "audio/ogg": ".ogg",
}
_LONGEST_NAME = 255  # characters


@dataclass(frozen=True)
class StoredFile:
    """An upload.

    Attributes:
        stored_as: Unguessable name below `FOLDER` and in its URL.
        duration_seconds: Of video and audio; None for images and if it cannot be read.
    """

    id: str
    account_id: str
    kind: str
    name: str
    mime_type: str
    size_bytes: int
    stored_as: str
    duration_seconds: float | None
    model: str | None
    client_request_id: str | None
    created_at: float


def limit(catalogue: ServedCatalogue, kind: Any, model_id: Any) -> ServedFileLimit:
    """The limits of files of a kind, of a model if one is named.

    Raises:
        Refusal: Unknown kind or model, or the model does not take this kind.
    """
    if kind not in KINDS:
        raise invalid(f"'kind' must be one of {', '.join(KINDS)}.")
    if model_id is None:
        return _DEFAULTS[str(kind)]
    model = catalogue.models.get(model_id)
    if model is None:
        raise invalid(f"Unknown model {model_id!r}.")
    if kind not in model.file_kinds:
        raise invalid(f"The model {model_id!r} takes no {kind} files.")
    return model.limits.get(kind, _DEFAULTS[kind])


def largest(catalogue: ServedCatalogue) -> int:
    """Maximum bytes of any upload."""
    of_models = (
        limit.max_bytes for model in catalogue.models.values() for limit in model.limits.values()
    )
    return max(*(limit.max_bytes for limit in _DEFAULTS.values()), *of_models)


def check(limit: ServedFileLimit, kind: str, size_bytes: int, detected: str | None) -> str:
    """The MIME type of an upload, from its signature.

    Raises:
        Refusal: Empty, too large, or of a type that is not accepted.
    """
    if size_bytes == 0:
        raise invalid("The file is empty.")
    if size_bytes > limit.max_bytes:
        raise invalid(f"The file has {size_bytes} bytes; at most {limit.max_bytes} are accepted.")
    if kind == "audio" and detected == "video/mp4":
        detected = "audio/mp4"  # the brands of MP4 do not say whether there is video
    if detected not in limit.mime_types:
        found = detected or "not a known media file"
        raise invalid(f"The file is {found}; accepted are {', '.join(limit.mime_types)}.")
    return detected


def tidy_name(name: str | None) -> str:
    """The last part of a file name as sent, without control characters."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    visible = "".join(character for character in last if character.isprintable())
    return visible[:_LONGEST_NAME] or "file"


def add(transaction: sqlite3.Connection, file: StoredFile) -> None:
    """Record an upload whose bytes are stored."""
    transaction.execute(
        """INSERT INTO files (id, account_id, kind, name, mime_type, size_bytes, stored_as,
            duration_seconds, model, client_request_id, created_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            file.id,
            file.account_id,
            file.kind,
            file.name,
            file.mime_type,
            file.size_bytes,
            file.stored_as,
            file.duration_seconds,
            file.model,
            file.client_request_id,
            file.created_at,
        ),
    )


def new_file_id() -> str:
    """A new id."""
    return new_id("file")


def get(database: Database, account_id: str, file_id: str) -> StoredFile | None:
    """A file of that account, or None."""
    row = database.row("SELECT * FROM files WHERE id = ? AND account_id = ?", file_id, account_id)
    return None if row is None else StoredFile(**dict(row))


def find_stored(database: Database, stored_as: str) -> StoredFile | None:
    """The file behind a URL, or None."""
    row = database.row("SELECT * FROM files WHERE stored_as = ?", stored_as)
    return None if row is None else StoredFile(**dict(row))


def public(file: StoredFile, base_url: str, secret: str) -> dict[str, Any]:
    """The answer of both file routes."""
    return {
        "id": file.id,
        "object": "file",
        "kind": file.kind,
        "name": file.name,
        "mime_type": file.mime_type,
        "size_bytes": file.size_bytes,
        "url": f"{base_url}{URL_PATH}{file.stored_as}",
        "duration_seconds": file.duration_seconds,
        "duration_token": duration_token(file, secret),
        "model": file.model,
        "client_request_id": file.client_request_id,
        "created_at": iso(file.created_at),
    }


def duration_token(file: StoredFile, secret: str) -> str | None:
    """Proof that this server measured the duration; None if it could not, and for images."""
    if file.duration_seconds is None:
        return None
    claim = json.dumps([file.id, file.account_id, file.duration_seconds]).encode()
    mac = hmac.new(secret.encode(), claim, hashlib.sha256).digest()
    return "dur_" + base64.urlsafe_b64encode(mac).decode().rstrip("=")


def find_references(
    database: Database,
    account_id: str,
    items: tuple[Mapping[str, Any], ...],
    *,
    limits: Mapping[str, ServedFileLimit],
    base_url: str,
    secret: str,
) -> list[StoredFile]:
    """The account's uploads that a request refers to.

    Raises:
        Refusal: A URL that is not an upload of this account, another kind than the upload's, a file
            that the model does not accept, or a missing or wrong duration token.
    """
    found = []
    for index, item in enumerate(items):
        where = f"referenceMediaItems[{index}]"
        file = _behind(database, account_id, item["url"], base_url)
        if file is None:
            raise invalid(f"{where}.url is not a url that the Files API gave to this account.")
        if item["kind"] != file.kind:
            raise invalid(f"{where}.kind is {item['kind']!r}, but the upload is {file.kind!r}.")
        try:
            check(
                limits.get(file.kind, _DEFAULTS[file.kind]),
                file.kind,
                file.size_bytes,
                file.mime_type,
            )
        except Refusal as refusal:
            raise invalid(f"{where}: {refusal.message}") from refusal
        token = duration_token(file, secret)
        if token is not None and not hmac.compare_digest(
            token.encode(), (item.get("durationToken") or "").encode()
        ):
            raise invalid(f"{where}.durationToken must be the duration_token of the upload.")
        found.append(file)
    return found


def path(data: Path, file: StoredFile) -> Path:
    """The path of the bytes; the server generates the name."""
    return data / FOLDER / file.stored_as


def _behind(database: Database, account_id: str, url: str, base_url: str) -> StoredFile | None:
    try:
        asked, own = urlsplit(url), urlsplit(base_url)
    except ValueError:
        return None
    # The port may differ: a restart can change it.
    if asked.hostname != own.hostname or not asked.path.startswith(URL_PATH):
        return None
    file = find_stored(database, asked.path.removeprefix(URL_PATH))
    return file if file is not None and file.account_id == account_id else None
