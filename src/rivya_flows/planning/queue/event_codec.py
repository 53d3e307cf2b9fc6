"""Events as lines of the journal, and back."""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from rivya_flows.planning.queue.events import (
    AnswerGiven,
    Event,
    OfPurchase,
    PurchaseIntended,
    QuestionAsked,
    RunFrozen,
)

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def dump(event: Event) -> str:
    """The event as one line of ASCII JSON.

    What was paid for must be writable: a lone surrogate, which UTF-8 cannot hold, is escaped.
    """
    return json.dumps(event.model_dump(mode="json"), separators=(",", ":"))


def parse(text: str) -> Event:
    """The event written by `dump`.

    Raises:
        pydantic.ValidationError: The text is not an event of this version.
    """
    return _EVENT.validate_python(json.loads(text))


def unique_name(event: Event) -> str | None:
    """The name under which an event may be written only once in a run; None if repeats are fine."""
    if isinstance(event, RunFrozen):
        return "frozen"
    if isinstance(event, PurchaseIntended):
        return purchase_name(event)
    if isinstance(event, QuestionAsked):
        again = "" if event.after is None else f" after {event.after.isoformat()}"
        return f"question {event.step}[{event.key}]{again}{_round(event.round)}"
    if isinstance(event, AnswerGiven):
        return f"answer {event.step}[{event.key}]{_round(event.round)}"
    return None


def purchase_name(event: OfPurchase) -> str:
    """The unique name of the intent of a purchase."""
    return f"purchase {event.step}[{event.key}] {event.n}"


def _round(number: int) -> str:
    return f" round {number}" if number else ""
