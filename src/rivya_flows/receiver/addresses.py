"""URLs of media and reports at the receiver, which no one can guess: each contains what it names, signed with the
store's secret. So the receiver needs no list, and every worker can create them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from rivya_client.mime_types import mime_type_of_suffix, suffix_of
from rivya_flows.questions.question import QuestionName
from rivya_flows.store.links import Link

SECRET_NAME = "addresses"  # of the shared secret that signs URLs
REPORT_NAME = "report.html"

_CODE_BYTES = 16


@dataclass(frozen=True)
class ServedMedium:
    sha256: str
    mime_type: str


def asset_address(public_url: str, secret: str, sha256: str, mime_type: str | None) -> str:
    """The URL of a medium for browsers, such as ``https://…/media/<token>/image-9f86d081.png``; one for one content."""
    kind = (mime_type or "").partition("/")[0] or "medium"
    name = f"{kind}-{sha256[:8]}{suffix_of(mime_type)}"
    token = _sign(secret, f"media/{name}", bytes.fromhex(sha256))
    return f"{public_url.rstrip('/')}/media/{token}/{name}"


def named_medium(secret: str, token: str, name: str) -> ServedMedium | None:
    """The medium that a path of `asset_address` names; None unless its signature is valid."""
    sha256 = _content(secret, f"media/{name}", token).hex()
    mime_type = mime_type_of_suffix("." + name.rpartition(".")[2])
    return ServedMedium(sha256, mime_type) if len(sha256) == 64 and mime_type else None


def medium_at(secret: Callable[[], str], url: str) -> ServedMedium | None:
    """The medium that a URL of `asset_address` names, under whatever host; None for any other URL."""
    folder, *named = urlsplit(url).path.split("/")[-3:]
    return named_medium(secret(), *named) if folder == "media" and len(named) == 2 else None


def report_address(public_url: str, secret: str, run_id: str) -> str:
    """The URL of a run's current contact sheet for browsers."""
    token = _sign(secret, "runs", run_id.encode())
    return f"{public_url.rstrip('/')}/runs/{token}/{REPORT_NAME}"


def named_run(secret: str, token: str) -> str | None:
    """The id of the run that a token of `report_address` names; None for any other token."""
    return _content(secret, "runs", token).decode() or None


def upload_address(public_url: str, secret: str) -> str:
    """The URL of the page that takes files for run forms. It does not expire; an open page does."""
    return f"{public_url.rstrip('/')}/upload/{upload_token(secret, 0)}"


def upload_token(secret: str, until: int) -> str:
    """Names the page that takes files until then, in Unix seconds; 0: the page without an end, which takes none."""
    return _sign(secret, "upload", str(until).encode())


def named_upload(secret: str, token: str) -> int | None:
    """The time in a token of `upload_token`, valid or over; None for any other token."""
    until = _content(secret, "upload", token)
    return int(until) if until else None


def review_address(public_url: str, secret: str, link: Link) -> str:
    """The URL of the page of a link: it is signed for all that the link allows, and says none of it."""
    token = _sign(secret, "review", f"{link.id}.".encode() + link.digest)
    return f"{public_url.rstrip('/')}/review/{token}"


def named_link(secret: str, token: str) -> tuple[int, bytes] | None:
    """The id and digest of the link whose address has this token; None for any other token."""
    number, dot, digest = _content(secret, "review", token).partition(b".")
    return (int(number), digest) if dot else None


def page_token(secret: str, link: Link, question: QuestionName) -> str:
    """What a page of a link must send with an answer: it is good for this link and round alone."""
    return _sign(secret, f"review of {link.id} {json.dumps(question)}", b"")


def is_page_token(secret: str, link: Link, question: QuestionName, token: str) -> bool:
    return hmac.compare_digest(token.encode(), page_token(secret, link, question).encode())


def _sign(secret: str, kind: str, content: bytes) -> str:
    """A token; no kind contains a line break, so what is signed has one meaning."""
    message = kind.encode() + b"\n" + content
    code = hmac.new(secret.encode(), message, hashlib.sha256).digest()[:_CODE_BYTES]
    return base64.urlsafe_b64encode(code + content).rstrip(b"=").decode()


def _content(secret: str, kind: str, token: str) -> bytes:
    """The content of a token; empty unless it was signed as this kind and is spelled as it was made."""
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
    content = decoded[_CODE_BYTES:]
    return content if hmac.compare_digest(token, _sign(secret, kind, content)) else b""
