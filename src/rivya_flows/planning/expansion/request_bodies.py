"""The exact bodies of paid requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rivya_flows.language.canonical import canonical, whole
from rivya_flows.planning.names import label
from rivya_flows.planning.queue.events import UploadedFile
from rivya_flows.steps.answers import instruction
from rivya_flows.steps.request import ItemRequest, Medium


def generation_body(request: ItemRequest, files: Sequence[UploadedFile], trace: str) -> str:
    """The exact body of ``POST /generations`` (contract, sections 4.1 and 4.2)."""
    params = dict(request.arguments.get("params") or {})
    if files:
        params["referenceMediaItems"] = [
            _reference_item(medium, file)
            for medium, file in zip(request.uploads, files, strict=True)
        ]
    body: dict[str, Any] = {"model": request.model}
    if request.arguments.get("prompt") is not None:
        body["prompt"] = request.arguments["prompt"]
    if params:
        body["params"] = params
    return whole(canonical({**body, "client_request_id": trace[:128]}))


def function_body(request: ItemRequest, trace: str) -> str:
    """The call of a function that costs credits, as the journal keeps it."""
    told = {
        "model": request.model,
        "arguments": dict(request.arguments),
        "client_request_id": trace,
    }
    return whole(canonical(told))


def chat_body(
    request: ItemRequest,
    files: Sequence[UploadedFile],
    trace: str,
    *,
    session: str | None,
    message: str | None,
) -> str:
    """The exact body of ``POST /chat/completions`` (contract, section 6.2).

    Args:
        request: Of a `chat` step.
        files: Its uploaded attachments.
        trace: ``client_request_id``.
        session: Session to continue; None takes that of the request, or a new one.
        message: Overrides the message of the request, to ask again.
    """
    given = request.arguments
    text = message if message is not None else given["message"]
    if given.get("expect"):
        text += instruction(given["expect"])
    body: dict[str, Any] = {
        "model": request.model,
        "message": text,
        "client_request_id": trace[:128],
    }
    if session or given.get("session"):
        body["session_id"] = session or given["session"]
    if files and message is None:
        body["attachments"] = [{"file_id": file.id} for file in files]
    if given.get("web_search") is not None:
        body["enable_web_search"] = given["web_search"]
    if given.get("reasoning_effort") is not None:
        body["reasoning_effort"] = given["reasoning_effort"]
    return whole(canonical(body))


def trace_name(run_id: str, step: str, key: str, n: int) -> str:
    """The `client_request_id` of a job, which names its item in printable ASCII."""
    name = f"{run_id}/{label(step, key)}#{n}"
    return name.encode("ascii", "replace").decode()[:128]


def _reference_item(medium: Medium, file: UploadedFile) -> dict[str, str | float]:
    item = {
        "url": file.url,
        "kind": medium.media,
        "name": file.name,
        "mimeType": file.mime_type,
        "durationSeconds": file.duration_seconds,
        "durationToken": file.duration_token,
    }
    return {name: value for name, value in item.items() if value is not None}
