"""Four parameters under one name in every model: `aspect`, `seconds`, `seed` and `resolution`.

Models have names and spellings of their own: ``aspectRatio: "9:16"``, ``image_size: portrait_16_9``,
``n_frames: "10"``. All is read from the definitions of their parameters, so a model that the service adds needs
no line here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from rivya_client.catalogue.catalogue import Model, Param, option_text


@dataclass(frozen=True)
class CommonParam:
    """How a model takes one of the four.

    Attributes:
        own: The model's own parameter.
        common: The same with the common name and the common spelling of its options and its default.
        spelled: The model's option by its common spelling; empty where any number in a range will do.
    """

    own: Param
    common: Param
    spelled: Mapping[str, str]

    def own_value(self, value: Any) -> Any:
        """A value that fits `common`, as the model spells it."""
        if self.spelled:
            return self.spelled[value]
        return option_text(value) if self.own.type == "text" else value


def _aspect(option: str) -> str | None:
    if option.lower() in ("auto", "adaptive"):
        return "auto"
    if re.fullmatch(r"\d+:\d+", option):
        return option
    named = re.fullmatch(r"(square|portrait|landscape)(?:_(\d+)_(\d+)|_hd)?", option)
    if named is None:
        return None
    if named[1] == "square":
        return "1:1"
    # `portrait_16_9` names the sides of the landscape format.
    long, short = named[2] or "16", named[3] or "9"
    return f"{long}:{short}" if named[1] == "landscape" else f"{short}:{long}"


def _resolution(option: str) -> str | None:
    found = re.fullmatch(r"(\d+)([pk])", option.lower())
    return found and found[1] + {"p": "p", "k": "K"}[found[2]]


def _seconds(option: str) -> str | None:
    return option if re.fullmatch(r"\d+", option) else None


_Read = Callable[[str], str | None]

_OWN: Mapping[str, tuple[tuple[str, ...], _Read]] = {
    "aspect": (("aspect_ratio", "aspectRatio", "image_size", "imageSize", "size"), _aspect),
    "seconds": (("duration", "duration_seconds", "n_frames"), _seconds),
    "seed": (("seed", "seeds"), lambda option: None),
    "resolution": (("resolution", "image_resolution", "quality"), _resolution),
}
"""What models call them, and the common spelling of an option; None if it is no such thing."""

COMMON = tuple(_OWN)
"""The names of the four."""

COMMON_NAMES = {key: name for name, (keys, _) in _OWN.items() for key in keys}
"""The common name by what a model may call it."""


@lru_cache(1_000)
def common_params(model: Model) -> Mapping[str, CommonParam]:
    """Which of the four a model takes, by their names."""
    found: dict[str, CommonParam] = {}
    for name, (keys, read) in _OWN.items():
        for param in filter(None, map(model.param, keys)):
            if name not in found and (one := _common(name, param, read)) is not None:
                found[name] = one
    return found


def _common(name: str, param: Param, read: _Read) -> CommonParam | None:
    if param.type != "select":
        # A seed is a whole number, whatever the model says of its parameter.
        step = 1 if name == "seed" else param.step
        return CommonParam(param, replace(param, key=name, type="number", step=step), {})
    spelled: dict[str, str] = {}
    for option in param.options:
        common = read(option)
        if common is None:
            return None
        if common not in spelled or option == option_text(param.default):
            spelled[common] = option
    if not spelled:
        return None
    default = None if param.default is None else read(option_text(param.default))
    common_form = replace(param, key=name, options=tuple(spelled), default=default)
    return CommonParam(param, common_form, spelled)
