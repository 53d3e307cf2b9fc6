"""What a service lists otherwise than the shipped catalogue says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

from rivya_client.catalogue.catalogue import Catalogue, Model, Param

_OF_MODEL = ("category", "billing_type", "api_status", "max_prompt_length")
_OF_PARAM = ("type", "required", "default", "min", "max", "step", "options")


@dataclass(frozen=True)
class ModelDifference:
    """One model that differs.

    Attributes:
        kind: ``new`` where only the service has it, ``gone`` where only the shipped catalogue has.
    """

    model: str
    kind: str
    words: str


def differences(listed: Catalogue, shipped: Catalogue) -> Iterator[ModelDifference]:
    """The models that the service lists otherwise, in its order; then those that are gone."""
    for model in listed.models.values():
        ours = shipped.get(model.id)
        if ours is None:
            words = f"{model.category}, {_number(model.base_credits)} credits"
            yield ModelDifference(model.id, "new", words)
        elif words := "; ".join(_changes(model, ours)):
            yield ModelDifference(model.id, "changed", words)
    for model_id in shipped.models:
        if model_id not in listed.models:
            yield ModelDifference(model_id, "gone", "in the shipped catalogue alone")


def price_change(listed: Model, shipped: Model | None) -> str | None:
    """``12 credits here, 10 in the shipped catalogue``; None where they agree or it lacks the model."""
    if shipped is None or listed.base_credits == shipped.base_credits:
        return None
    here, there = _number(listed.base_credits), _number(shipped.base_credits)
    return f"{here} credits here, {there} in the shipped catalogue"


def price_changes(listed: Catalogue, shipped: Catalogue, models: Iterable[str]) -> Iterator[str]:
    """A line for each of these models whose price is not the one that the shipped catalogue told."""
    for name in dict.fromkeys(models):
        model = listed.get(name)
        if model is not None and (words := price_change(model, shipped.get(name))):
            yield f"{name}: {words}"


def _changes(model: Model, ours: Model) -> Iterator[str]:
    if price := price_change(model, ours):
        yield price
    for name in _OF_MODEL:
        if (here := getattr(model, name)) != (there := getattr(ours, name)):
            yield f"{name} {here}, not {there}"
    if _references(model) != _references(ours):
        yield f"references {_references(model)}, not {_references(ours)}"
    here, there = _by_key(model), _by_key(ours)
    for key, param in here.items():
        if key not in there:
            yield f"new parameter {key}"
        else:
            yield from (f"{key}: {one}" for one in _param_changes(param, there[key]))
    for key in sorted(there.keys() - here.keys()):
        yield f"no parameter {key}"


def _param_changes(param: Param, ours: Param) -> Iterator[str]:
    for name in _OF_PARAM:
        here, there = getattr(param, name), getattr(ours, name)
        if name == "options":
            here, there = sorted(here), sorted(there)
        if here != there:
            shown = [", ".join(one) if isinstance(one, list) else one for one in (here, there)]
            yield f"{name} {shown[0]}, not {shown[1]}"


def _references(model: Model) -> str:
    rule = model.references
    if rule is None:
        return "none"
    return f"{', '.join(sorted(rule.kinds))} (at most {rule.max_files or 'unknown'})"


def _by_key(model: Model) -> Mapping[str, Param]:
    return {param.key: param for param in model.params}


def _number(credits: int | None) -> str:
    return "unknown" if credits is None else f"{credits:,}"


PARAM_FIELDS = frozenset(
    one.name
    for one in fields(Param)
    if one.name not in ("bears_price", "item_required", "item_optional")
)
"""Keys that are read of the descriptor of a parameter."""
