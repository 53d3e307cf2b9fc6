"""Drawn stills: size, format, sameness, what they show, letters in every script."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops

from rivya_sandbox.renderers.arrangement import below_title
from rivya_sandbox.renderers.field import seeded
from rivya_sandbox.renderers.idea import imagine
from rivya_sandbox.renderers.lettering import glyph_mask, line_mask
from rivya_sandbox.renderers.light import lit, unit
from rivya_sandbox.renderers.poster import poster
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import RenderRequest
from rivya_sandbox.renderers.still import draw
from rivya_sandbox.renderers.titling import Where, set_title, titled_height

pytestmark = pytest.mark.usefixtures("small_pictures")

SMALL = 192, 256


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture


def difference(first: Image.Image, second: Image.Image) -> float:
    """Mean difference of two pictures of one size, 0 to 255."""
    return float(np.asarray(ImageChops.difference(first, second)).mean())


@pytest.mark.parametrize(
    ("params", "format_name", "ratio"),
    [
        ({"aspect_ratio": "9:16"}, "PNG", 9 / 16),
        ({"aspect_ratio": "8:1", "output_format": "jpg"}, "JPEG", 8),
        ({"imageSize": "1:8", "output_format": "webp"}, "WEBP", 1 / 8),
    ],
)
def test_a_still_has_the_format_and_ratio_asked_for(
    params: dict[str, Any], format_name: str, ratio: float
) -> None:
    (result,) = render(RenderRequest("z-image", "image", "A red sneaker", params, seed=3))
    picture = opened(result.data)
    assert picture.format == format_name
    assert picture.width / picture.height == pytest.approx(ratio, rel=0.05)  # steps of 8 pixels


def test_equal_orders_give_equal_bytes_in_any_thread() -> None:
    order = RenderRequest(
        "z-image", "image", "Coffee 'Aurora', warm", {"image_size": "square"}, seed=5
    )
    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(render, [order] * 3)
    assert all(other == first for other in others)


def test_several_images_of_one_order_differ() -> None:
    results = render(
        RenderRequest("seedream-4-0", "image", "lamp", {"max_images": 2, "size": "1:8"})
    )
    assert len(results) == 2
    assert results[0].data != results[1].data


def test_neighbouring_seeds_and_styles_differ_at_a_glance() -> None:
    pictures = [draw("Aurora perfume bottle", seed, SMALL) for seed in range(3)]
    pictures += [draw(f"Aurora bottle, {look}", 0, SMALL) for look in ("neon", "watercolor")]
    for index, picture in enumerate(pictures):
        assert all(difference(picture, other) > 12 for other in pictures[index + 1 :])


@pytest.mark.parametrize(
    "look",
    [
        "studio",
        "neon",
        "watercolor",
        "pencil",
        "pixel",
        "comic",
        "noir",
        "retro",
        "poster",
        "street",
        "rain",
        "snow",
        "night",
    ],
)
@pytest.mark.parametrize("thing", ["lamp 'दीप'", "mountains", "bicycle on silk"])
def test_every_look_gives_a_picture_with_contrast(look: str, thing: str) -> None:
    picture = draw(f"{thing}, {look} style", 2, SMALL)
    assert picture.size == SMALL
    assert float(np.asarray(picture.convert("L")).std()) > 8


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
        ("Close-up of the Aurora desk lamp", "Aurora"),
        ("A glass bottle. Warm light.", None),
        ("it's a dog's life", None),
        (
            "Logo for 'The Great Indian Handloom & Handicraft Company'",
            "The Great Indian Handloom & Handicraft Company",
        ),
        ("“Don’t stop” on a shoe", "Don’t stop"),
        ("A story for 'It's time. Join today'", "It's time. Join today"),
        ('A 27" screen, 5" thin', None),
        ("Posters of the Very Long Company Name Limited of Pune", "Very Long Company Name"),
    ],
)
def test_a_title_is_quoted_or_a_name(prompt: str, title: str | None) -> None:
    assert imagine(prompt, 0).title == title


def test_words_in_quotation_marks_are_no_style() -> None:
    assert not imagine("Sale, 'Comic neon: flat 40% off'", 0).looks
    assert "flat" not in imagine("Festive sale, flat 40% off", 0).looks
    assert "flat" in imagine("Flat illustration of a camera", 0).looks


@pytest.mark.parametrize(
    "quoted", ["Red Hot Sale", "On a black background", "Golden Diwali on silk"]
)
def test_words_in_quotation_marks_are_no_colour(quoted: str) -> None:
    for seed in range(4):
        plain, lettered = (imagine(f"A sofa{text}", seed) for text in (".", f", '{quoted}'"))
        assert lettered.title == quoted
        assert (lettered.colours, lettered.ground, lettered.cloth) == ((), None, None)
        assert (lettered.metal, lettered.names_colours) == (plain.metal, plain.names_colours)


def test_a_quoted_name_of_a_thing_is_shown_when_no_other_is() -> None:
    assert imagine("A picture for 'Blue teapot'", 0).subject == ("glyph", "🫖")


def test_a_long_title_takes_several_lines_and_stays_on_the_picture() -> None:
    size, palette = (384, 640), imagine("x", 1).palette
    heights = []
    for title in ("Short", "No excuses. Join today at half the price"):
        picture = Image.new("RGB", size, (255, 255, 255))
        set_title(picture, title, palette, seeded("letters"))
        box = (
            ImageChops.invert(picture.convert("L")).point(lambda tone: 255 * (tone > 90)).getbbox()
        )
        assert box is not None
        assert box[0] > size[0] * 0.07
        assert box[2] < size[0] * 0.93
        heights.append(box[3] - box[1])
        assert box[3] < size[1] * titled_height(size, title)
    assert heights[1] > 1.5 * heights[0]


def lettered_rows(title: str, seed: int, where: Where) -> list[int]:
    """Rows of a white picture, 400 pixels high, that have letters."""
    picture = Image.new("RGB", (400, 400), (255, 255, 255))
    set_title(picture, title, imagine("x", 1).palette, seeded(seed), where=where)
    return [int(row) for row in np.nonzero((np.asarray(picture.convert("L")) < 165).any(axis=1))[0]]


@pytest.mark.parametrize("title", ["Festival of lights", "Autumn collection"])
def test_letters_of_every_style_keep_to_the_height_that_a_title_has(title: str) -> None:
    for seed in range(16):  # all five styles
        assert max(lettered_rows(title, seed, "top")) < 400 * titled_height((400, 400), title)


def test_a_word_that_is_set_wide_stays_whole() -> None:
    for seed in range(16):
        rows = lettered_rows("Watermelon", seed, "left")
        assert rows == list(range(rows[0], rows[-1] + 1))  # one line


def test_two_sentences_of_a_title_are_two_lines() -> None:
    tall = []
    for title in ("No excuses. Join today at 50% off", "No excuses and join today at 50% off"):
        picture = Image.new("RGB", (384, 640), (255, 255, 255))
        set_title(picture, title, imagine("x", 1).palette, seeded("a"))
        upper = np.asarray(picture.convert("L"))[58:80] < 120
        tall.append(np.ptp(np.nonzero(upper.any(axis=0))[0]))
    assert tall[0] < 0.75 * tall[1]  # the first line is the short sentence alone


def test_a_title_on_a_poster_lies_on_plain_paper() -> None:
    idea = imagine("poster of a sailboat, 'Goa'", 3)
    for attempt in range(24):
        size = 256, (256, 456)[attempt % 2]
        stage = poster(*size, idea, seeded(attempt))
        behind = np.round(stage.light[16 : int(size[1] * below_title(idea, size)) - 8] * 50)
        colours, counts = np.unique(behind.reshape(-1, 3), axis=0, return_counts=True)
        assert (counts > behind[..., 0].size / 50).sum() <= 3, colours  # paper, rays, a disc


def test_a_dark_thing_is_dark_at_its_rim_too() -> None:
    dark = np.full((1, 1, 3), 0.08, np.float32)
    sideways = unit(np.full((1, 1), 0.99), np.zeros((1, 1)), np.full((1, 1), 0.1))
    own, air = (
        lit(dark, sideways, imagine("x", 0).palette, gloss=0, own_rim=share) for share in (1, 0)
    )
    assert own.max() < 0.02 < air.max()


def test_a_background_that_is_named_is_behind_every_variant() -> None:
    for seed in range(4):
        picture = draw("A red shoe on a white background", seed, SMALL)
        corners = np.asarray(picture.convert("L"))[:24]
        assert corners.mean() > 175
    assert imagine("A red shoe on a white background", 0).colours[0].tolist() == (
        imagine("A red shoe", 0).colours[0].tolist()
    )


def test_variants_of_a_named_mood_keep_to_it() -> None:
    for seed in range(4):
        red, _, blue = imagine("perfume bottle, amber and gold", seed).palette[2]
        assert red > 1.3 * blue


def test_a_bottle_has_the_colour_of_what_is_in_it_unless_another_is_named() -> None:
    red, _, blue = imagine("Fresh mango juice bottle", 1).main_colour
    assert red > 3 * blue
    assert imagine("Blue mango juice bottle", 1).main_colour[2] > 0.8
    assert not imagine("A mug of honey tea", 1).colours


def test_the_colour_of_a_light_is_not_that_of_the_thing() -> None:
    assert not imagine("A diya in golden light, golden hour", 0).colours
    assert imagine("A diya in golden light", 0).names_colours
    assert len(imagine("A blue diya in golden light", 0).colours) == 1


def test_what_is_filled_solidly_takes_no_colour_from_the_other_parts() -> None:
    prompt = "black and gold watch on a white background"
    picture = np.asarray(draw(prompt, 1, (256, 256)), float)
    gold = (picture[..., 0] > 1.6 * picture[..., 2]) & (picture[..., 0] > 90)
    assert gold[:, 96:160].mean() > 0.08  # the strap


def test_low_things_fill_an_upright_format_as_tall_ones_do() -> None:
    ground = np.asarray(draw("on a white background", 1, (180, 320)).convert("L"), float)
    assert ground.std() > 0  # a place of its own
    for thing in ("jar", "bottle"):
        picture = np.asarray(draw(f"red {thing} on a white background", 1, (180, 320)), float)
        red = (picture[..., 0] - picture[..., 1] > 60).any(axis=0)
        assert 0.35 < red.mean() < 0.75


def test_an_enamel_pin_has_outlines_of_the_named_metal() -> None:
    gold = np.asarray(draw("enamel pin of a lotus", 0, SMALL), float)
    silver = np.asarray(draw("enamel pin of a lotus, silver outlines", 0, SMALL), float)
    yellow = [picture[..., 0] - picture[..., 2] > 110 for picture in (gold, silver)]
    assert yellow[0].mean() > 1.3 * yellow[1].mean()


def test_a_comic_strip_has_framed_panels() -> None:
    strip = np.asarray(draw("comic strip of a cat, speech bubbles", 0, (480, 270)).convert("L"))
    framed = (strip[12:-12] < 70).mean(axis=0) > 0.9
    assert np.count_nonzero(np.diff(framed.astype(int)) == 1) == 6  # two sides of three panels


def test_a_wide_comic_strip_has_its_title_above_the_panels() -> None:
    strip = draw("comic strip of a fox, 'The last cup of tea'", 0, (480, 270)).convert("L")
    dark = np.asarray(strip) < 70
    frame = int(np.argmax(dark.mean(axis=1) > 0.9))
    assert dark[:frame].any(axis=0).sum() > 100  # letters


def test_hindi_is_shaped_and_not_boxes() -> None:
    letters = {bytes(line_mask(letter, "serif", 40).tobytes()) for letter in "कखगघचछज"}
    assert len(letters) == 7  # boxes would all be the same
    apart = line_mask("क", "serif", 60).width + line_mask("ष", "serif", 60).width
    assert line_mask("क्ष", "serif", 60).width < 0.8 * apart  # the two letters join into one


@pytest.mark.parametrize("text", ["العربية", "தமிழ்", "বাংলা", "Ελληνικά", "Été"])
def test_other_scripts_have_letters(text: str) -> None:
    assert line_mask(text, "serif", 40).width > 40


def test_what_no_font_has_is_left_out() -> None:
    assert line_mask("極光", "serif", 40).getbbox() is None
    assert glyph_mask("\U0001f9ff\u200d", 40).size >= (1, 1)
    assert line_mask("<&>\x00", "serif", 40).getbbox() is not None
    draw("'極光' 咖啡", 1, SMALL)


@pytest.mark.parametrize("title", ["Aurora", "Blue Horizon Island Tours", "दीपशिखा मिठाई", "極光"])
def test_a_wide_format_letters_its_title_in_the_left_half(title: str) -> None:
    size = (448, 252)
    set_title(
        picture := Image.new("RGB", size),
        title,
        imagine("x", 1).palette,
        seeded(title),
        where="left",
    )
    box = picture.getbbox()
    assert box is None if title == "極光" else box and box[2] < 0.6 * size[0]
