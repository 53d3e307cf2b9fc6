"""Events as lines of the journal, and back."""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from rivya_flows.planning.queue.events import Event, OfPurchase

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
# `json.dumps` would make one for each event.
_AS_TEXT = json.JSONEncoder(separators=(",", ":")).encode


def dump(event: Event) -> str:
    """The event as one line of ASCII JSON.

    What was paid for must be writable: a lone surrogate, which UTF-8 cannot hold, is escaped.
    """
    return _AS_TEXT(event.model_dump(mode="json"))


def parse(text: str) -> Event:
    """The event written by `dump`.

    Raises:
        pydantic.ValidationError: The text is not an event of this version.
    """
    return _EVENT.validate_python(json.loads(text))


def unique_name(event: Event) -> str | None:
    """The name under which an event may be written only once in a run; None if repeats are fine."""
    # By its kind: `isinstance` of a model is slow, and this is asked of every entry.
    if event.kind == "run.frozen":
        return "frozen"
    if event.kind == "purchase.intended":
        return purchase_name(event)
    if event.kind == "question.asked":
        again = "" if event.after is None else f" after {event.after.isoformat()}"
        return f"question {event.step}[{event.key}]{again}{_round(event.round)}"
    if event.kind == "answer.given":
        return f"answer {event.step}[{event.key}]{_round(event.round)}"
    return None


def purchase_name(event: OfPurchase) -> str:
    """The unique name of the intent of a purchase."""
    return f"purchase {event.step}[{event.key}] {event.n}"


def _round(number: int) -> str:
    return f" round {number}" if number else ""
