"""Quotes: a priced plan with all that it rests on, signed, and what differs from it later."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from rivya_flows.assets import Asset
from rivya_flows.catalogue.catalogue import Catalogue, Model
from rivya_flows.catalogue.prices import price_of
from rivya_flows.language.canonical import canonical
from rivya_flows.ledger.phrases import credits_of
from rivya_flows.planning.names import label

QUOTE_ID = r"^[0-9a-f]{32}$"

MAX_LINES = 20
"""Lines of one difference between texts, and steps that are named one by one."""


class ModelPrice(BaseModel):
    """What a model costs by the list of its service.

    Attributes:
        credits: Of its default request; None if the list has no price.
        billing: As the service names it, such as ``FIXED``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    credits: int | None
    billing: str


class Quote(BaseModel):
    """A plan that can be run as it is: once, until it expires, for at most its cap.

    Attributes:
        id: Random; a store runs it once.
        expires_at: It holds until then.
        spec_file: Path of the spec from the folder of the quote; None if it is not in a file.
        spec_text: The spec as it was quoted.
        includes: Texts of what it names, by path from its folder.
        files: Media that it names, by path from its folder; the asset store has them.
        inputs: Resolved values; a file is an asset, a secret is its name.
        labels: What the run is counted under.
        cache: Overrides the cache mode of the spec; None keeps it.
        service: Identity of the service.
        wallet: Fingerprint of the service and the key; says nothing of the key.
        prices: Of the models of the plan, by id; those that only the run knows are not here.
        cap: The most credits that the run may spend.
        plan: The document of ``plan --json``.
        signature: HMAC-SHA256 of all other fields, in hex.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    id: str = Field(pattern=QUOTE_ID)
    created_at: AwareDatetime
    expires_at: AwareDatetime
    spec_file: str | None
    spec_text: str
    includes: dict[str, str]
    files: dict[str, Asset]
    inputs: dict[str, Any]
    labels: dict[str, str]
    cache: Literal["off", "run", "spec"] | None
    service: str
    wallet: str
    prices: dict[str, ModelPrice]
    cap: int = Field(ge=0)
    plan: dict[str, Any]
    signature: str = ""

    @property
    def signed(self) -> str:
        """The text that its signature is of."""
        return canonical(self.model_dump(mode="json", exclude={"signature"}))


def signature_of(text: str, secret: str) -> str:
    """The signature of what a quote says."""
    content = text.encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class QuotedItem:
    """What a quote compares of an item of a plan; `models` with those that it falls back to."""

    models: tuple[str | None, ...]
    least: int
    most: int | None
    cached: bool


def quoted_items(plan: Mapping[str, Any]) -> dict[str, QuotedItem]:
    """The items of the document of a plan, by step and key."""
    return {
        label(step["id"], item["key"]): QuotedItem(
            (item["model"], *item["fallback"]),
            item["credits"]["min"],
            item["credits"]["max"],
            item["cached"],
        )
        for step in plan["steps"]
        for item in step["items"]
    }


def prices_of(items: Mapping[str, QuotedItem], catalogue: Catalogue) -> dict[str, ModelPrice]:
    """The prices of all models that the items of a plan name, by id."""
    named = {name for item in items.values() for name in item.models if name}
    return {name: _listed(model) for name in sorted(named) if (model := catalogue.get(name))}


def text_differences(name: str, was: str, now: str) -> Iterator[str]:
    """One short unified diff, if two texts differ."""
    if was == now:
        return
    # The first two lines name the files.
    lines = [*unified_diff(was.splitlines(), now.splitlines(), n=1, lineterm="")][2:]
    more = len(lines) - MAX_LINES
    shown = lines[:MAX_LINES] + ([f"… and {more} more lines"] if more > 0 else [])
    yield "\n".join([f"{name}: its text has changed", *(f"  {line}" for line in shown)])


def price_differences(was: Mapping[str, ModelPrice], catalogue: Catalogue) -> dict[str, str]:
    """What differs in the prices of models, by the model."""
    found = {}
    for name, before in was.items():
        model = catalogue.get(name)
        now = None if model is None else _listed(model)
        if now is None:
            found[name] = f"{name}: {_told(before)} → not in the list of models"
        elif now != before:
            billing = now.billing != before.billing
            found[name] = f"{name}: {_told(before, billing)} → {_told(now, billing)}"
    return found


def plan_differences(
    was: Mapping[str, QuotedItem], now: Mapping[str, QuotedItem], told: Collection[str]
) -> Iterator[str]:
    """What differs in the items of two plans: as quoted, and of this moment.

    Args:
        told: Models whose price differs: their items are not named again.
    """
    lines = []
    for name in dict.fromkeys((*was, *now)):
        one, other = was.get(name), now.get(name)
        models = {model for item in (one, other) if item for model in item.models}
        if one != other and not models & set(told):
            lines.append(f"{name}: {_priced(one, other)} → {_priced(other, one)}")
    yield from lines[:MAX_LINES]
    if len(lines) > MAX_LINES:
        yield f"… and {len(lines) - MAX_LINES} more items"


def _priced(item: QuotedItem | None, beside: QuotedItem | None) -> str:
    if item is None:
        return "not in the plan"
    words = price_of(item.least, item.most) + item.cached * " (cached)"
    return f"{item.models[0]}, {words}" if beside and beside.models != item.models else words


def _listed(model: Model) -> ModelPrice:
    return ModelPrice(credits=model.base_credits, billing=model.billing_type)


def _told(price: ModelPrice, billing: bool = False) -> str:
    words = "no price" if price.credits is None else credits_of(price.credits)
    return f"{words}, {price.billing}" if billing else words
