"""What a chat message asks for: its words, the shape of the answer, and whether it asks again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rivya_sandbox.renderers.schema import Schema, shape_of

SHAPE_INSTRUCTION = "Answer with one JSON object and nothing else, of this shape: "
SCHEMA_INSTRUCTION = "Answer with one JSON object and nothing else, that fits this JSON Schema: "
REPEAT = "That answer could not be used"
"""How a message begins that asks the one before it again, in the same session."""


@dataclass(frozen=True)
class Asked:
    """A message, apart.

    Attributes:
        text: Its words without the instruction about the shape; of a message that asks again,
            those of the message that it repeats.
        shape: Names with ``string integer number boolean``, ``[type]``, a nested map or a list of
            one map; None for an answer in words.
        schema: Its JSON Schema, where the message has one.
        earlier: The words of earlier user messages, oldest first.
    """

    text: str
    shape: dict[str, Any] | None
    earlier: tuple[str, ...]
    schema: Schema | None = None


def parse_message(message: str, history: Sequence[tuple[str, str]]) -> Asked:
    """The message of a session, apart.

    Args:
        message: As sent.
        history: ``(role, content)`` of earlier turns, oldest first.
    """
    reply = [_split_instruction(content) for role, content in history if role == "user"]
    text, shape, schema = _split_instruction(message)
    while text.startswith(REPEAT) and reply:
        text, before, schema_before = reply.pop()
        shape, schema = shape or before, schema or schema_before
    return Asked(text, shape, tuple(words for words, *_ in reply), schema)


def resolve_repeat(message: str, history: Sequence[tuple[str, str]]) -> str:
    """The message as sent, or the one that it asks again."""
    asked = [content for role, content in history if role == "user"]
    while message.startswith(REPEAT) and asked:
        message = asked.pop()
    return message


def _split_instruction(message: str) -> tuple[str, dict[str, Any] | None, Schema | None]:
    """The message without the instruction, the requested shape, and its schema."""
    for instruction in (SHAPE_INSTRUCTION, SCHEMA_INSTRUCTION):
        text, found, rest = message.rpartition(instruction)
        if not found:
            continue
        try:
            written, _ = json.JSONDecoder().raw_decode(rest.strip())
        except (ValueError, RecursionError):
            break
        if instruction is SHAPE_INSTRUCTION or not isinstance(written, dict):
            return text.strip(), written if isinstance(written, dict) else None, None
        shape = shape_of(written)
        return text.strip(), shape if isinstance(shape, dict) else None, written
    return message, None, None
