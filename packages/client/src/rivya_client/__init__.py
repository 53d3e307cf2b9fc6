"""The Rivya API from Python: pictures, films, speech, music and chat.

    from rivya_client import SyncRivyaClient

    with SyncRivyaClient() as client:
        job = client.generations.create_and_wait({"model": "z-image", "prompt": "A brass lamp"})

The names of `__all__`, and those of `rivya_client.catalogue`, are the public API; every other module
is internal and may change. They are imported when they are used, so that ``import rivya_client`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rivya_client.calls import RawResponse as RawResponse
    from rivya_client.chat_stream import ChatStream as ChatStream
    from rivya_client.client import RivyaClient as RivyaClient, SyncRivyaClient as SyncRivyaClient
    from rivya_client.downloads import Download as Download
    from rivya_client.errors import (
        APIConnectionError as APIConnectionError,
        APIError as APIError,
        APIStatusError as APIStatusError,
        AuthenticationError as AuthenticationError,
        BadRequestError as BadRequestError,
        BrokenStreamError as BrokenStreamError,
        ConflictError as ConflictError,
        InsufficientCreditsError as InsufficientCreditsError,
        InternalServerError as InternalServerError,
        JobStatusError as JobStatusError,
        JobTimeoutError as JobTimeoutError,
        MediaError as MediaError,
        NotFoundError as NotFoundError,
        NotSentError as NotSentError,
        PermissionDeniedError as PermissionDeniedError,
        RateLimitError as RateLimitError,
        RefusedAddressError as RefusedAddressError,
        RefusedAfterSilenceError as RefusedAfterSilenceError,
        RivyaError as RivyaError,
        StreamFailedError as StreamFailedError,
        UsageError as UsageError,
    )
    from rivya_client.options import RequestOptions as RequestOptions
    from rivya_client.request_types import (
        ChatAttachment as ChatAttachment,
        ChatRequest as ChatRequest,
        GenerationRequest as GenerationRequest,
        ReferenceMediaItem as ReferenceMediaItem,
    )
    from rivya_client.retries import RetryPolicy as RetryPolicy
    from rivya_client.types import (
        ChatCompletion as ChatCompletion,
        File as File,
        Generation as Generation,
        ModelEntry as ModelEntry,
        WebhookEvent as WebhookEvent,
    )
    from rivya_client.uploads import Accepted as Accepted
    from rivya_client.version import __version__ as __version__
    from rivya_client.webhook_signatures import (
        SignatureScheme as SignatureScheme,
        WebhookError as WebhookError,
        WebhookHeaderError as WebhookHeaderError,
        WebhookPayloadError as WebhookPayloadError,
        WebhookReplayError as WebhookReplayError,
        WebhookSignatureError as WebhookSignatureError,
        verify_webhook as verify_webhook,
    )

_NAMES = {
    "calls": "RawResponse",
    "chat_stream": "ChatStream",
    "client": "RivyaClient SyncRivyaClient",
    "downloads": "Download",
    "errors": (
        "APIConnectionError APIError APIStatusError AuthenticationError BadRequestError "
        "BrokenStreamError ConflictError InsufficientCreditsError InternalServerError "
        "JobStatusError JobTimeoutError MediaError NotFoundError NotSentError "
        "PermissionDeniedError RateLimitError RefusedAddressError RefusedAfterSilenceError "
        "RivyaError StreamFailedError UsageError"
    ),
    "options": "RequestOptions",
    "request_types": "ChatAttachment ChatRequest GenerationRequest ReferenceMediaItem",
    "retries": "RetryPolicy",
    "types": "ChatCompletion File Generation ModelEntry WebhookEvent",
    "uploads": "Accepted",
    "version": "__version__",
    "webhook_signatures": (
        "SignatureScheme WebhookError WebhookHeaderError WebhookPayloadError "
        "WebhookReplayError WebhookSignatureError verify_webhook"
    ),
}
"""The public names by the module that defines them."""

_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = sorted(_MODULES)


if not TYPE_CHECKING:  # a type checker would take any name for a public one

    def __getattr__(name: str) -> Any:
        """A public name, imported when it is used first.

        Raises:
            AttributeError: It is not public, and no module that was imported.
        """
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
