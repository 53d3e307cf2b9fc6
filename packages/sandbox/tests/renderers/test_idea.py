"""The content of a picture, parsed from its prompt."""

from __future__ import annotations

import numpy as np
import pytest

from rivya_sandbox.renderers.drawings import PACKET, SCREEN
from rivya_sandbox.renderers.idea import imagine
from rivya_sandbox.renderers.still import draw

pytestmark = pytest.mark.usefixtures("small_pictures")


@pytest.mark.parametrize(
    ("prompt", "subject"),
    [
        ("Close-up of the Aurora desk lamp on a table, oak and brass", ("turned", "lamp")),
        ("A fox in the snow", ("glyph", "🦊")),
        ("दिवाली पर दीये और मिठाइयाँ", ("glyph", "🪔")),
        ("गरम चाय का कप", ("turned", "cup")),
        ("travel poster of a sailboat", ("glyph", "⛵")),
        ("a violin on a chair of oak", ("glyph", "🪑")),
        ("misty mountains with pine forest", None),
        ("an idea without any thing", None),
        ("Fresh mango juice bottle with mangoes", ("turned", "bottle")),
        ("Strawberry jam jar", ("turned", "jar")),
        ("Rose perfume bottle", ("turned", "perfume")),
        ("Diamond ring on black velvet", ("glyph", "💍")),
        ("Enamel pin design of a mushroom with gold outlines", ("glyph", "🍄")),
        ("Ramadan greeting card with a lantern and crescent moon", ("glyph", "🏮")),
        ("Travel ad with palm trees, 'Taste the pizza'", ("glyph", "🌴")),
    ],
)
def test_the_noun_of_a_prompt_becomes_the_subject(
    prompt: str, subject: tuple[str, str] | None
) -> None:
    assert imagine(prompt, 0).subject == subject


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("Hero image for 'Monsoon Coffee', rain", "Monsoon Coffee"),
        ("“मसाला चाय” की तस्वीर", "मसाला चाय"),
        ("Close-up of the Aurora desk lamp", None),
        ("A cup of coffee in Lisbon at dawn", None),
        ("Portrait of Maria, by the Seine", None),
        ("A mug that says Hello Lisbon", "Hello Lisbon"),
        ("A mug that says Made in India on a table", "Made in India"),
        ("Poster with the text Visit Peru, mountains", "Visit Peru"),
        ("A banner with the words in gold", None),
        ("A bottle labelled Aurora, beside a labelled jar", "Aurora"),
        ("A labelled jar", None),
        ("A glass bottle. Warm light.", None),
        ("it's a dog's life", None),
        (
            "Logo for 'The Great Indian Handloom & Handicraft Company'",
            "The Great Indian Handloom & Handicraft Company",
        ),
        ("“Don’t stop” on a shoe", "Don’t stop"),
        ("A story for 'It's time. Join today'", "It's time. Join today"),
        ('A 27" screen, 5" thin', None),
        ("Posters of the Very Long Company Name Limited of Pune", None),
    ],
)
def test_a_title_is_what_the_prompt_wants_lettered(prompt: str, title: str | None) -> None:
    assert imagine(prompt, 0).title == title


@pytest.mark.parametrize(
    ("prompt", "brand"),
    [
        ("Close-up of the Aurora desk lamp", "Aurora"),
        ("The view of the Nordlys perfume bottle on a beach", "Nordlys"),
        ("A Blue Tokai coffee cup on a table in Mumbai", "Blue Tokai"),
        ("A bag of Chikmagalur Coffee", "Chikmagalur Coffee"),
        ("A perfume called Aurora in Valparaíso", "Aurora"),
        ("A mug that says Hello", "Hello"),
        ("A perfume bottle on the Brooklyn Bridge", None),
        ("A jar of honey from New Zealand", None),
        ("A cup of Darjeeling tea", None),
        ("A Turkish coffee cup in Bodrum", None),
        ("Tea in Porto coffee bars", None),
        ("A Christmas candle", None),
        ("A Cup Of Coffee In Lisbon", None),
        ("Close-up of the Aurora desk lamp, no lettering", None),
    ],
)
def test_a_label_has_a_name_that_stands_before_a_product_and_no_place(
    prompt: str, brand: str | None
) -> None:
    assert imagine(prompt, 0).brand == brand


def test_quoted_words_do_not_set_the_style() -> None:
    assert not imagine("Sale, 'Comic neon: flat 40% off'", 0).looks
    assert "flat" not in imagine("Festive sale, flat 40% off", 0).looks
    assert "flat" in imagine("Flat illustration of a camera", 0).looks


@pytest.mark.parametrize(
    "quoted", ["Red Hot Sale", "On a black background", "Golden Diwali on silk"]
)
def test_quoted_words_do_not_set_colours(quoted: str) -> None:
    for seed in range(4):
        plain, lettered = (imagine(f"A sofa{text}", seed) for text in (".", f", '{quoted}'"))
        assert lettered.title == quoted
        assert (lettered.colours, lettered.ground, lettered.cloth) == ((), None, None)
        assert (lettered.metal, lettered.names_colours) == (plain.metal, plain.names_colours)


def test_a_quoted_noun_is_the_subject_if_there_is_no_other() -> None:
    assert imagine("A picture for 'Blue teapot'", 0).subject == ("glyph", "🫖")


def test_a_bottle_has_the_colour_of_its_content_unless_another_is_named() -> None:
    red, _, blue = imagine("Fresh mango juice bottle", 1).main_colour
    assert red > 3 * blue
    assert imagine("Blue mango juice bottle", 1).main_colour[2] > 0.8
    assert not imagine("A mug of honey tea", 1).colours


def test_the_colour_of_a_light_is_not_that_of_the_thing() -> None:
    assert not imagine("A diya in golden light, golden hour", 0).colours
    assert imagine("A diya in golden light", 0).names_colours
    assert len(imagine("A blue diya in golden light", 0).colours) == 1


@pytest.mark.parametrize(
    ("prompt", "subject"),
    [
        ("A coffee packet on a table", ("glyph", PACKET)),
        ("A cup of coffee beside a window", ("turned", "cup")),
        ("A fintech app on a phone", ("glyph", SCREEN)),
        ("A phone on a desk", ("glyph", "📱")),
        ("A dog and a banking app", ("glyph", "🐶")),
    ],
)
def test_a_packet_and_the_front_of_a_phone_are_things_of_their_own(
    prompt: str, subject: tuple[str, str]
) -> None:
    assert imagine(prompt, 1).subject == subject
    assert np.ptp(np.asarray(draw(prompt, 1, (64, 64)))) > 60
