"""Values of triggers, rendered by Prefect's own template engine."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.server.utilities.user_templates import TemplateRenderError, render_user_template

from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.spec.deploy_block import for_prefect

EVENT = SimpleNamespace(
    id="5f0c",
    event="campaign.brief.created",
    occurred=datetime(2026, 11, 25, 9, tzinfo=UTC),
    payload={
        "product": 'Lamp "A" {{ x }}',
        "count": 3,
        "items": ["studio", "neon"],
        "brief": {"mood": "warm", "note": None},
    },
    resource=SimpleNamespace(id="campaign.7"),
)


def rendered(value: Any) -> Any:
    """What Prefect makes of the value of a trigger's input when the event comes."""
    made = for_prefect(value)
    if not (isinstance(made, dict) and "__prefect_kind" in made):
        return made
    assert (made["__prefect_kind"], made["value"]["__prefect_kind"]) == ("json", "jinja")
    text = asyncio.run(render_user_template(made["value"]["template"], {"event": EVENT}))
    return json.loads(text)


@pytest.mark.parametrize(
    ("written", "worth"),
    [
        ("Lamp", "Lamp"),
        (5, 5),
        ("a {{ brace }} and {% block %}", "a {{ brace }} and {% block %}"),
        ("${{ event.payload.product }}", 'Lamp "A" {{ x }}'),
        ("${{ event.payload.count }}", 3),
        ("${{ event.payload.items }}", ["studio", "neon"]),
        ("${{ event.payload.items[1] }}", "neon"),
        ("${{ event.payload.brief.mood }}", "warm"),
        ("${{ event.payload }}", EVENT.payload),
        ("${{ event.payload.price | default(9) }}", 9),
        ("${{ event.payload.price | default(instead=9) }}", 9),
        ("${{ event.payload.brief.note | default('it\\'s {{ none }}') }}", "it's {{ none }}"),
        ("${{ event.payload.brief.mood | default('cold') }}", "warm"),
        ("“${{ event.payload.brief.mood }}” 😀 ${{ event.payload.count }}", "“warm” 😀 3"),
        (["${{ event.payload.brief.mood }}", "plain"], ["warm", "plain"]),
        ({"a{{b": {"c": "${{ event.id }}"}}, {"a{{b": {"c": "5f0c"}}),
        ("${{ event.event }}", "campaign.brief.created"),
        ("${{ event.occurred }}", "2026-11-25 09:00:00+00:00"),
        ("${{ event.resource.id }}", "campaign.7"),
    ],
)
def test_an_event_gives_a_value_of_its_own_type(written: Any, worth: Any) -> None:
    assert rendered(written) == worth


@pytest.mark.parametrize(
    "written", ["${{ event.payload.nothing }}", "For ${{ event.payload.brief.nothing }}"]
)
def test_a_field_that_the_event_lacks_begins_no_run(written: str) -> None:
    with pytest.raises(TemplateRenderError):
        rendered(written)


@pytest.mark.parametrize(
    "written",
    [
        "${{ inputs.product }}",
        "${{ event.payload.a + 1 }}",
        "${{ event.payload.a | upper }}",
        "${{ event.payload.a | default(event.payload.b) }}",
        "${{ event.related }}",
        "${{ event }}",
    ],
)
def test_an_event_gives_fields_and_nothing_that_is_computed(written: str) -> None:
    with pytest.raises(ExpressionError):
        for_prefect(written)
