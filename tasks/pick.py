"""The pick: which of several candidates goes on."""

from __future__ import annotations

from typing import Any

from prefect import task

from rivya_flows.errors import UsageError
from rivya_flows.planning.pricing.estimate import picked_from
from rivya_flows.tasks.session import PLAIN


@task(name="pick", **PLAIN)
async def pick_one(candidates: list[dict[str, Any]], answer: str | None = None) -> dict[str, Any]:
    """The chosen candidate.

    Args:
        candidates: Items of a step; those without an asset are passed over.
        answer: Key of the chosen one; None takes the first.

    Returns:
        ``{"asset", "key", "item"}``.

    Raises:
        UsageError: No candidate has that key, or none has an asset.
    """
    picked = picked_from({"from": candidates, "answer": answer})
    if picked is None:
        keys = ", ".join(str(one.get("key")) for one in candidates if one.get("asset"))
        raise UsageError(f"no candidate is called {answer!r}", f"one of: {keys}")
    return picked
