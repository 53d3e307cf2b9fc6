"""The request of an item, as its kind of step makes it: evaluated arguments, references and price."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue

from rivya_client.catalogue.catalogue import Model
from rivya_client.catalogue.prices import Price
from rivya_flows.assets import Asset, as_asset
from rivya_flows.language.canonical import canonical, digest
from rivya_flows.language.syntax.media_references import is_uploaded, is_url, kind_of
from rivya_flows.language.wording import preview
from rivya_flows.steps.candidates import Candidate, PickArguments

if TYPE_CHECKING:
    from rivya_client.client import RivyaClient
    from rivya_client.retries import RetryPolicy
    from rivya_client.types import ChatCompletion, Generation


class ItemRequestError(Exception):
    """The evaluated arguments cannot be sent; the message says why."""


class Frame(NamedTuple):
    """One of so many evenly spaced frames of a film, counted from 1."""

    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Medium:
    """A reference medium of a request.

    Attributes:
        source: SHA-256 of an asset, else the URL or file id that the spec gave; of a frame, that of its
            film before ``#``.
        media: image, video or audio.
        asset: If this run holds it; of a frame, its film.
        frame: Of a picture that is a frame of a film.
    """

    source: str
    media: str
    asset: Asset | None = None
    mime_type: str | None = None
    frame: Frame | None = None

    @property
    def is_content(self) -> bool:
        """Whether its source always names the same content."""
        return self.asset is not None or "://" not in self.source


def media_of(
    value: Any, kind: str, files: Mapping[str, Asset], argument: str
) -> tuple[Medium, ...]:
    """The media in a list or in a single value of an argument, without nulls."""
    listed = value if isinstance(value, list) else [value]
    return tuple(medium_of(one, kind, files, argument) for one in listed if one is not None)


def medium_of(value: Any, kind: str, files: Mapping[str, Asset], argument: str) -> Medium:
    """The medium that an asset, a text or a map describes; of this kind, if nothing in it says another."""
    value = named_file(value, files)
    if isinstance(value, str) and (is_url(value) or is_uploaded(value)):
        return Medium(value, kind_of(value, kind) or kind)
    if isinstance(value, Mapping) and isinstance(value.get("kind"), str | None):
        kind = value.get("kind") or kind_of(str(value.get("url") or ""), kind) or kind
        asset = as_asset({**value, "kind": kind})
        if asset is not None and asset.sha256:
            return Medium(asset.sha256, kind, asset, asset.mime_type)
        for source in (value.get("file_id"), value.get("url")):
            if isinstance(source, str) and source:
                mime_type = value.get("mime_type")
                return Medium(source, kind, None, mime_type if isinstance(mime_type, str) else None)
    raise ItemRequestError(
        f"{argument!r} takes assets, URLs and ids of uploads, not {preview(value)}"
    )


def frame_media(film: Medium, count: int) -> tuple[Medium, ...]:
    """So many frames of a film as pictures, which are taken before they are uploaded."""
    frames = (Frame(number, count) for number in range(1, count + 1))
    return tuple(
        Medium(f"{film.source}#{one.number}/{count}", "image", film.asset, frame=one)
        for one in frames
    )


def named_file(value: Any, files: Mapping[str, Asset]) -> Any:
    """The asset of a file that the spec names by its path; any other value as it is."""
    return files[value].as_json() if isinstance(value, str) and value in files else value


def content_hash(request: list[Any], media: Sequence[Medium]) -> str:
    """The hash of a request; "" if a medium is known by its URL alone."""
    return digest(request) if all(medium.is_content for medium in media) else ""


MAX_REQUEST_BYTES = 16 << 20
"""Evaluated arguments of one item, in bytes of memory."""

MAX_PLAN_BYTES = 128 << 20
"""Evaluated arguments of all items of a run together, in bytes of memory."""


@dataclass(frozen=True)
class Route:
    """Where a kind of step buys.

    Attributes:
        name: In journals and receipts.
        send: Sends the body of a purchase under its idempotency key. The answer is a job, whose
            results are collected, or that of a chat model. None: the `work` of the kind buys.
        stage: What the graph of Prefect calls a purchase.
    """

    name: str
    send: (
        Callable[[RivyaClient, bytes, str, RetryPolicy], Awaitable[Generation | ChatCompletion]]
        | None
    ) = None
    stage: str = "buy"


FUNCTION = Route("function")
"""Of kinds whose `work` costs credits."""


class UploadedFile(BaseModel):
    """What the Files API answered. Source: contract, section 5."""

    model_config = ConfigDict(frozen=True)

    id: str
    url: str
    kind: str | None = None
    name: str | None = None
    mime_type: str | None = None
    size_bytes: int | None = None
    duration_seconds: float | None = None
    duration_token: str | None = None
    created_at: str | None = None


UploadName = tuple[str, str, str | None]
"""(source, media, model): one upload for each in a run."""


Decider = Literal["person", "judge", "rule"]
"""Who decides a pick. A rule does it by itself, and the same each time."""


class PlanTooLargeError(ItemRequestError):
    """The evaluated arguments of all items together do not fit `MAX_PLAN_BYTES`."""


@dataclass(frozen=True, slots=True)
class PricedBy:
    """What the price of a request depends on: model and parameters that affect it, and how many characters
    its text has if they are billed, where more never cost less.
    """

    model: str = ""
    length: int = 0


class PriceClass(NamedTuple):
    """Requests of one class cost the same, and are held back by the same.

    Attributes:
        max: None if only the service knows it.
        is_function: A Python function, whose price the service does not decide.
    """

    by: PricedBy
    min: int
    max: int | None
    is_function: bool


@dataclass(frozen=True)
class ItemRequest:
    """What one item does.

    Attributes:
        arguments: Evaluated, as JSON.
        model: Its id; None for free work.
        media: What its job makes; "" for chat and free work.
        uploads: References that must be uploaded first.
        route: Where it buys; None for free work.
        price: Of one purchase, by the catalogue.
        size: Approximate bytes of memory of its arguments.
        request_hash: Equal for equal requests, whatever URLs their media have; "" if a medium is
            known by its URL alone, whose content may change, and for free work without media.
        decides: Of a pick: who decides; None of any other kind.
        chats: Of a pick with a judge: the chats that it still needs, each as the places of its
            candidates in `from`. `uploads` are those of the first.
    """

    uses: str
    arguments: Mapping[str, JsonValue] = field(hash=False)
    model: str | None = None
    media: str = ""
    uploads: tuple[Medium, ...] = ()
    route: Route | None = None
    price: Price = field(default_factory=lambda: Price(0, 0, "free"))
    request_hash: str = ""
    priced_by: PricedBy = field(default_factory=PricedBy)
    size: int = 0
    decides: Decider | None = None
    chats: tuple[tuple[int, ...], ...] = ()

    @property
    def is_function(self) -> bool:
        """Whether the `work` of its kind buys, and not the service."""
        return self.route == FUNCTION

    @property
    def buys(self) -> bool:
        """Whether it costs credits; a pick is free once its judge has answered."""
        return self.route is not None

    @property
    def prompt(self) -> str:
        """Its prompt; "" without one."""
        return str(self.arguments.get("prompt") or "")

    @property
    def is_judged(self) -> bool:
        """Whether a chat model scores candidates."""
        return self.decides is not None and self.model is not None

    @cached_property
    def pick(self) -> PickArguments:
        return PickArguments.model_validate(self.arguments)

    def judged_candidates(self) -> list[Candidate]:
        """The candidates of the first of `chats`."""
        return [self.pick.candidates[place] for place in self.chats[0]]

    @cached_property
    def price_class(self) -> PriceClass:
        return _price_class(self.priced_by, self.price.min, self.price.max, self.is_function)

    def upload_names(self) -> tuple[UploadName, ...]:
        return tuple((medium.source, medium.media, self.model) for medium in self.uploads)


def priced_by(model: Model, params: Mapping[str, Any], prompt: str | None) -> PricedBy:
    """What the price of such a request depends on."""
    bearing = {param.key: params.get(param.key) for param in model.params if param.bears_price}
    counted = model.billing_type not in ("FIXED", "TOKEN_BASED")
    return _priced_by(canonical([model.id, bearing]), len(prompt or "") if counted else 0)


# Equal ones are one object: a run has thousands of requests, and a few prices.
_priced_by = lru_cache(1_000)(PricedBy)
_price_class = lru_cache(1_000)(PriceClass)


def model_known_later() -> tuple[None, Price]:
    """The price of a request whose model is known during the run only."""
    return None, Price(0, None, "the model is known during the run")
