"""Answers of the pretend chat models: rules, not a language model, and they say so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rivya_flows.sandbox.renderers import copywriting
from rivya_flows.sandbox.renderers.brief import understand
from rivya_flows.sandbox.renderers.shape import fill

SHAPE_INSTRUCTION = "Answer with one JSON object and nothing else, of this shape: "


def reply(message: str, history: Sequence[tuple[str, str]]) -> str:
    """The answer to one message of a session.

    Args:
        message: As sent. If it holds `SHAPE_INSTRUCTION`, the answer is one JSON object of the
            shape that follows it (names with ``string integer number boolean``, ``[type]`` or a
            nested map), filled with copy for the product that the message speaks of.
        history: ``(role, content)`` of earlier turns, oldest first. What the message leaves out
            (the product, the language) is taken from the newest earlier user message with it.

    Returns:
        Equal answers for equal arguments.
    """
    text, shape = _parted(message)
    earlier = [_parted(content)[0] for role, content in history if role == "user"]
    brief = understand(text, earlier, tuple(shape or ()))
    if shape is not None:
        return json.dumps(fill(shape, brief), ensure_ascii=False)
    return copywriting.short_answer(brief)


def _parted(message: str) -> tuple[str, dict[str, Any] | None]:
    """The message without the instruction, and the shape that it asks for."""
    text, found, rest = message.rpartition(SHAPE_INSTRUCTION)
    if not found:
        return message, None
    try:
        shape, _ = json.JSONDecoder().raw_decode(rest.strip())
    except (ValueError, RecursionError):
        return message, None
    return text.strip(), shape if isinstance(shape, dict) else None
