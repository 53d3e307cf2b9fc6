"""The price of a generation.

An assumption of the sandbox: how Rivya's prices depend on parameters is not documented. Nothing is
cheaper than the default request. docs/reference/sandbox.md has the rules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from rivya_sandbox.service.catalogue import ServedModel, ServedParam

# Each option above the default costs half as much again.
_TIERS = ("resolution", "image_resolution", "quality", "rendering_speed")
_TIERS_OF_MODEL = {"sora-2-pro": ("size",), "kling-3-0": ("mode",)}
_LENGTHS = ("duration", "n_frames")
_COUNTS = ("max_images",)
_SWITCHES = ("sound", "generate_audio", "enable_pro")
_TIER = Fraction(3, 2)
_CHARACTERS = 1000


def price(model: ServedModel, params: Mapping[str, Any], prompt: str) -> int:
    """Credits of one generation with validated parameters."""
    if model.billing_type == "METERED":
        return model.base_credits * _portions(model, params, prompt)
    factor = Fraction(1)
    for param in model.params.values():
        if param.key in params:
            factor *= max(Fraction(1), _factor(model, param, params[param.key]))
    return math.ceil(model.base_credits * factor)


def _portions(model: ServedModel, params: Mapping[str, Any], prompt: str) -> int:
    """Number of started thousands of characters, or of started default durations."""
    duration = model.params.get("duration_seconds")
    if duration is not None:
        seconds = _exact(params.get("duration_seconds", duration.default))
        return max(1, math.ceil(seconds / _exact(duration.default)))
    lines = params.get("dialogue") or ()
    characters = len(prompt) if not lines else sum(len(line["text"]) for line in lines)
    return max(1, math.ceil(characters / _CHARACTERS))


def _factor(model: ServedModel, param: ServedParam, value: Any) -> Fraction:
    if param.key in _TIERS or param.key in _TIERS_OF_MODEL.get(model.id, ()):
        usual = param.options.index(param.default) if param.default is not None else 0
        return _TIER ** (param.options.index(value) - usual)
    if param.key in _LENGTHS:
        return _exact(value) / _exact(param.default)
    if param.key in _COUNTS:
        return _exact(value)
    if param.key in _SWITCHES and value == "true" and param.default != "true":
        return _TIER
    return Fraction(1)


def _exact(value: Any) -> Fraction:
    # Through text, so that 0.1 is exactly a tenth and "10" is ten.
    return Fraction(str(value))
