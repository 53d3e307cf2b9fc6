"""Copy in English and Hindi."""

from __future__ import annotations

import json
import re
from typing import Any

from rivya_sandbox.renderers.chat import reply
from rivya_sandbox.renderers.conversation import SHAPE_INSTRUCTION


def asking(message: str, shape: Any) -> str:
    """A message in the form that the engine sends."""
    return f"{message}\n\n{SHAPE_INSTRUCTION}{json.dumps(shape, separators=(',', ':'))}"


def test_a_hindi_message_gets_a_hindi_narration() -> None:
    message = "दीपावली सेल के लिए 12 शब्दों का विज्ञापन लिखिए: दीये, रंगोली"
    narration = json.loads(reply(asking(message, {"narration": "string"}), []))["narration"]
    assert "दीपावली सेल" in narration
    assert not re.search(r"[A-Za-z]", narration)
    assert narration.endswith("।")


def test_an_english_message_can_ask_for_hindi() -> None:
    message = "A 12-word voiceover in Hindi for Monsoon Chai: steam, clay cup"
    spoken = json.loads(reply(asking(message, {"voiceover": "string"}), []))["voiceover"]
    assert "Monsoon Chai" in spoken
    assert len(re.findall(r"[\u0900-\u097f]+", spoken)) > 4


def test_a_shot_leaves_out_what_a_camera_cannot_see() -> None:
    message = "Copy for a steel bottle: keeps drinks cold, BPA free, ₹999, brushed steel"
    shot = json.loads(reply(asking(message, {"visual": "string"}), []))["visual"]
    assert "brushed steel" in shot
    assert not re.search(r"₹|free|keeps", shot)


def test_known_details_of_an_english_brief_are_in_its_hindi_copy() -> None:
    message = "A 12-word narration in Hindi for Aurora lamp: Warm light, quiet evening"
    spoken = json.loads(reply(asking(message, {"narration": "string"}), []))["narration"]
    assert "गुनगुनी रोशनी, शांत शाम" in spoken
