"""The field types of a cut: numbers, drawn texts, colours, and media by their paths."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BeforeValidator,
    GetCoreSchemaHandler,
    Strict,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core.core_schema import CoreSchema, no_info_after_validator_function

from rivya_client.mime_types import MediaKind
from rivya_cut.durations import DURATION_PATTERN, DurationError, seconds_of

# Strict, or "no" would pass for false and "5" for five, and quotes would mean nothing.
Flag = Annotated[bool, Strict()]
Number = Annotated[float, Strict(), AllowInfNan(False)]


@dataclass(frozen=True)
class DrawnText:
    """Marks a text that is drawn into a picture.

    Attributes:
        limit: In characters.
    """

    limit: int

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_after_validator_function(self.check_characters, handler(source))

    def check_characters(self, text: str | None) -> str | None:
        """The same text; None stays.

        Raises:
            ValueError: It is empty or too long.
        """
        if text is None:
            return None
        if not text.strip():
            raise ValueError("the text is empty; write it, or remove the key")
        if len(text) > self.limit:
            raise self.too_long(f"{len(text):,}")
        return text

    def too_long(self, count: str) -> ValueError:
        """The error of a text with so many characters."""
        return ValueError(f"the text has {count} characters; shorten it to at most {self.limit:,}")


COLOUR = r"#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})"
"""Pattern of a colour: ``#rgb`` or ``#rrggbb``."""


def _colour(written: str) -> str:
    if not re.fullmatch(COLOUR, written):
        raise ValueError(f'{written!r:.40} is not a colour; write #rgb or #rrggbb: "#0b3d2e"')
    digits = written[1:].lower()
    return "#" + (digits if len(digits) == 6 else "".join(one * 2 for one in digits))


def _beside(path: Path, info: ValidationInfo) -> Path:
    """A path of a file counts from its folder, the context of the validation."""
    return info.context / path if isinstance(info.context, Path) else path


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else () if value is None else (value,)


Part = Literal["speech", "picture"]
_MAX_SECONDS = 3_600


def _film_length(value: Any) -> Any:
    """A part of the film, or a number of seconds."""
    if value in get_args(Part):
        return value
    with suppress(DurationError):
        length = seconds_of(value)
        if type(length) in (int, float) and 0 < length <= _MAX_SECONDS:
            return float(length)
    message = f"{value!r:.40} is not the length of a film"
    raise ValueError(f"{message}; write speech, picture, or a time such as 15s, at most 1h")


Colour = Annotated[
    str, AfterValidator(_colour), WithJsonSchema({"type": "string", "pattern": f"^{COLOUR}$"})
]
"""As ``#rgb`` or ``#rrggbb``; always ``#rrggbb``, in small letters, when it is read."""


@dataclass(frozen=True)
class MediaKinds:
    """Marks a file with the kinds of media that it may be."""

    kinds: tuple[MediaKind, ...]


Medium = Annotated[Path, AfterValidator(_beside)]
Picture = Annotated[Medium, MediaKinds(("image", "video"))]
Still = Annotated[Medium, MediaKinds(("image",))]
Audible = Annotated[Medium, MediaKinds(("audio", "video"))]
"""A sound, or a film for its sound."""

LIST = BeforeValidator(_as_list)
"""One value is a list of it."""

SECONDS = BeforeValidator(seconds_of)
"""A duration is a number of seconds."""

FilmLength = Annotated[
    Part | float,
    BeforeValidator(_film_length),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [*get_args(Part)]},
                {
                    "type": ["number", "string"],
                    "exclusiveMinimum": 0,
                    "maximum": _MAX_SECONDS,
                    "pattern": DURATION_PATTERN,
                },
            ]
        }
    ),
]
"""As long as a part of the film, or a number of seconds."""
