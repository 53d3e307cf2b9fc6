"""Write a quote, read one, and prepare the run that it describes."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from rivya_flows.app.prepare import Prepared, RunRequest, prepare_here, read_market, refuse_over
from rivya_flows.app.report import write_whole
from rivya_flows.app.run_context import RunContext, ServiceConnection
from rivya_flows.app.spec_file import FrozenInputs, SpecFile, carried, read_spec
from rivya_flows.catalogue.snapshot import from_wire
from rivya_flows.errors import BudgetError, QuoteError, SpecError, StoreError, UsageError
from rivya_flows.language.canonical import digest
from rivya_flows.ledger.phrases import is_sandbox
from rivya_flows.ledger.quotes import (
    Quote,
    plan_differences,
    price_differences,
    prices_of,
    quoted_items,
    signature_of,
    text_differences,
)
from rivya_flows.planning.names import label
from rivya_flows.store.assets import file_hash
from rivya_flows.store.secrets import shared_secret

VALID = timedelta(hours=24)
"""How long a quote holds. Media that nothing else names stay in the store for as long."""

MAX_BYTES = 10_000_000  # bytes of a quote's file
_SECRET = "quotes"
_NEW = "make a new quote with `plan --out`"


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
        return QuoteFile(quote, path, quote.signed)
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
        unknown = [label(step.id, item.key) for step in found.steps for item in step.items
                   if item.price.max is None]  # fmt: skip
        words = ", ".join(unknown[:5]) + (", …" if len(unknown) > 5 else "")
        raise BudgetError(
            f"no quote: the most that the plan costs is not known ({words})",
            "give --budget N, or write `budget: {credits: …}` in the spec: that is then the most",
        )
    _refuse_to_replace(out)
    catalogue = from_wire(frozen.catalogue, date=frozen.catalogue_date, source="live")
    whole = carried(request.spec, catalogue, context.assets)
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
        FrozenInputs(quote.inputs, context.assets),
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
    """Refuses a quote of somebody else, or one that was used."""
    right = signature_of(file.signed, shared_secret(context.journal.engine, _SECRET))
    if not hmac.compare_digest(right.encode(), file.quote.signature.encode("utf-8", "replace")):
        words = f"{file.path}: the quote was changed after it was made, or another store made it"
        raise QuoteError(words, f"nothing was bought; {_NEW}")
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


def _refuse_to_replace(out: Path) -> None:
    with suppress(UsageError):
        if out.is_file():
            read_quote(out)
            return
    if not out.exists():
        return
    words = f"{out}: is there already, and is not a quote; it is not replaced"
    raise UsageError(words, "give another --out FILE")


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
