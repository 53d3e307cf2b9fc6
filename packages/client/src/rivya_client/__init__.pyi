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

__all__: list[str]
