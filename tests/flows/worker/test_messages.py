"""What a worker and its hosts say to each other arrives as it was said."""

from __future__ import annotations

import asyncio

import pytest

from rivya_flows.flows.worker.hosts import (
    LONGEST,
    LONGEST_TEXT,
    Alive,
    Cancel,
    Ended,
    Execute,
    Message,
    line,
    next_message,
)

SAID: tuple[Message, ...] = (
    Execute("0b1c", "product_launch", "sha256:0123"),
    Execute("0b1d", "file_2F_a", None),
    Cancel("0b1c"),
    Alive(),
    Alive("a step function blocked its process for 31 s: cut, /specs/steps.py:12"),
    Ended("0b1c"),
    Ended("0b1d", "ReadTimeout: ", "Traceback"),
)


async def test_messages_arrive_in_order_until_the_other_side_ends() -> None:
    reader = asyncio.StreamReader()
    for message in SAID:
        reader.feed_data(line(message))
    reader.feed_data(line(SAID[0])[:-5])  # it died while it wrote
    reader.feed_eof()
    heard = [await next_message(reader, silence=60) for _ in range(len(SAID) + 1)]
    assert heard == [*SAID, None]


async def test_the_longest_texts_fit_into_a_line() -> None:
    text = "\N{GRINNING FACE}" * LONGEST_TEXT  # which JSON writes with twelve bytes
    reader = asyncio.StreamReader(limit=LONGEST)
    reader.feed_data(line(Ended("0b1c", text, text)))
    assert await next_message(reader, silence=60) == Ended("0b1c", text, text)


async def test_silence_is_told() -> None:
    with pytest.raises(TimeoutError):
        await next_message(asyncio.StreamReader(), silence=0.001)
