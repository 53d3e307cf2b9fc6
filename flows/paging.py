"""Reads all pages of a filter of Prefect's API, which answers at most 200 rows at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

PAGE = 200
T = TypeVar("T")


async def read_all(read: Callable[[int], Awaitable[list[T]]]) -> list[T]:
    """All rows, in the order of the server."""
    found: list[T] = []
    while True:
        page = await read(len(found))
        found += page
        if len(page) < PAGE:
            return found
