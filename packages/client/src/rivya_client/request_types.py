"""Types of request bodies.

Open where the contract is open: the parameters of a model come from its page. A body that the types
do not describe is sent as bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypedDict

from rivya_client.mime_types import MediaKind

ReasoningEffort = Literal["default", "minimal", "low", "medium", "high", "xhigh"]


class ReferenceMediaItem(TypedDict, total=False):
    """An item of ``params.referenceMediaItems``.

    Attributes:
        url: Of an uploaded file, see `File.url`.
        kind: What it is.
        name: File name.
        mimeType: Media type.
        durationSeconds: Length of a video or of audio.
        durationToken: See `File.duration_token`.

    Source: contract, section 4.2.
    """

    url: Required[str]
    kind: Required[MediaKind]
    name: str
    mimeType: str
    durationSeconds: float
    durationToken: str


class GenerationRequest(TypedDict, total=False):
    """The body of a new job.

    Attributes:
        model: A model id.
        prompt: Most models require it; at most `ModelEntry.max_prompt_length` characters.
        params: Parameters of the model; ``referenceMediaItems`` is a list of `ReferenceMediaItem`.
        client_request_id: A trace id of the caller's.

    Source: contract, section 4.1.
    """

    model: Required[str]
    prompt: str
    params: Mapping[str, Any]
    client_request_id: str


class ChatAttachment(TypedDict):
    """An image of a chat message.

    Attributes:
        file_id: See `File.id`.
    """

    file_id: str


class ChatRequest(TypedDict, total=False):
    """The body of a chat turn.

    Attributes:
        model: Id of a chat model.
        message: The next message of the user.
        session_id: Continues a session of this account and this model; absent starts one.
        attachments: Images, uploaded with `Files.upload`.
        enable_web_search: Works where the model supports it; default False.
        reasoning_effort: Works where the model supports it; default ``default``.
        client_request_id: A trace id of the caller's.

    Source: contract, section 6.2.
    """

    model: Required[str]
    message: Required[str]
    session_id: str
    attachments: Sequence[ChatAttachment]
    enable_web_search: bool
    reasoning_effort: ReasoningEffort
    client_request_id: str
