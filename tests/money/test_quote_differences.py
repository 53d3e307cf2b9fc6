"""What a quote says, its signature, and what differs from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.snapshot import from_wire
from rivya_flows.money.quotes import (
    MAX_LINES,
    Quote,
    plan_differences,
    price_differences,
    prices_of,
    quoted_items,
    signature_of,
    text_differences,
)

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def item(key: str = "", model: str | None = "z-image", credits: int = 1, **more: Any) -> Any:
    prices = {"min": credits, "max": credits}
    return {"key": key, "model": model, "credits": prices, "cached": False, "fallback": []} | more


def plan(*items: Any, step: str = "stills") -> dict[str, Any]:
    return {"name": "shop", "steps": [{"id": step, "items": list(items)}]}


def catalogue(*listed: dict[str, Any]) -> Catalogue:
    return from_wire({"data": [*listed]}, date="2026-11-25", source="live")


def models(**credits: Any) -> Catalogue:
    fixed = {"billing_type": "FIXED"}
    listed = [
        {"id": name.replace("_", "-"), "base_credits": n, **fixed} for name, n in credits.items()
    ]
    return catalogue(*listed)


def quote(**changes: Any) -> Quote:
    values: dict[str, Any] = {
        "id": "0" * 32,
        "created_at": NOON,
        "expires_at": NOON + timedelta(hours=24),
        "spec_file": "specs/shop.yaml",
        "spec_text": "version: 1\n",
        "includes": {},
        "files": {},
        "inputs": {"product": "Lampe \ud83d"},
        "labels": {"client": "acme"},
        "cache": None,
        "service": "https://rivya.example",
        "wallet": "0123456789abcdef",
        "prices": prices_of(quoted_items(plan(item())), models(z_image=1)),
        "cap": 1,
        "plan": plan(item()),
    }
    return Quote.model_validate(values | changes)


CHANGES: tuple[dict[str, Any], ...] = (
    {"id": "1" * 32},
    {"expires_at": NOON + timedelta(hours=25)},
    {"spec_text": "version: 2\n"},
    {"inputs": {"product": "Desk"}},
    {"labels": {"client": "other"}},
    {"service": "http://127.0.0.1:1"},
    {"cap": 2},
    {"plan": plan(item(credits=2))},
)


def test_a_signature_is_of_every_field() -> None:
    ours = signature_of(quote().signed, "secret")
    assert ours == signature_of(quote(signature="any").signed, "secret")
    others = [signature_of(quote(**changes).signed, "secret") for changes in CHANGES]
    assert len({ours, signature_of(quote().signed, "other secret"), *others}) == 2 + len(CHANGES)


def test_a_quote_has_no_other_fields_and_no_credits_below_nothing() -> None:
    for wrong in ({"more": 1}, {"cap": -1}, {"version": 2}, {"id": "../x"}):
        with pytest.raises(ValidationError):
            quote(**wrong)


def test_prices_are_those_of_each_model_that_may_be_bought() -> None:
    planned = plan(item(fallback=["nano-banana", None]), item("pick", None))
    found = prices_of(quoted_items(planned), models(z_image=1, nano_banana=3, veo=10))
    assert {name: one.credits for name, one in found.items()} == {"z-image": 1, "nano-banana": 3}


def test_a_changed_text_is_a_short_diff() -> None:
    assert not [*text_differences("shop.yaml", "a\nb\n", "a\nb\n")]
    [told] = text_differences("shop.yaml", "a\nb\nc\nd\n", "a\nb\nc\ne\n")
    assert told.split("\n") == [
        "shop.yaml: its text has changed",
        "  @@ -3,2 +3,2 @@",
        "   c",
        "  -d",
        "  +e",
    ]
    [told] = text_differences("shop.yaml", "a\n" * 100, "b\n" * 100)
    assert told.count("\n") == MAX_LINES + 1
    assert told.endswith("… and 181 more lines")
    rest = "\n".join("b" * (MAX_LINES - 2))  # with the place and the one that goes
    [told] = text_differences("shop.yaml", "a\n", rest)
    assert "more lines" not in told
    [told] = text_differences("shop.yaml", "a\n", f"{rest}\nb")
    assert told.endswith("… and 1 more lines")


def test_prices_that_moved_are_told_by_model() -> None:
    was = prices_of(
        quoted_items(plan(item(fallback=["veo", "nano"]))), models(z_image=1, veo=10, nano=3)
    )
    found = price_differences(was, models(z_image=None, veo=12))
    assert [*found.values()] == [
        "nano: 3 credits → not in the list of models",
        "veo: 10 credits → 12 credits",
        "z-image: 1 credit → no price",
    ]
    metered = catalogue({"id": "veo", "base_credits": 10, "billing_type": "METERED"})
    was = prices_of(quoted_items(plan(item(model="veo"))), models(veo=10))
    told = price_differences(was, metered)["veo"]
    assert told == "veo: 10 credits, FIXED → 10 credits, METERED"


def test_items_that_differ_are_told_with_both_prices() -> None:
    was = plan(item("a", cached=True, credits=0), item("b"), item("c"), item("d", "veo", 10))
    now = plan(item("a"), item("c", "nano", 3), item("d", "veo", 12), item("e"))
    assert [*plan_differences(quoted_items(was), quoted_items(now), {"veo"})] == [
        "stills[a]: 0 credits (cached) → 1 credit",
        "stills[b]: 1 credit → not in the plan",
        "stills[c]: z-image, 1 credit → nano, 3 credits",
        "stills[e]: not in the plan → 1 credit",
    ]
    assert not [*plan_differences(quoted_items(was), quoted_items(was), ())]


def test_very_many_items_are_counted() -> None:
    found = [*plan_differences(quoted_items(plan(*(item(str(n)) for n in range(50)))), {}, ())]
    assert (len(found), found[-1]) == (MAX_LINES + 1, "… and 30 more items")
