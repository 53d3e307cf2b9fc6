"""From events of purchases to rows of `charges`, written in the transaction of these events."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, insert, update

from rivya_flows.planning.queue.event_codec import purchase_name
from rivya_flows.planning.queue.events import Event, OfPurchase, PurchaseIntended
from rivya_flows.store.tables import CHARGES, stored_name

_INSERT = insert(CHARGES)
_UPDATE = (
    update(CHARGES)
    .where(CHARGES.c.run_id == bindparam("of_run"), CHARGES.c.purchase == bindparam("of_purchase"))
    .values(credits=bindparam("credits"), settled=bindparam("settled"))
)


def counted(event: Event) -> tuple[int, bool] | None:
    """The credits that a purchase counts with from this event on, and whether they are final.

    None if the event changes neither: a purchase whose outcome is unknown counts as before.
    """
    # By its kind: `isinstance` of a model is slow, and this is asked of every entry.
    if event.kind == "purchase.intended":
        return event.reserve, False
    if event.kind == "purchase.accepted":
        return event.reserved_credits, False
    if event.kind == "purchase.refused":
        return 0, True
    if event.kind == "job.ended" or event.kind == "chat.answered":
        return event.final_credits, True
    return None


def charge_id(run_id: str, event: OfPurchase) -> tuple[str, str]:
    """The primary key of the charge of a purchase."""
    return run_id, stored_name(purchase_name(event))


class ChangedCharges:
    """The rows that the events of one transaction insert and update, each of them once."""

    def __init__(self) -> None:
        self._new: dict[tuple[str, str], dict[str, Any]] = {}
        self._old: dict[tuple[str, str], dict[str, Any]] = {}

    def add(self, run_id: str, event: Event, at: float) -> None:
        """Takes the next event of a run.

        Args:
            run_id: The run.
            event: Any event; those that change no charge are ignored.
            at: Unix seconds of its entry.
        """
        if (now := counted(event)) is None:
            return
        assert isinstance(event, OfPurchase)
        key = charge_id(run_id, event)
        change: dict[str, Any] = {"credits": now[0], "settled": now[1]}
        if isinstance(event, PurchaseIntended):
            of = {"run_id": run_id, "purchase": key[1], "step": event.step, "at": at}
            self._new[key] = {
                **of,
                **change,
                "model": None if event.model is None else stored_name(event.model),
            }
            self._old.pop(key, None)
            return
        named = {"of_run": run_id, "of_purchase": key[1]}
        row = self._new.get(key) or self._old.setdefault(key, named)
        row |= change

    def write(self, connection: Connection) -> None:
        """Writes the rows; a charge that the store does not have stays missing."""
        if self._new:
            connection.execute(_INSERT, list(self._new.values()))
        if self._old:
            connection.execute(_UPDATE, list(self._old.values()))
