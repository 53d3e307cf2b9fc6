"""What is shown on a run's page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Artifact:
    """One artifact.

    Attributes:
        type: ``markdown``, ``image`` or ``progress``, as Prefect names them.
        data: Markdown, an address, or a number up to 100.
        description: Shown beside it, as Markdown.
    """

    type: str
    data: Any
    description: str
