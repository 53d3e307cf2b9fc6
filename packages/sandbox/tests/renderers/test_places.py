"""The place that a prompt names is the place that is drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from rivya_sandbox.renderers.field import Field, seeded
from rivya_sandbox.renderers.idea import imagine
from rivya_sandbox.renderers.still import draw, staged

Mask = NDArray[np.bool_]

pytestmark = pytest.mark.usefixtures("small_pictures")

NAMED = (
    ("A cup of masala chai by the sea at night", "sea"),
    ("A cup of masala chai in a snowy forest", "forest"),
    ("A cup of masala chai in a city at night", "city"),
    ("Running shoes on a street", "street"),
    ("Sneakers, street style", "street"),
    ("Close-up of the Aurora desk lamp on a table, quiet evening, soft shadows, street style", "street"),
    ("A street in Tokyo at night", "street"),
    ("Headphones on a rainy city street, neon", "street"),
    ("A kettle in a kitchen", "kitchen"),
    ("The Comet kettle on a kitchen counter, morning light", "kitchen"),
    ("A kitchen table", "kitchen"),
    ("Flat illustration of a kettle in a kitchen", "kitchen"),
    ("A watch in a photo studio", "studio"),
    ("Aurora desk lamp, studio style", "studio"),
    ("Havn candle, beeswax in a stone cup, studio packshot", "studio"),
    ("A perfume bottle on a beach", "beach"),
    ("Sunscreen on a beach in Goa", "beach"),
    ("Watercolor of a bicycle on a beach", "beach"),
    ("Beach at sunset", "beach"),
    ("Running shoes in the mountains", "mountains"),
    ("Misty mountains with pine forest", "mountains"),
    ("A tent in the Himalayas, snow", "mountains"),
    ("A wide river valley, snow on the mountains, a village that moves each spring", "mountains"),
    ("A lamp in the desert", "desert"),
    ("A camel on a dune in Rajasthan", "desert"),
    ("Perfume bottle in a garden", "garden"),
    ("A garden in the evening", "garden"),
    ("A dog in the park, comic", "garden"),
    ("Coffee in a café, morning", "cafe"),
    ("A latte at a cafe in Paris", "cafe"),
    ("A burger in a restaurant", "cafe"),
    ("A laptop in an office", "office"),
    ("Office, early morning", "office"),
    ("A desk lamp for a small office", "office"),
    ("A fox in the forest, autumn", "forest"),
    ("Poster of an owl in the woods", "forest"),
    ("A tiger in the jungle, pixel art", "forest"),
    ("Bicycle in front of a city skyline", "city"),
    ("Noir picture of a hat in a city", "city"),
    ("A watch on a rooftop, sunset", "city"),
    ("A cup of masala chai on a balcony, rain outside, potted plants, morning light", "balcony"),
    ("Umbrella on a terrace in the rain", "balcony"),
    ("A paper boat on a calm lake at sunrise, soft mist, warm colours", "lake"),
    ("Mountain lake at sunrise", "lake"),
    ("A jar of honey in a meadow", "meadow"),
    ("A bottle of milk on a farm", "meadow"),
    ("Mangoes at a market", "market"),
    ("Lanterns in an old bazaar at night", "market"),
    ("A lamp in a bedroom, evening", "bedroom"),
    ("Shampoo in a bathroom", "bathroom"),
    ("A handbag in a shop", "shop"),
    ("A book in a library", "library"),
    ("A bottle of water in a gym", "gym"),
    ("A sofa in a living room", "room"),
    ("A teapot in a quiet room with a large window", "room"),
    ("A plane in the sky", "sky"),
    ("A robot in space", "space"),
    ("A watch under water, underwater reef", "underwater"),
    ("Desk lamp 3d, floating over the ocean", "sea"),
    ("A silk dress on a street", "street"),
    ("A cup of coffee in Lisbon at dawn", "street"),
    ("A watch near Tórshavn", "street"),
    ("Sneakers in Rio de Janeiro at night", "city"),
    ("A perfume bottle on the Brooklyn Bridge", "city"),
    ("Wine from France on an oak table", "meadow"),
    ("A kettle in the Algarve", "street"),
    ("A lighthouse in Northumberland, storm", "sea"),
    ("A camel near Cairo, Egypt", "desert"),
    ("Mount Fuji at sunrise", "mountains"),
    ("Kyoto, Japan, cherry blossoms", "garden"),
    ("A cafe in Ljubljana", "cafe"),
    ("A kayak on Lake Como", "lake"),
    ("Lavender fields at sunrise", "meadow"),
    ("Eine Tasse Kaffee in Lissabon", "street"),
    ("Parfum in der Provence", "meadow"),
    ("वाराणसी में चाय का कप", "street"),
    ("हिमाचल में शहद", "mountains"),
    ("चाय का कप रसोई में", "kitchen"),
    ("समुद्र के किनारे एक लैंप", "sea"),
    ("जंगल में लोमड़ी, सुबह", "forest"),
    ("शहर में साइकिल, रात", "city"),
    ("गली में स्कूटर", "street"),
    ("बगीचे में फूल", "garden"),
    ("पहाड़ों में जूते", "mountains"),
    ("कैफ़े में कॉफ़ी", "cafe"),
    ("दफ़्तर में लैपटॉप", "office"),
    ("बाज़ार में आम", "market"),
    ("बालकनी में चाय, बारिश", "balcony"),
    ("रेगिस्तान में ऊँट", "desert"),
)  # fmt: skip


@pytest.mark.parametrize(("prompt", "place"), NAMED)
def test_a_named_place_is_drawn_whatever_the_seed_and_the_shape(prompt: str, place: str) -> None:
    for seed, size in ((1, (96, 54)), (7_000_002, (54, 96)), (4_000_000_003, (64, 64))):
        stage = staged(imagine(prompt, seed), size, seeded(prompt, seed))
        assert stage.place == place
        assert float(stage.light.std()) > 0.02


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
        return float(np.median(staged(idea, (256, 256), seeded(5)).light[:180]))

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
