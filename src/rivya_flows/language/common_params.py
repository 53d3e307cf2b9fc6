"""`aspect`, `seconds`, `seed` and `resolution` of a request, in the words of its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from rivya_client.catalogue.catalogue import Model
from rivya_client.catalogue.common import COMMON, CommonParam, common_params
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.field_types import seconds
from rivya_flows.language.request_checks import Refused, fit_param

MODELS_OWN = "default"
"""Instead of a value: what the model takes without one. It undoes what `with` or `defaults` says."""


def in_own_words(
    model: Model, given: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[Diagnostic, ...]]:
    """The four as the model names and spells them, and their mistakes, one for each.

    `given` are all arguments. A value that is not known yet stays `Unknown`.
    """
    own, found = dict[str, Any](), list[Diagnostic]()
    known, params = common_params(model), given.get("params")
    # Not every one of several models meets every value.
    is_fixed = not isinstance(given.get("model"), Unknown)
    for name in COMMON:
        value, takes = given.get(name), known.get(name)
        if value is None or value == MODELS_OWN:
            continue
        if takes is None:
            message = f"{model.id!r} has no parameter for {name!r}"
            able = f"it has {', '.join(known)}; " if known else ""
            hint = (
                f"{able}remove `{name}:`, or pick another model: `rivya-flows models` shows which"
            )
            found.append(Diagnostic("unknown-param", message, hint, path=(name,)))
            continue
        if isinstance(params, Mapping) and takes.own.key in params:
            message = f"{name!r} and {takes.own.key!r} in 'params' are the same parameter"
            hint = f"write `{name}:` alone"
            found.append(Diagnostic("needless-key", message, hint, path=("params", takes.own.key)))
        possible = (value,)
        if isinstance(value, Unknown):
            possible = value.possible if is_fixed else ()
        wrong = next(_problems(model, takes, possible), None)
        if wrong is not None:
            found.append(wrong)
        elif isinstance(value, Unknown):
            own[takes.own.key] = value
        else:
            own[takes.own.key] = takes.own_value(_fit(takes, value))
    return own, tuple(found)


def asked_seconds(model: Model, given: Mapping[str, Any]) -> float | None:
    """How long its film or sound lasts, as far as that is known; `given` are the arguments of a request."""
    takes = common_params(model).get("seconds")
    params = given.get("params")
    if takes is None or isinstance(params, Unknown):
        return None
    written = params.get(takes.own.key) if isinstance(params, Mapping) else None
    asked = given.get("seconds") if written is None else written
    if asked is None or asked == MODELS_OWN:
        asked = takes.common.default
    with suppress(ValueError, TypeError):
        return float(number_of_seconds(asked))
    return None


def _problems(model: Model, takes: CommonParam, possible: tuple[Any, ...]) -> Iterator[Diagnostic]:
    name = takes.common.key
    for value in possible:
        try:
            _fit(takes, value)
        except Refused as refused:
            one = refused.diagnostic
            if options := takes.common.options:
                listed = ", ".join(options[:-1]) + " or " * (len(options) > 1) + options[-1]
                unit = " seconds" if name == "seconds" else ""
                one = replace(one, hint=f"{model.id!r} makes {listed}{unit}")
            elif one.hint:
                one = replace(one, hint=f"{model.id!r} takes {one.hint}")
            yield replace(one, path=(name,))


def _fit(takes: CommonParam, value: Any) -> Any:
    if takes.common.key == "seconds":
        value = number_of_seconds(value)
    elif takes.common.key == "resolution" and isinstance(value, str):
        spelled = {one.lower(): one for one in takes.common.options}
        value = spelled.get(value.lower(), value)
    return fit_param(takes.common, value)


def number_of_seconds(value: Any) -> Any:
    """The number of seconds in a text, such as ``8`` or ``8s``; else the value, for the model to refuse."""
    if not isinstance(value, str):
        return value
    number: Any = value
    with suppress(ValueError):
        number = seconds(value)
    with suppress(ValueError):
        number = float(value)
    return int(number) if isinstance(number, float) and number.is_integer() else number
