"""Schemas of request bodies."""

from __future__ import annotations

from jsonschema import Draft202012Validator

from rivya_sandbox.service import catalogue as models
from rivya_sandbox.service.openapi import document
from rivya_sandbox.service.options import FRIENDLY

DOCUMENT = document(models.shipped(), FRIENDLY, "http://127.0.0.1:1")


def schema(name: str) -> Draft202012Validator:
    """A validator of one component that can refer to the others."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", **DOCUMENT})


def test_the_requests_of_every_model_are_described() -> None:
    known = DOCUMENT["components"]["schemas"]["GenerationRequest"]["discriminator"]["mapping"]
    catalogue = models.shipped().models.values()
    assert set(known) == {model.id for model in catalogue if model.category != "chat"}
    request = schema("GenerationRequest")
    assert request.is_valid({"model": "z-image", "prompt": "x", "params": {"aspect_ratio": "1:1"}})
    assert request.is_valid({"model": "kling-3-0", "prompt": "x", "params": {"duration": 5}})
    for wrong in (
        {"model": "z-image"},
        {"model": "nope", "prompt": "x"},
        {"model": "z-image", "prompt": " "},
        {"model": "z-image", "prompt": "x", "params": {"size": "1:1"}},
        {"model": "z-image", "prompt": "x", "params": {"aspect_ratio": "5:1"}},
        {"model": "z-image", "prompt": "x", "files": []},
    ):
        assert not request.is_valid(wrong)
