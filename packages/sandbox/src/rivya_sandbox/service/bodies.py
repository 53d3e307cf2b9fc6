"""Reads request bodies, with bounds."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from rivya_sandbox.service.errors import invalid
from rivya_sandbox.service.signatures import HEAD_BYTES, detect

_LARGEST_JSON = 2**20  # bytes
_FORM_ROOM = 2**16  # bytes of a form besides its file
_CHUNK = 2**20  # bytes


async def read_json(request: Request, *, needed: bool = True) -> Any:
    """The JSON value of a body.

    Args:
        request: The request.
        needed: Whether an empty body is an error; otherwise it counts as an empty object.

    Raises:
        Refusal: It is too large, is not sent as JSON, or is not JSON that can be stored
            (``validation_failed``).

    Source: contract, section 4.1, for the required ``Content-Type``.
    """
    _refuse_encoded(request)
    too_large = invalid(f"The body is larger than {_LARGEST_JSON} bytes.")
    if _content_length(request) > _LARGEST_JSON:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_JSON:
            raise too_large
    if not body and not needed:
        return {}
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise invalid("The Content-Type must be application/json.")
    try:
        value = json.loads(bytes(body), parse_constant=_no_constant, parse_float=_finite)
        # A lone surrogate is legal in JSON and can be neither stored nor sent.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise invalid("The body is not valid JSON.") from None
    return value


def _refuse_encoded(request: Request) -> None:
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise invalid("The body must be sent without a Content-Encoding.")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


@dataclass(frozen=True)
class MultipartUpload:
    """A multipart upload.

    Attributes:
        fields: The text parts.
        name: File name as sent, or None.
        size_bytes: Of the file.
        mime_type: By its signature; None if unknown.
    """

    fields: dict[str, str]
    name: str | None
    size_bytes: int
    mime_type: str | None
    file: UploadFile

    async def save(self, path: Path) -> None:
        """Write the file atomically: `path` has all of it or does not exist."""
        await run_in_threadpool(self._save, path)

    def _save(self, path: Path) -> None:
        part = path.with_name(path.name + ".part")
        try:
            self.file.file.seek(0)
            with part.open("wb") as target:
                while chunk := self.file.file.read(_CHUNK):
                    target.write(chunk)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def largest_form(largest_file: int) -> int:
    """Maximum bytes of a form with such a file."""
    return largest_file + _FORM_ROOM


async def read_form(request: Request, largest_file: int) -> FormData:
    """The parts of a multipart body; larger files are on disk. The caller closes it.

    Raises:
        Refusal: It is not a multipart form, or larger than any file may be.
    """
    _refuse_encoded(request)
    if not request.headers.get("Content-Type", "").startswith("multipart/form-data"):
        raise invalid("The body must be multipart/form-data.")
    most = largest_form(largest_file)
    if _content_length(request) > most:
        raise invalid(f"The form is larger than {most} bytes.")
    stream = _read_bounded(request, most)
    parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=20)
    form = FormData()
    try:
        form = await parser.parse()
    except MultiPartException as problem:
        raise invalid(f"The form cannot be read: {problem.message}") from problem
    except UnicodeError as problem:  # the client named the charset
        raise invalid("The form cannot be read: its text is not of its charset.") from problem
    finally:
        await stream.aclose()
        # A truncated file is in no form, so nothing else would close it.
        body = {id(part.file) for part in form.values() if isinstance(part, UploadFile)}
        for file in parser._files_to_close_on_error:
            if id(file) not in body:
                file.close()
    return form


def upload(form: FormData) -> MultipartUpload:
    """The one file of a form, and the other fields.

    Raises:
        Refusal: No part ``file`` has a file.
    """
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise invalid("The part 'file' is required.")
    file.file.seek(0)
    head = file.file.read(HEAD_BYTES)
    fields = {key: value for key, value in form.items() if isinstance(value, str)}
    try:
        "".join(fields.values()).encode()
    except UnicodeError:  # some charsets encode lone surrogates, which cannot be stored
        raise invalid("The form cannot be read: its text is not Unicode.") from None
    return MultipartUpload(fields, file.filename, file.size or 0, detect(head), file)


async def _read_bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > most:
            raise MultiPartException(f"more than {most} bytes")
        yield chunk


def _content_length(request: Request) -> int:
    """The ``Content-Length`` of a request in bytes; 0 if it has none."""
    return int(request.headers.get("Content-Length", "0"))
