"""The request of an item: its evaluated arguments, references and price.

`build_requests` makes it from the arguments of a step; that of a pick is made by `pick_requests`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

from rivya_flows.catalogue.catalogue import Catalogue, Model
from rivya_flows.catalogue.prices import Price
from rivya_flows.catalogue.request_checks import check_model
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.wording import shown
from rivya_flows.planning.expansion.request_media import ItemRequestError, Medium
from rivya_flows.planning.names import canonical
from rivya_flows.planning.picking import Candidate

MAX_REQUEST_BYTES = 16 << 20
"""Evaluated arguments of one item, in bytes of memory."""

MAX_PLAN_BYTES = 128 << 20
"""Evaluated arguments of all items of a run together, in bytes of memory."""

UploadName = tuple[str, str, str | None]
"""(source, media, model): one upload for each in a run."""


class PlanTooLargeError(ItemRequestError):
    """The evaluated arguments of all items together do not fit `MAX_PLAN_BYTES`."""


@dataclass(frozen=True)
class PricedBy:
    """What the price of a request depends on: equal ones cost the same.

    Attributes:
        model: The model and all parameters that affect the price.
        length: Characters of its text if they are billed, else 0; more never cost less.
    """

    model: str = ""
    length: int = 0


class PriceClass(NamedTuple):
    """Requests of one class cost the same, and are held back by the same.

    Attributes:
        by: What the price depends on.
        min, max: By the catalogue; `max` is None where only the service knows it.
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
        uses: Kind of the step.
        arguments: All evaluated arguments, as JSON.
        model: Id of the model; None for free work.
        media: What its job makes; "" for chat and free work.
        uploads: References that must be uploaded first.
        price: Of one purchase, by the catalogue.
        priced_by: What that price depends on.
        size: Approximate bytes of memory of its arguments.
        request_hash: Equal for equal requests, whatever URLs their media have; "" if a medium is
            known by its URL alone, whose content may change, and for free work without media.
        chats: Of a pick with a judge: the chats still to be had, each as the places of its
            candidates in `from`. `uploads` are those of the first.
    """

    uses: str
    arguments: Mapping[str, Any] = field(hash=False)
    model: str | None = None
    media: str = ""
    uploads: tuple[Medium, ...] = ()
    price: Price = field(default_factory=lambda: Price(0, 0, "free"))
    request_hash: str = ""
    priced_by: PricedBy = field(default_factory=PricedBy)
    size: int = 0
    chats: tuple[tuple[int, ...], ...] = ()

    @property
    def is_function(self) -> bool:
        """Whether it is a Python function with a price."""
        return self.model is not None and self.uses not in ("generate", "chat", "pick")

    @property
    def buys(self) -> bool:
        """Whether something is to be bought for it; a pick is free once its judge has answered."""
        return self.model is not None and (self.uses != "pick" or bool(self.chats))

    def judged(self) -> list[Candidate]:
        """The candidates of the first of `chats`."""
        return [self.arguments["from"][place] for place in self.chats[0]]

    @cached_property
    def price_class(self) -> PriceClass:
        """Its class among requests of one price."""
        return PriceClass(self.priced_by, self.price.min, self.price.max, self.is_function)

    def upload_names(self) -> tuple[UploadName, ...]:
        """Names of its uploads."""
        return tuple((medium.source, medium.media, self.model) for medium in self.uploads)


def priced_by(model: Model, params: Mapping[str, Any], prompt: str | None) -> PricedBy:
    """What the price of such a request depends on."""
    bearing = {param.key: params.get(param.key) for param in model.params if param.bears_price}
    counted = model.billing_type not in ("FIXED", "TOKEN_BASED")
    return PricedBy(canonical([model.id, bearing]), len(prompt or "") if counted else 0)


def model_of(named: Any, catalogue: Catalogue, route: Literal["generate", "chat"]) -> Model:
    """The model of an evaluated id.

    Raises:
        ItemRequestError: There is none, or it is not for this route.
    """
    model = catalogue.get(named) if isinstance(named, str) else None
    if model is None:
        raise ItemRequestError(f"unknown model {named!r}")
    for found in check_model(catalogue, model.id, route):
        raise ItemRequestError(found.message)
    return model


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Checks that an evaluated value is None or one of the choices.

    Raises:
        ItemRequestError: It is anything else.
    """
    if value is not None and value not in choices:
        raise ItemRequestError(
            f"{name!r} cannot be {shown(value)}; there are: {', '.join(choices)}"
        )


def refuse(*found: Sequence[Diagnostic]) -> None:
    """Raises an `ItemRequestError` with all these mistakes; does nothing without any."""
    messages = [one.sentence for diagnostics in found for one in diagnostics]
    if messages:
        raise ItemRequestError("; ".join(dict.fromkeys(messages)))
