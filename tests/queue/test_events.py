"""Events as journals hold them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from rivya_flows.queue.events import (
    ItemFailed,
    PurchaseIntended,
    QuestionsLeft,
    dump,
    parse,
    unique_name,
)
from support.campaigns import a_set


def test_only_what_must_not_be_repeated_has_a_name() -> None:
    run = a_set(1, 9)
    run.take_up()
    named = {event.kind: unique_name(event) for event in run.until(PurchaseIntended).journal}
    assert named.pop("run.frozen") == "frozen"
    assert named.pop("purchase.intended") == "purchase stills[0] 1"
    assert {*named.values()} == {None}


def test_an_event_is_read_as_it_was_written_whatever_its_text_is() -> None:
    for text in ("plain", "é \U0001f600", 'a "quoted"\nline', "half \ud83d of a pair"):
        failed = ItemFailed(step="stills", key=text, code="job_failed", message=text)
        assert parse(dump(failed)) == failed


@pytest.mark.parametrize(
    "line", ['{"kind": "item.failed", "step": "stills"}', '{"kind": "item.forgotten"}']
)
def test_a_line_that_is_no_event_of_this_version_is_refused(line: str) -> None:
    with pytest.raises(ValidationError):
        parse(line)


def test_the_events_of_a_kind_share_what_is_the_same_in_all_of_them() -> None:
    first, second = (QuestionsLeft(at=datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 2))
    assert first.model_fields_set is second.model_fields_set
    assert first.model_copy(update={"at": second.at}) == second != first
