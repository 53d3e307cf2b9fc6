"""What each kind of step says of its outputs, and what it sends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.workflow import Fallback
from rivya_flows.spec.names import NamesInScope, WrittenSpec
from rivya_flows.steps.generate import GenerateWith
from rivya_flows.steps.registry import BUILT_IN
from rivya_flows.steps.request import ItemRequest

EXPECT: dict[str, Any] = {
    "expect": {"line": "string"},
    "captions": {"text": "Hello"},
    "extras": ["poster", "gif", "otio"],
}


@pytest.mark.parametrize("uses", BUILT_IN)
def test_each_kind_has_the_same_output_fields_in_check_and_in_a_run(uses: str) -> None:
    kind = BUILT_IN[uses]
    shape = kind.gives(EXPECT, NamesInScope(WrittenSpec({}), shipped()))
    assert set(shape.fields or ()) == {*kind.outputs, "status", "credits"}


@pytest.mark.parametrize(
    "request_",
    [
        ItemRequest("generate", {"prompt": "a lamp"}, "z-image"),
        ItemRequest("chat", {"message": "Hello"}, "gpt-5-2-chat"),
    ],
    ids=lambda one: one.uses,
)
def test_the_name_of_a_job_has_at_most_128_characters(request_: ItemRequest) -> None:
    bodies = [
        BUILT_IN[request_.uses].body(request_, [], "x" * length) for length in (127, 128, 129)
    ]
    assert [len(json.loads(body)["client_request_id"]) for body in bodies] == [127, 128, 128]


def test_a_fallback_may_change_each_argument_of_generate() -> None:
    assert list(Fallback.model_fields) == list(GenerateWith.model_fields)
