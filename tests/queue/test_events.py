"""Events as journals hold them."""

from __future__ import annotations

from rivya_flows.queue.events import PurchaseIntended, unique_name
from support.campaigns import a_set, until


def test_only_what_must_not_be_repeated_has_a_name() -> None:
    run = a_set(1, 9)
    run.take_up()
    until(run, PurchaseIntended)
    named = {event.kind: unique_name(event) for event in run.journal}
    assert named["run.frozen"] == "frozen"
    assert named["purchase.intended"] == "purchase stills[0] 1"
    assert {
        name for kind, name in named.items() if kind not in ("run.frozen", "purchase.intended")
    } == {None}
