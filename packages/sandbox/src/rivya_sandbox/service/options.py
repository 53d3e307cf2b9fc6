"""The options of a sandbox server."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Media = Literal["real", "plain"]


@dataclass(frozen=True)
class ServiceProfile:
    """Behaviour of the service that the contract leaves open.

    Attributes:
        create_status: Status of an accepted generation.
        upload_status: Status of an accepted file.
        chat_status: Status of a chat answer.
        no_credits_status: Status of ``insufficient_credits``.
        stores_refusals: Whether a 4xx answer is kept for its Idempotency-Key.
        surcharge: Credits by which a reserve exceeds the catalogue's price; up to two of the
            reserve come back at the end.
        key_life_seconds: Lifetime of an Idempotency-Key.
        url_life_seconds: Lifetime of a result URL; None means forever.
        endpoint_status: Status of a new webhook endpoint.
        event_field: Field of an event that has its generation.
        bare_streams: Whether the events of a chat stream have no names and end with ``[DONE]``.
        extra_fields: Added to every answer; not in the contract.
    """

    create_status: int = 202
    upload_status: int = 201
    chat_status: int = 200
    no_credits_status: int = 402
    stores_refusals: bool = False
    surcharge: int = 0
    key_life_seconds: float = 24 * 3600
    url_life_seconds: float | None = None
    endpoint_status: int = 201
    event_field: str = "data"
    bare_streams: bool = False
    extra_fields: Mapping[str, Any] = field(default_factory=dict)


FRIENDLY = ServiceProfile()
HOSTILE = ServiceProfile(
    create_status=201,
    upload_status=200,
    chat_status=201,
    no_credits_status=403,
    stores_refusals=True,
    surcharge=1,
    key_life_seconds=600,
    url_life_seconds=20,
    endpoint_status=200,
    event_field="generation",
    bare_streams=True,
    extra_fields={"schema_revision": 7, "trace": {"region": "x-1", "hops": [1, 2]}},
)
PROFILES = {"friendly": FRIENDLY, "hostile": HOSTILE}


@dataclass(frozen=True)
class Options:
    """Options of `serve`.

    Attributes:
        data: Folder of the state and all media.
        host: Where it listens; loopback by default.
        port: 0 takes a free one; None the last one of the folder, or a free one if it is taken.
        credits: Granted to the default account of a new data folder, once.
        time_scale: Multiplies simulated durations; 0 skips them.
        rate_limit: Requests a minute for each key; 0 means no limit.
        media: ``plain`` makes tiny media in two colours at once.
        profile: Behaviour where the contract leaves it open.
        faults: Text of a YAML file of faults; None keeps those of the data folder.
        answers: Text of a YAML file of rehearsed chat answers; None keeps those of the data folder.
        public_url: Where clients reach it, if that is not the host and port it listens on.
        allow_local_webhooks: Takes ``http://`` and loopback as targets of webhooks, which Rivya
            refuses; for receivers on this machine.
        request_log: File that gets a line for each answer, see `RequestLog`; None writes none.
        clock: Unix seconds now.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int | None = None
    credits: int = 1000
    time_scale: float = 1.0
    rate_limit: int = 0
    media: Media = "real"
    profile: ServiceProfile = FRIENDLY
    faults: str | None = None
    answers: str | None = None
    public_url: str | None = None
    allow_local_webhooks: bool = False
    request_log: Path | None = None
    clock: Callable[[], float] = time.time
