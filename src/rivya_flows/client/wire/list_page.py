"""Lists: each entry is read on its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from pydantic import ValidationError, model_validator

from rivya_flows.client.wire.api_objects import ModelEntry
from rivya_flows.client.wire.wire_model import WireModel

Entry = TypeVar("Entry", bound=WireModel)


class Listing(WireModel, Generic[Entry]):
    """The entries of one answer, in the service's order. Iterate over it, or index it.

    Attributes:
        data: The entries that could be read; an unreadable one does not hide the others.
        has_more: Whether the service says that there are more; None if it does not say.
            Pages are not documented.
    """

    data: tuple[Entry, ...]
    has_more: bool | None = None

    def __iter__(self) -> Iterator[Entry]:  # type: ignore[override]  # of a model: pairs of fields
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Entry:
        return self.data[index]

    @model_validator(mode="before")
    @classmethod
    def _readable_entries(cls, answer: Any) -> Any:
        listed = {"object": "list", "data": answer} if isinstance(answer, list) else answer
        if not isinstance(listed, dict) or not isinstance(listed.get("data"), list):
            return answer
        shape = cls.model_fields["data"].annotation.__args__[0]  # type: ignore[union-attr]  # tuple[Entry, ...]
        entries = [_read(shape, raw) for raw in listed["data"]]
        more = listed.get("has_more")
        return {
            "data": [entry for entry in entries if entry is not None],
            "has_more": more if isinstance(more, bool) else None,
            "payload": listed,
        }


class ModelList(Listing[ModelEntry]):
    """Every model of the service, those not yet callable included.

    Attributes:
        payload: The whole answer unchanged, for freezing and for `catalogue.snapshot.from_wire`.

    Source: ``GET /api/v1/models``.
    """

    payload: dict[str, Any]


def _read(shape: type[Entry], raw: Any) -> Entry | None:
    try:
        return shape.model_validate(raw)
    except ValidationError:
        return None
