"""A list as the service gives it, read entry by entry."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import ValidationError, model_validator

from rivya_flows.client.wire.api_objects import WireModel

Entry = TypeVar("Entry", bound=WireModel)


class Listing(WireModel, Generic[Entry]):
    """The entries of one answer, in the service's order.

    Attributes:
        data: The entries that could be read; a strange one does not hide the others.
        has_more: Whether the service says that there are more; None when it does not say.
            Pages are not documented.
    """

    data: tuple[Entry, ...]
    has_more: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _only_what_can_be_read(cls, answer: Any) -> Any:
        told = {"data": answer} if isinstance(answer, list) else answer
        if not isinstance(told, dict) or not isinstance(told.get("data"), list):
            return answer
        shape = cls.model_fields["data"].annotation.__args__[0]  # type: ignore[union-attr]  # tuple[Entry, ...]
        entries = [_read(shape, raw) for raw in told["data"]]
        more = told.get("has_more")
        return {
            "data": [entry for entry in entries if entry is not None],
            "has_more": more if isinstance(more, bool) else None,
        }


def _read(shape: type[Entry], raw: Any) -> Entry | None:
    try:
        return shape.model_validate(raw)
    except ValidationError:
        return None
