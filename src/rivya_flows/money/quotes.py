"""Quotes: a priced plan with all that it rests on, signed; written, read, compared and run."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import unified_diff
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from rivya_client.catalogue.catalogue import Catalogue, Model
from rivya_client.catalogue.prices import price_of
from rivya_client.catalogue.snapshot import from_wire
from rivya_flows.assets import Asset
from rivya_flows.engine.run_context import RunContext, ServiceConnection
from rivya_flows.errors import BudgetError, QuoteError, SpecError, StoreError, UsageError
from rivya_flows.language.canonical import canonical, digest
from rivya_flows.plans.names import label
from rivya_flows.preparation.prepare import (
    Prepared,
    RunRequest,
    prepare_here,
    read_market,
    refuse_over,
)
from rivya_flows.preparation.spec_file import SpecFile, frozen_inputs, read_spec, with_files
from rivya_flows.receipt.phrases import credits_of, is_sandbox
from rivya_flows.receipt.report import write_whole
from rivya_flows.store.assets import file_hash
from rivya_flows.store.secrets import shared_secret

QUOTE_ID = r"^[0-9a-f]{32}$"
MAX_LINES = 20  # of one difference
VALID = timedelta(hours=24)
"""How long a quote holds. Media that nothing else names stay in the store for as long."""

MAX_BYTES = 10_000_000  # of a quote's file
_SECRET = "quotes"
_NEW = "make a new quote with `plan --out`"


class ModelPrice(BaseModel):
    """What a model costs by the list of its service; `credits` is None if that has no price."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    credits: int | None
    billing: str

    @classmethod
    def of(cls, model: Model) -> ModelPrice:
        return cls(credits=model.base_credits, billing=model.billing_type)

    def text(self, *, billing: bool = False) -> str:
        """``3 credits``, ``no price, METERED``."""
        price = "no price" if self.credits is None else credits_of(self.credits)
        return f"{price}, {self.billing}" if billing else price


class Quote(BaseModel):
    """A plan that can be run as it is: once in a store, until it expires, for at most its cap.

    Attributes:
        spec_file: Path of the spec from the folder of the quote; None if it is not in a file.
        includes, files: By path from the folder of the spec.
        inputs: Resolved values; a file is an asset, a secret is its name.
        wallet: Fingerprint of the service and the key.
        prices: Of the models of the plan that are known before the run.
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
    inputs: dict[str, JsonValue]
    labels: dict[str, str]
    cache: Literal["off", "run", "spec"] | None
    service: str
    wallet: str
    prices: dict[str, ModelPrice]
    cap: int = Field(ge=0)
    plan: dict[str, JsonValue]
    signature: str = ""

    @property
    def signed(self) -> str:
        """The text that its signature is of."""
        return canonical(self.model_dump(mode="json", exclude={"signature"}))


def signature_of(text: str, secret: str) -> str:
    """The signature of what a quote says."""
    content = text.encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


class QuotedItem(NamedTuple):
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
    return {name: ModelPrice.of(model) for name in sorted(named) if (model := catalogue.get(name))}


def _first(lines: Sequence[str], noun: str) -> list[str]:
    """At most so many lines as one difference may have, and how many more there are."""
    more = len(lines) - MAX_LINES
    return [*lines[:MAX_LINES], *([f"… and {more} more {noun}"] if more > 0 else [])]


def text_differences(name: str, was: str, now: str) -> Iterator[str]:
    """One short unified diff, if two texts differ."""
    if was == now:
        return
    # The first two lines name the files.
    lines = [*unified_diff(was.splitlines(), now.splitlines(), n=1, lineterm="")][2:]
    yield "\n  ".join([f"{name}: its text has changed", *_first(lines, "lines")])


def price_differences(was: Mapping[str, ModelPrice], catalogue: Catalogue) -> dict[str, str]:
    """What differs in the prices of models, by the model."""
    found = {}
    for name, before in was.items():
        if (model := catalogue.get(name)) is None:
            found[name] = f"{name}: {before.text()} → not in the list of models"
        elif (now := ModelPrice.of(model)) != before:
            billing = now.billing != before.billing
            found[name] = f"{name}: {before.text(billing=billing)} → {now.text(billing=billing)}"
    return found


def plan_differences(
    was: Mapping[str, QuotedItem], now: Mapping[str, QuotedItem], reported: Collection[str]
) -> Iterator[str]:
    """What differs in the items of two plans, apart from items of models that are `reported` already."""
    lines = []
    for name in dict.fromkeys((*was, *now)):
        one, other = was.get(name), now.get(name)
        models = {model for item in (one, other) if item for model in item.models}
        if one != other and not models & set(reported):
            lines.append(f"{name}: {_price(one, other)} → {_price(other, one)}")
    yield from _first(lines, "items")


def _price(item: QuotedItem | None, beside: QuotedItem | None) -> str:
    if item is None:
        return "not in the plan"
    price = price_of(item.least, item.most) + item.cached * " (cached)"
    return f"{item.models[0]}, {price}" if beside and beside.models != item.models else price


@dataclass(frozen=True)
class QuoteFile:
    """A quote as it was read; its signature is not verified yet."""

    quote: Quote
    path: Path
    signed: str

    @property
    def spec(self) -> Path | None:
        """Where its spec was; None if it was in no file."""
        if self.quote.spec_file is None:
            return None
        return Path(os.path.normpath(self.path.parent / self.quote.spec_file))


def read_quote(path: Path) -> QuoteFile:
    """The quote in a file, in the right form; its signature is not checked."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UsageError(f"{path}: is larger than 10 MB, the limit of a quote", _NEW)
        quote = Quote.model_validate(json.loads(content))
        return QuoteFile(quote, path, quote.signed)  # which may be no text that can be signed
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"{path}: is not a quote: {place:.100}: {first['msg']:.200}", _NEW
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is not a quote: it is not JSON", _NEW) from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", "check the path") from error


def write_quote(context: RunContext, request: RunRequest, ready: Prepared, out: Path) -> Quote:
    """Writes the quote of a plan; one that is in the file already is replaced."""
    found, frozen = ready.estimate, ready.frozen
    refuse_over(found)
    tops = [one for one in (found.max, found.budget) if one is not None]
    if not tops:
        items = ((step, item) for step in found.steps for item in step.items)
        unknown = [label(step.id, item.key) for step, item in items if item.price.max is None]
        first = ", ".join(unknown[:5]) + (", …" if len(unknown) > 5 else "")
        raise BudgetError(
            f"no quote: the most that the plan costs is not known ({first})",
            "give --budget N, or write `budget: {credits: …}` in the spec: that is then the most",
        )
    if out.exists() and not _is_quote(out):
        message = f"{out}: is there already, and is not a quote; it is not replaced"
        raise UsageError(message, "give another --out FILE")
    catalogue = from_wire(frozen.catalogue, date=frozen.catalogue_date, source="live")
    whole = with_files(request.spec, catalogue, context.assets)
    now = datetime.now(UTC).replace(microsecond=0)
    quote = Quote(
        id=secrets.token_hex(16),
        created_at=now,
        expires_at=now + VALID,
        spec_file=_place(request.spec, out),
        spec_text=frozen.spec_text,
        includes=dict(whole.includes or {}),
        files=dict(whole.files or {}),
        inputs=frozen.inputs,
        labels=frozen.labels,
        cache=frozen.cache,
        service=frozen.service,
        wallet=_wallet(context.service),
        prices=prices_of(quoted_items(frozen.plan), catalogue),
        cap=min(tops),
        plan=frozen.plan,
    )
    secret = shared_secret(context.journal.engine, _SECRET)
    quote = quote.model_copy(update={"signature": signature_of(quote.signed, secret)})
    text = json.dumps(quote.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    if len(text.encode("utf-8", "backslashreplace")) > MAX_BYTES:
        raise UsageError("no quote: it would be larger than 10 MB", "split the spec, or run it")
    try:
        write_whole(out, text)
    except StoreError as error:
        raise UsageError(error.message, "give another --out FILE") from error
    return quote


async def prepare_quote(
    context: RunContext,
    file: QuoteFile,
    run_id: str,
    *,
    notify: Callable[[str], object] = lambda _: None,
) -> Prepared:
    """Checks and prices the run of a quote; QuoteError names all differences where it does not hold."""
    quote = file.quote
    await asyncio.to_thread(_refuse_used, context, file)
    if file.spec is not None and not file.spec.exists():
        notify(f"{file.spec} is not there: the spec that the quote carries is run")
    differences = await asyncio.to_thread(lambda: [*_differences(context, file)])
    market = await read_market(context, notify)
    prices = price_differences(quote.prices, market.catalogue)
    differences += prices.values()
    name = str(file.spec) if file.spec is not None else f"{quote.plan['name']}.yaml"
    request = RunRequest(
        SpecFile(quote.spec_text, name, None, quote.includes, quote.files),
        frozen_inputs(quote.inputs, context.assets),
        quote.cap,
        quote.cache,
        labels=quote.labels,
        quote=quote.id,
    )
    try:
        ready = await prepare_here(context, request, run_id, starts=True, market=market)
    except SpecError as error:
        if not differences:
            raise
        differences.append(f"its spec is wrong now: {error.diagnostics[0].message}")
    else:
        now = quoted_items(ready.frozen.plan)
        differences += plan_differences(quoted_items(quote.plan), now, prices)
    if differences:
        count = "1 difference" if len(differences) == 1 else f"{len(differences)} differences"
        lines = "\n".join([f"{file.path}: the quote does not hold: {count}", *differences])
        raise QuoteError(lines, f"nothing was bought; {_NEW}")
    return ready


def _refuse_used(context: RunContext, file: QuoteFile) -> None:
    """Refuses a quote that was used, or that another store made."""
    right = signature_of(file.signed, shared_secret(context.journal.engine, _SECRET))
    if not hmac.compare_digest(right.encode(), file.quote.signature.encode("utf-8", "replace")):
        message = f"{file.path}: the quote was changed after it was made, or another store made it"
        raise QuoteError(message, f"nothing was bought; {_NEW}")
    context.journal.refuse_used(file.quote.id)


def _differences(context: RunContext, file: QuoteFile) -> Iterator[str]:
    """What differs at this moment, but for what the service offers."""
    quote, now = file.quote, datetime.now(UTC)
    if now >= quote.expires_at:
        yield f"it held until {quote.expires_at:%Y-%m-%d %H:%M} UTC"
    if quote.service != context.service.identity:
        yield f"service: {quote.service} → {context.service.identity}"
    elif quote.wallet != _wallet(context.service):
        yield "wallet: another key of the same service"
    if file.spec is None or not file.spec.exists():
        return
    folder = file.spec.parent
    for name, was in {file.spec.name: quote.spec_text, **quote.includes}.items():
        try:
            yield from text_differences(name, was, read_spec(folder / name).text)
        except UsageError as error:
            yield str(error)
    for name, asset in quote.files.items():
        try:
            if file_hash(folder / name) != asset.sha256:
                yield f"{name}: the file has changed"
            else:
                context.assets.put(folder / name)  # the quote may have come without its media
        except OSError as error:
            yield f"{name}: {error.strerror or error}"


def _is_quote(path: Path) -> bool:
    with suppress(UsageError):
        return path.is_file() and bool(read_quote(path))
    return False


def _place(spec: SpecFile, out: Path) -> str | None:
    """The path of a spec from the folder of its quote; None if its text is in no file."""
    path = Path(spec.name)
    with suppress(UsageError):
        if path.is_file() and read_spec(path).text == spec.text:
            return os.path.relpath(path.absolute(), out.absolute().parent)
    return None


def _wallet(service: ServiceConnection) -> str:
    """A fingerprint of service and key; a local sandbox has one wallet and many keys."""
    key = None if is_sandbox(service.identity) else service.api_key
    return digest([service.identity, "" if key is None else key.get_secret_value()])[:16]
