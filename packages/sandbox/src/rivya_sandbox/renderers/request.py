"""The request and the result of a renderer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

Kind = Literal["image", "video", "audio"]
How = Literal["black", "frozen", "silent", "clipped", "short", "shape", "blank"]
"""How a medium is broken."""

HOWS: Mapping[str, tuple[How, ...]] = {
    "image": ("shape", "blank"),
    "video": get_args(How),
    "audio": ("silent", "clipped", "short"),
}
"""How media of each kind can be broken; `silent` and `clipped` a film only if it has sound."""


@dataclass(frozen=True)
class ReferenceMedium:
    """A reference media file.

    Attributes:
        kind: As declared at upload; `references.open_picture` detects the real one.
        path: Of its bytes; only read.
        mime_type: As detected at upload.
    """

    kind: Kind
    path: Path
    mime_type: str


@dataclass(frozen=True)
class RenderRequest:
    """One generation, validated against its model.

    Attributes:
        model: Public model id, such as ``z-image``.
        category: Kind of the result.
        prompt: Free text; may be empty (dialogue models take the text from `params`).
        params: Parameters as sent; values may be strings, numbers or booleans.
        references: In the order sent; the first two are first and last frame of a film.
        seed: Any whole number; equal orders with an equal seed give equal bytes.
    """

    model: str
    category: Kind
    prompt: str
    params: Mapping[str, Any] = field(default_factory=dict)
    references: tuple[ReferenceMedium, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Rendered:
    """One finished media file.

    Attributes:
        data: The whole file.
        mime_type: Such as ``image/png``.
        extension: With the dot, such as ``.png``.
    """

    data: bytes
    mime_type: str
    extension: str
