"""What is drawn for a prompt: subject, title, brand, colours, place, camera."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rivya_sandbox.renderers.camera import MOVES, move_for
from rivya_sandbox.renderers.drawings import DRAWINGS, PACKET, SCREEN
from rivya_sandbox.renderers.field import Field, seeded_generator
from rivya_sandbox.renderers.idea import imagine
from rivya_sandbox.renderers.lettering import glyph_mask
from rivya_sandbox.renderers.request import RenderRequest
from rivya_sandbox.renderers.still import build_stage, draw
from rivya_sandbox.renderers.things import GLYPH_OF_WORD, glyph_of, named_glyph
from rivya_sandbox.renderers.wording import drawn_prompt, watermark

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


def request(prompt: str, **params: Any) -> RenderRequest:
    return RenderRequest("z-image", "image", prompt, params, (), 1)


@pytest.mark.parametrize(
    ("params", "prompt"),
    [
        ({}, 'A red lamp, "Aurora"'),
        ({"negative_prompt": "red"}, 'A  lamp, "Aurora"'),
        ({"negative_prompt": "Red, LAMP"}, 'A  , "Aurora"'),
        ({"negative_prompt": "letters"}, 'A red lamp, "Aurora", no lettering'),
        ({"style": "UNKNOWN"}, 'A red lamp, "Aurora"'),
    ],
)
def test_a_negative_prompt_removes_its_words_and_letters(
    params: dict[str, Any], prompt: str
) -> None:
    assert drawn_prompt(request('A red lamp, "Aurora"', **params)) == prompt


@pytest.mark.parametrize("words", ["no lettering", "without any text", "No words"])
def test_a_prompt_that_wants_no_letters_has_no_title(words: str) -> None:
    for prompt in ('A red lamp, "Aurora"', "The Aurora lamp", "A lamp that says Aurora"):
        idea = imagine(drawn_prompt(request(f"{prompt}, {words}, in Porto")), 0)
        assert (idea.title, idea.brand, idea.place) == (None, None, "street")


def test_a_style_adds_a_word() -> None:
    assert drawn_prompt(request("A lamp", style="design")).startswith("A lamp, ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (False, None),
        ("false", None),
        (True, "AI generated"),
        (" Comet ", "Comet"),
        ("x" * 50, "x" * 40),
    ],
)
def test_a_watermark_is_text_or_a_switch(value: object, text: str | None) -> None:
    assert watermark(request("A lamp", watermark=value)) == text


def test_every_synonym_has_a_glyph_that_is_drawn() -> None:
    missing = [
        word
        for word, glyph in GLYPH_OF_WORD.items()
        if glyph not in DRAWINGS and glyph_mask(glyph, 32).width == 1
    ]
    assert not missing


@pytest.mark.parametrize("words", [("lamp", "lamps"), ("watch", "watches"), ("rocket", "rockets")])
def test_a_plural_has_the_glyph_of_its_singular(words: tuple[str, str]) -> None:
    one, several = (glyph_of(word) or named_glyph(word) for word in words)
    assert one == several


def test_an_unknown_word_has_no_glyph() -> None:
    assert glyph_of("zyzzyva") is None
    assert named_glyph("zyzzyva") is None


@pytest.mark.parametrize(
    ("prompt", "move"),
    [
        ("Slow push-in, dust in the light", "in"),
        ("Beach at sunrise", "in"),
        ("Japan at night, a frying pan sizzles", "in"),
        ("The camera pans to the left", "left"),
        ("slow pan over a table", "right"),
        ("tilting up to the sky", "up"),
        ("pull-back to reveal the city", "out"),
        ("static shot of a lake", "still"),
    ],
)
def test_the_camera_moves_as_whole_words_of_the_prompt_say(prompt: str, move: str) -> None:
    assert move_for(prompt) == MOVES[move]


Mask = NDArray[np.bool_]
NAMED: dict[str, tuple[str, ...]] = {
    "sea": ("A cup of masala chai by the sea at night", "Desk lamp 3d, floating over the ocean",
        "A lighthouse in Northumberland, storm", "समुद्र के किनारे एक लैंप",),
    "forest": ("A cup of masala chai in a snowy forest", "A fox in the forest, autumn",
        "Poster of an owl in the woods", "A tiger in the jungle, pixel art",
        "जंगल में लोमड़ी, सुबह",),
    "city": ("A cup of masala chai in a city at night", "Bicycle in front of a city skyline",
        "Noir picture of a hat in a city", "A watch on a rooftop, sunset",
        "Sneakers in Rio de Janeiro at night", "A perfume bottle on the Brooklyn Bridge",
        "शहर में साइकिल, रात",),
    "street": ("Running shoes on a street", "Sneakers, street style",
        "Close-up of the Aurora desk lamp on a table, quiet evening, soft shadows, street style",
        "A street in Tokyo at night", "Headphones on a rainy city street, neon",
        "A silk dress on a street", "A cup of coffee in Lisbon at dawn", "A watch near Tórshavn",
        "A kettle in the Algarve", "Eine Tasse Kaffee in Lissabon", "वाराणसी में चाय का कप",
        "गली में स्कूटर",),
    "kitchen": ("A kettle in a kitchen", "The Comet kettle on a kitchen counter, morning light",
        "A kitchen table", "Flat illustration of a kettle in a kitchen", "चाय का कप रसोई में",),
    "studio": ("A watch in a photo studio", "Aurora desk lamp, studio style",
        "Havn candle, beeswax in a stone cup, studio packshot",),
    "beach": ("A perfume bottle on a beach", "Sunscreen on a beach in Goa",
        "Watercolor of a bicycle on a beach", "Beach at sunset",),
    "mountains": ("Running shoes in the mountains", "Misty mountains with pine forest",
        "A tent in the Himalayas, snow",
        "A wide river valley, snow on the mountains, a village that moves each spring",
        "Mount Fuji at sunrise", "हिमाचल में शहद", "पहाड़ों में जूते",),
    "desert": ("A lamp in the desert", "A camel on a dune in Rajasthan",
        "A camel near Cairo, Egypt", "रेगिस्तान में ऊँट",),
    "garden": ("Perfume bottle in a garden", "A garden in the evening",
        "A dog in the park, comic", "Kyoto, Japan, cherry blossoms", "बगीचे में फूल",),
    "cafe": ("Coffee in a café, morning", "A latte at a cafe in Paris",
        "A burger in a restaurant", "A cafe in Ljubljana", "कैफ़े में कॉफ़ी",),
    "office": ("A laptop in an office", "Office, early morning", "A desk lamp for a small office",
        "दफ़्तर में लैपटॉप",),
    "balcony": ("A cup of masala chai on a balcony, rain outside, potted plants, morning light",
        "Umbrella on a terrace in the rain", "बालकनी में चाय, बारिश",),
    "lake": ("A paper boat on a calm lake at sunrise, soft mist, warm colours",
        "Mountain lake at sunrise", "A kayak on Lake Como",),
    "meadow": ("A jar of honey in a meadow", "A bottle of milk on a farm",
        "Wine from France on an oak table", "Lavender fields at sunrise",
        "Parfum in der Provence",),
    "market": ("Mangoes at a market", "Lanterns in an old bazaar at night", "बाज़ार में आम",),
    "bedroom": ("A lamp in a bedroom, evening",),
    "bathroom": ("Shampoo in a bathroom",),
    "shop": ("A handbag in a shop",),
    "library": ("A book in a library",),
    "gym": ("A bottle of water in a gym",),
    "room": ("A sofa in a living room", "A teapot in a quiet room with a large window",),
    "sky": ("A plane in the sky",),
    "space": ("A robot in space",),
    "underwater": ("A watch under water, underwater reef",),
}  # fmt: skip


@pytest.mark.parametrize("place", NAMED)
def test_a_named_place_is_drawn_whatever_the_seed_and_the_shape(place: str) -> None:
    kinds = itertools.cycle(((1, (96, 54)), (7_000_002, (54, 96)), (4_000_000_003, (64, 64))))
    for prompt, (seed, size) in zip(NAMED[place], kinds, strict=False):
        stage = build_stage(imagine(prompt, seed), size, seeded_generator(prompt, seed))
        assert stage.place == place, prompt
        assert float(stage.light.std()) > 0.02, prompt


@pytest.mark.parametrize(
    "prompt",
    [
        "Sea salt jar on a white background",
        "Aurora perfume bottle",
        "Close-up of the Comet kettle, shallow depth of field",
        "A lamp in Bauhaus style",
        "A candle in December, in HDR",
        "A china cup",
        "Wide shot with Aurora at the centre, clear sky of one colour, generous empty space",
    ],
)
def test_a_word_that_only_describes_a_thing_is_no_place(prompt: str) -> None:
    assert imagine(prompt, 0).place is None


@pytest.mark.parametrize(
    ("prompt", "drawn"),
    [
        ("Aurora perfume bottle", "studio"),
        ("Aurora perfume bottle in a garden", "table"),
        ("A fox in the forest", "view"),
        ("Poster of a fox in the forest", "print"),
        ("Poster of a teapot", "poster"),
        ("Teapot, neon", "neon"),
        ("Teapot on silk", "silk"),
        ("Teapot, 3d, floating", "gradient"),
    ],
)
def test_the_kind_of_a_picture_follows_from_the_prompt_alone(prompt: str, drawn: str) -> None:
    assert {imagine(prompt, seed).layout for seed in range(12)} == {drawn}


def test_a_thing_keeps_its_colour_in_every_place() -> None:
    places = ("by the sea at night", "in a snowy forest", "in a city at night")
    colours = [imagine(f"A cup of masala chai {place}", 3).main_colour for place in places]
    assert all(np.array_equal(colour, colours[0]) for colour in colours)


@pytest.mark.parametrize("place", ["by the sea", "on a street", "in a garden", "in the mountains"])
def test_a_place_is_dark_at_night_and_light_in_the_snow(place: str) -> None:
    def light(prompt: str) -> float:
        idea = imagine(f"A cup {place}{prompt}", 5)
        return float(np.median(build_stage(idea, (256, 256), seeded_generator(5)).light[:180]))

    assert light(" at night") < 0.5 * light("")
    assert light(" at night") < 0.5 * light(", snow")


def test_cherry_blossoms_and_lavender_are_drawn_where_they_are_named() -> None:
    def share(prompt: str, wanted: Callable[[Field, Field, Field], Mask]) -> float:
        pixels = np.asarray(draw(prompt, 5, (256, 256)), np.float32)
        return float(wanted(*np.moveaxis(pixels, 2, 0)).mean())

    def pink(red: Field, green: Field, blue: Field) -> Mask:
        return (red - green > 30) & (blue - green > 8) & (red > 150)

    def purple(red: Field, green: Field, blue: Field) -> Mask:
        return (blue - green > 40) & (red - green > 5)

    assert share("Kyoto, cherry blossoms", pink) > share("Kyoto", pink) + 0.02
    assert share("Fields in Provence, lavender", purple) > 0.2 > share("In Provence", purple)
