"""What a service lists otherwise than the shipped catalogue says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Literal

from rivya_client.catalogue.catalogue import Catalogue, Model, Param

_OF_MODEL = ("category", "billing_type", "api_status", "max_prompt_length")
_OF_PARAM = ("type", "required", "default", "min", "max", "step", "options")


@dataclass(frozen=True)
class ModelDifference:
    """One model that differs."""

    model: str
    kind: Literal["new", "changed", "gone"]  # new: only the service has it; gone: only we have it
    text: str


def differences(listed: Catalogue, shipped: Catalogue) -> Iterator[ModelDifference]:
    """The models that the service lists otherwise, in its order; then those that are gone."""
    for model in listed.models.values():
        ours = shipped.get(model.id)
        if ours is None:
            text = f"{model.category}, {_number(model.base_credits)} credits"
            yield ModelDifference(model.id, "new", text)
        elif text := "; ".join(_changes(model, ours)):
            yield ModelDifference(model.id, "changed", text)
    for model_id in shipped.models:
        if model_id not in listed.models:
            yield ModelDifference(model_id, "gone", "in the shipped catalogue alone")


def price_change(listed: Model, shipped: Model | None) -> str | None:
    """``12 credits here, 10 in the shipped catalogue``; None if they agree or it lacks the model."""
    if shipped is None or listed.base_credits == shipped.base_credits:
        return None
    here, there = _number(listed.base_credits), _number(shipped.base_credits)
    return f"{here} credits here, {there} in the shipped catalogue"


def price_changes(listed: Catalogue, shipped: Catalogue, models: Iterable[str]) -> Iterator[str]:
    """A line for each of these models whose price is not that of the shipped catalogue."""
    for name in dict.fromkeys(models):
        model = listed.get(name)
        if model is not None and (text := price_change(model, shipped.get(name))):
            yield f"{name}: {text}"


def _changes(model: Model, ours: Model) -> Iterator[str]:
    if price := price_change(model, ours):
        yield price
    for name in _OF_MODEL:
        if (here := getattr(model, name)) != (there := getattr(ours, name)):
            yield f"{name} {here}, not {there}"
    if _references(model) != _references(ours):
        yield f"references {_references(model)}, not {_references(ours)}"
    for param in model.params:
        key, our_param = param.key, ours.param(param.key)
        if our_param is None:
            yield f"new parameter {key}"
            continue
        for name in _OF_PARAM:
            here, there = getattr(param, name), getattr(our_param, name)
            if name == "options":
                here, there = (", ".join(sorted(one)) for one in (here, there))
            if here != there:
                yield f"{key}: {name} {here}, not {there}"
    for key in sorted(param.key for param in ours.params if model.param(param.key) is None):
        yield f"no parameter {key}"


def _references(model: Model) -> str:
    rule = model.references
    if rule is None:
        return "none"
    return f"{', '.join(sorted(rule.kinds))} (at most {rule.max_files or 'unknown'})"


def _number(credits: int | None) -> str:
    return "unknown" if credits is None else f"{credits:,}"


PARAM_FIELDS = frozenset(
    one.name
    for one in fields(Param)
    if one.name not in ("bears_price", "item_required", "item_optional")
)
"""Keys that are read of the descriptor of a parameter."""
