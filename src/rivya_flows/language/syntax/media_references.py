"""References to media files: a path, a URL, or the id of an upload."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Any

from rivya_client.mime_types import HEAD_BYTES, mime_type_of_head, suffix_of
from rivya_flows.language.wording import an, preview

KINDS = ("image", "video", "audio")

SUFFIXES = {
    "image": (".jpg", ".jpeg", ".png", ".webp"),
    "video": (".mp4", ".mov", ".webm", ".mkv"),
    "audio": (".mp3", ".m4a", ".mp4", ".wav", ".aac", ".ogg"),
}
"""Extensions by kind of media. Source: contract, section 5, MIME types that the Files API takes."""

FONT_SUFFIXES = (".ttf", ".otf", ".ttc")
MAX_FONT_BYTES = 20_000_000
_FONT_HEADS = (b"\0\1\0\0", b"OTTO", b"true", b"ttcf")

_URL = re.compile(r"https?://[^\s/]+(/\S*)?$", re.IGNORECASE)
_FILE_ID = re.compile(r"file_[A-Za-z0-9_-]{1,200}$")
_KEYS = ("path", "url", "file_id")


def is_url(text: str) -> bool:
    """Whether the text is an http(s) URL."""
    return _URL.match(text) is not None


def is_uploaded(text: str) -> bool:
    """Whether the text is the id of an upload."""
    return _FILE_ID.match(text) is not None


def kind_of(text: str, likely: str | None = None) -> str | None:
    """The kind of media by the extension of a path or URL, `likely` if it may be that; None if unknown."""
    name = text.split("?", 1)[0].split("#", 1)[0] if is_url(text) else text
    suffix = PurePath(name).suffix.lower()
    kinds = [kind for kind, suffixes in SUFFIXES.items() if suffix in suffixes]
    return likely if likely in kinds else kinds[0] if kinds else None


def written_path(value: Any) -> str | None:
    """The path that a value of a spec names, as text or as ``{"path": …}``; a file id may look like one."""
    if isinstance(value, dict) and set(value) == {"path"}:
        value = value["path"]
    named = isinstance(value, str) and "${{" not in value and "://" not in value
    return value if named else None


def resolve(
    value: Any, *, kind: str | None, root: Path | None, inside: bool, bound: Path | None = None
) -> dict[str, str]:
    """The file as ``{"path": absolute}``, ``{"url": …}`` or ``{"file_id": …}``.

    Args:
        value: A path, a URL or a file id as text, or a map with one of those keys.
        kind: The required kind of media; None: any.
        root: The folder of relative paths; None: paths are not allowed.
        inside: The path may not leave `bound`, a folder that holds `root`; by default `root` itself.

    Raises:
        ValueError: It is none of these, does not exist, or is of another kind.
    """
    if isinstance(value, dict):
        named = [key for key in _KEYS if value.get(key) is not None]
        if len(named) != 1 or not isinstance(value[named[0]], str):
            raise ValueError("a file must be a path, a URL or a file id")
        if named[0] == "file_id":
            return {"file_id": value["file_id"]}
        value = value[named[0]]
    if isinstance(value, PurePath):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"a file must be a path, a URL or a file id, not {preview(value)}")
    if is_url(value):
        check_kind(value, kind, required=False)
        return {"url": value}
    if is_uploaded(value):
        return {"file_id": value}
    if "://" in value:
        raise ValueError(f"{preview(value)} is not an http(s) URL")
    return {"path": str(_path(value, kind, root, (bound or root) if inside else None))}


def is_font(text: str) -> bool:
    """Whether the text is the path of a font, by its extension."""
    return PurePath(text).suffix.lower() in FONT_SUFFIXES


def resolve_font(text: str, root: Path, bound: Path) -> Path:
    """The file of a font in a folder, below another; a `ValueError` says why there is none."""
    path, head = _locate(text, root, bound)
    if not head.startswith(_FONT_HEADS):
        raise ValueError(f"{preview(text)} is not a TrueType or OpenType font")
    if path.stat().st_size > MAX_FONT_BYTES:
        raise ValueError(f"the font {preview(text)} is larger than {MAX_FONT_BYTES:,} bytes")
    return path


def _path(text: str, kind: str | None, root: Path | None, bound: Path | None) -> Path:
    path, head = _locate(text, root, bound)
    check_kind(text, kind, required=True)
    _check_head(text, kind, head)
    return path


def _locate(text: str, root: Path | None, bound: Path | None) -> tuple[Path, bytes]:
    """A regular file at a path, and its first bytes."""
    if root is None:
        raise ValueError(
            f"a path such as {preview(text)} is not allowed here; give a URL or a file id"
        )
    try:
        base = root.expanduser().resolve()
        path = base.joinpath(Path(text).expanduser() if bound is None else text).resolve()
        if bound is not None and not path.is_relative_to(bound.expanduser().resolve()):
            raise ValueError(f"{preview(text)} is outside the folder of the spec")
        if not path.is_file():
            raise ValueError(f"there is no file {text!r:.200}")
        if path.stat().st_size == 0:
            raise ValueError(f"the file {text!r:.200} is empty")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"the file {preview(text)} cannot be read: {error}") from error
    return path, head


def _check_head(text: str, kind: str | None, head: bytes) -> None:
    """Refuses a file whose first bytes are of no medium of the kind."""
    mime_type = mime_type_of_head(head)
    known = bool(suffix_of(mime_type))
    # Whether a container such as mp4 holds a film or a sound alone, only decoding can tell.
    is_image = known and str(mime_type).startswith("image/")
    if known and (kind is None or is_image == (kind == "image")):
        return
    what = an(f"{kind or 'media'} file")
    found = f"content is {mime_type}" if mime_type else "content is not that of a known media file"
    if head.startswith(b"version https://git-lfs."):
        found = "content is a pointer of Git LFS, which `git lfs pull` replaces"
    raise ValueError(f"{preview(text)} is not {what}: its {found}")


def check_kind(text: str, kind: str | None, *, required: bool) -> None:
    """Raises a `ValueError` for the extension of another kind of media; `required`: for none, too."""
    found = kind_of(text, kind)
    if (found is None and required) or (kind is not None and found not in (None, kind)):
        kinds = SUFFIXES.values() if kind is None else [SUFFIXES[kind]]
        endings = ", ".join(ending for group in kinds for ending in group)
        what = an(f"{kind or 'media'} file")
        raise ValueError(f"{preview(text)} does not have the extension of {what}: one of {endings}")
