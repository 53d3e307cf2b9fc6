"""Captions, overlays and end cards, measured as pictures."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageDraw

from rivya_client.errors import MediaError
from rivya_cut.composition import Captions, EndCard, Look, Overlay
from rivya_cut.drawing.caption_layer import caption_picture
from rivya_cut.drawing.colours import INK, WHITE, colour_of, contrast
from rivya_cut.drawing.end_card import end_card_picture
from rivya_cut.drawing.layers import obstacles, overlay_layer, overlay_layers
from rivya_cut.drawing.parts import Layer, safe_area
from rivya_cut.drawing.type import Box
from rivya_cut.fonts import FAMILIES
from rivya_cut.terms import FORMATS, CaptionPosition, Position

SIZES = [FORMATS["9:16"], FORMATS["1:1"], FORMATS["16:9"]]
MORE_SIZES = [*SIZES, FORMATS["21:9"]]
TEXTS = {
    "english": "It boils in ninety seconds,\nkeeps your tea at exactly 82 degrees,",
    "hindi": "यह नब्बे सेकंड में पानी उबालती है,\nचाय को सही तापमान पर रखती है",
    "arabic": "تغلي الماء في تسعين ثانية\nوتحفظ الشاي Aurora دافئًا!",
    "tamil": "தொண்ணூறு வினாடிகளில் கொதிக்கும்,\nதேநீரை சூடாக வைத்திருக்கும்",
}
SQUARE = FORMATS["1:1"]
BRAND = Look(colours=("#1b3a6b", "#f2a541"))


def solid(layer: Layer) -> Box:
    """The box of what is opaque, without a shadow."""
    box = layer.image.getchannel("A").point(lambda value: 255 if value > 180 else 0).getbbox()
    assert box is not None
    return box[0] + layer.x, box[1] + layer.y, box[2] + layer.x, box[3] + layer.y


def inside(box: Box, area: Box) -> bool:
    return all(
        (box[0] >= area[0] - 2, box[1] >= area[1] - 2, box[2] <= area[2] + 2, box[3] <= area[3] + 2)
    )


def meet(one: Box, other: Box) -> bool:
    across = max(one[0], other[0]) < min(one[2], other[2])
    return across and max(one[1], other[1]) < min(one[3], other[3])


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    image = Image.new("RGBA", (300, 100))
    image.paste((240, 120, 40, 255), (20, 10, 280, 90))
    image.save(tmp_path / "logo.png")
    return tmp_path / "logo.png"


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("style", ["plain", "plate"])
def test_captions_are_whole_inside_the_safe_area(style: Any, size: tuple[int, int]) -> None:
    for text in (*TEXTS.values(), "kettle " * 120):
        layer = caption_picture(text, size, Captions(style=style), Look()).layer
        assert inside(solid(layer), safe_area(size))
        left, _, right, _ = layer.box
        assert abs(left + right - size[0]) <= 2


@pytest.mark.parametrize("size", MORE_SIZES, ids=str)
@pytest.mark.parametrize("style", ["plain", "plate", "highlight", "pop"])
def test_large_captions_stay_inside_with_their_outline(style: Any, size: tuple[int, int]) -> None:
    for text in ("से आप केवल", "ഞങ്ങളുടെ പുതിയ ആപ്പിലൂടെ", "Donaudampfschifffahrt"):
        box = caption_picture(text, size, Captions(style=style, size=3), Look()).layer.box
        assert inside(box, safe_area(size))


@pytest.mark.parametrize("size", MORE_SIZES, ids=str)
@pytest.mark.parametrize("position", get_args(Position))
def test_large_texts_stay_inside_with_their_plate(
    position: Position, size: tuple[int, int]
) -> None:
    text = "Maria Schmidt is Head of Coffee\nAutumn collection 2026 is here"
    overlay = Overlay(text=text, position=position, size=3, width=1)
    assert inside(overlay_layer(overlay, size, BRAND).box, safe_area(size))


def test_tall_frames_keep_free_what_apps_cover() -> None:
    assert safe_area((1080, 1920)) == (54, 230, 1026, 1536)
    assert safe_area((1920, 1080)) == (96, 54, 1824, 1026)


@pytest.mark.parametrize(("position", "edge"), [("top", 1), ("bottom", 3)])
def test_a_caption_stands_where_it_was_asked_for(position: CaptionPosition, edge: int) -> None:
    box = caption_picture("Aurora", SQUARE, Captions(position=position), Look()).layer.box
    assert box[edge] == safe_area(SQUARE)[edge]


@pytest.mark.parametrize("style", ["plain", "plate"])
@pytest.mark.parametrize("ground", ["white", "black"])
def test_the_letters_stand_out_from_what_is_around_them(style: Any, ground: str) -> None:
    layer = caption_picture("Aurora", SQUARE, Captions(style=style), Look()).layer
    frame = Image.new("RGB", layer.image.size, ground)
    frame.paste(layer.image, (0, 0), layer.image)
    row = [frame.getpixel((x, frame.height // 2)) for x in range(frame.width)]
    colours = {tuple(pixel) for pixel in row if isinstance(pixel, tuple)}
    assert WHITE in colours
    darkest = min(colours, key=sum)
    assert contrast(WHITE, (darkest[0], darkest[1], darkest[2])) >= 4.5


def test_a_caption_keeps_clear_of_all_that_lies_on_its_side() -> None:
    size = FORMATS["9:16"]
    high = (0, 0, 1080, 300)
    lower = overlay_layer(Overlay(text="Aurora\nThe kettle", position="lower-third"), size, BRAND)
    top = caption_picture("Aurora", size, Captions(position="top"), Look(), [high]).layer
    assert solid(top)[1] > 300
    below = caption_picture("Aurora", size, Captions(), Look(), [high]).layer
    assert below == caption_picture("Aurora", size, Captions(), Look()).layer
    both = caption_picture(
        "Aurora", size, Captions(), Look(), [(0, 1300, 500, 1400), lower.box]
    ).layer
    assert solid(both)[3] < 1300


@pytest.mark.parametrize("size", MORE_SIZES, ids=str)
@pytest.mark.parametrize("where", get_args(CaptionPosition))
def test_a_caption_covers_no_overlay_and_stays_in_the_safe_area(
    where: CaptionPosition, size: tuple[int, int], logo: Path
) -> None:
    shown = [Overlay(text="€ 640", position=one) for one in get_args(Position)]
    shown += [Overlay(media=logo, position=one) for one in get_args(Position)]
    for box, text in product(
        (overlay_layer(one, size, BRAND).box for one in shown), (TEXTS["english"], TEXTS["tamil"])
    ):
        caption = caption_picture(text, size, Captions(position=where), Look(), [box]).layer
        assert caption.clear
        assert inside(caption.box, safe_area(size))
        assert not meet(caption.box, box)


def test_a_caption_without_room_says_so_and_stays_where_it_was_asked_for() -> None:
    full = [(0, 0, 1080, 1080)]
    caption = caption_picture("Aurora", SQUARE, Captions(), Look(), full).layer
    assert not caption.clear
    assert caption.box == caption_picture("Aurora", SQUARE, Captions(), Look()).layer.box
    assert obstacles(full, SQUARE) == []


@pytest.mark.parametrize("size", MORE_SIZES, ids=str)
@pytest.mark.parametrize("row", ["top", "bottom"])
def test_overlays_of_one_row_do_not_cover_each_other(
    row: str, size: tuple[int, int], logo: Path
) -> None:
    text = "Now open every day of the week, from eight to eight"
    positions = [one for one in get_args(Position) if row in one]
    overlays = [
        *(Overlay(text=text, position=one) for one in positions[1:]),
        Overlay(media=logo, position=positions[0]),
    ]
    layers = dict(overlay_layers(overlays, size, BRAND, lambda *_: True))
    boxes = [layers[index].box for index in range(len(overlays))]
    assert all(inside(box, safe_area(size)) for box in boxes)
    assert not any(meet(one, other) for one, other in combinations(boxes, 2))
    apart = dict(overlay_layers(overlays, size, BRAND, lambda *_: False))
    for overlay, layer in zip(overlays, (apart[index] for index in range(len(apart))), strict=True):
        assert layer.box == overlay_layer(overlay, size, BRAND).box


def test_overlays_of_one_position_lie_on_each_other() -> None:
    overlays = [Overlay(text="Aurora", position="center"), Overlay(text="Sale", position="center")]
    layers = dict(overlay_layers(overlays, SQUARE, BRAND, lambda *_: True))
    assert meet(layers[0].box, layers[1].box)


@pytest.mark.parametrize("position", ["top", "left", "lower-third"])
def test_a_text_in_hardly_any_room_is_drawn_as_small_as_it_must(position: Position) -> None:
    text = Overlay(text="Order\ntoday", position=position, width=5e-324)
    assert overlay_layer(text, (64, 36), BRAND).image.width


@settings(deadline=None, max_examples=15)
@given(st.text(max_size=60).filter(str.strip), st.sampled_from([(540, 960), (320, 40), (2, 2)]))
def test_any_text_is_drawn_inside_the_frame(text: str, size: tuple[int, int]) -> None:
    for layer in (
        caption_picture(text, size, Captions(style="plate"), Look()).layer,
        overlay_layer(Overlay(text=text, position="lower-third"), size, BRAND),
    ):
        assert 0 <= layer.x < size[0]
        assert 0 <= layer.y < size[1]


CORNERS: dict[Position, tuple[int, int]] = {
    "top-left": (0, 1), "top-right": (2, 1), "bottom-left": (0, 3), "bottom-right": (2, 3)
}  # fmt: skip


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_logo_stands_whole_in_its_corner(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("RGBA", (300, 100), (240, 120, 40, 255)).save(tmp_path / "logo.png")
    for position, corner in CORNERS.items():
        layer = overlay_layer(Overlay(media=tmp_path / "logo.png", position=position), size, Look())
        assert all(solid(layer)[side] == safe_area(size)[side] for side in corner)
        assert layer.image.width / layer.image.height == pytest.approx(3, abs=0.1)
        assert layer.image.width <= 0.18 * size[0] + 1


def test_a_transparent_logo_stays_transparent(logo: Path) -> None:
    layer = overlay_layer(Overlay(media=logo, width=0.5), SQUARE, Look())
    assert layer.image.getpixel((0, 0)) == (*INK, 0)
    assert solid(layer)[2] - solid(layer)[0] == pytest.approx(540 * 260 / 300, abs=3)


def test_a_high_picture_is_bounded_by_the_height(tmp_path: Path) -> None:
    Image.new("RGB", (20, 400), "red").save(tmp_path / "high.png")
    layer = overlay_layer(
        Overlay(media=tmp_path / "high.png", width=1.0, position="center"), (1920, 1080), Look()
    )
    assert layer.image.height == 972
    assert layer.image.width == pytest.approx(49, abs=1)


def test_what_is_not_an_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"no picture")
    with pytest.raises(MediaError):
        overlay_layer(Overlay(media=tmp_path / "logo.png"), SQUARE, Look())


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "text", ["Aurora\nThe kettle that whispers", "ऑरोरा\nजो धीरे से बताती है", "word " * 40]
)
def test_a_lower_third_stands_at_the_left_below(text: str, size: tuple[int, int]) -> None:
    layer = overlay_layer(Overlay(text=text, position="lower-third"), size, BRAND)
    area = safe_area(size)
    assert (layer.x, layer.box[3]) == (area[0], area[3])
    assert inside(layer.box, area)
    x, y = layer.image.width // 2, 4
    assert layer.image.getpixel((x, y))[:3] == colour_of("#1b3a6b")  # type: ignore[index]
    assert layer.image.getpixel((2, layer.image.height // 2))[:3] == colour_of("#f2a541")  # type: ignore[index]


@pytest.mark.parametrize("font", FAMILIES)
@pytest.mark.parametrize(
    "titles", [["Terrace", "Kitchen", "Study", "Éclair"], ["रसोई", "कमरा", "छत"], ["ห้อง", "ครัว"]]
)
def test_lower_thirds_are_as_high_whatever_their_letters_are(titles: list[str], font: str) -> None:
    for below in ("", "\nAiry", "\ngym"):
        overlays = [Overlay(text=one + below, position="lower-third") for one in titles]
        heights = {overlay_layer(one, SQUARE, Look(font=font)).image.height for one in overlays}
        assert len(heights) == 1


def test_a_lower_third_of_right_to_left_text_stands_at_the_right() -> None:
    layer = overlay_layer(Overlay(text="غلاية أورورا", position="lower-third"), SQUARE, BRAND)
    assert layer.box[2] == safe_area(SQUARE)[2]


def test_a_text_in_a_corner_stands_on_the_colour_of_the_brand() -> None:
    layer = overlay_layer(Overlay(text="₹4,999", position="top-left"), SQUARE, BRAND)
    assert layer.image.getpixel((layer.image.width // 2, 3)) == (*colour_of("#1b3a6b"), 255)
    plain = overlay_layer(Overlay(text="₹4,999", position="top-left"), SQUARE, Look())
    assert plain.image.getpixel((plain.image.width // 2, 0)) != (*colour_of("#1b3a6b"), 255)


def test_a_text_without_anything_to_draw_is_transparent() -> None:
    for position in ("lower-third", "top-left", "center"):
        layer = overlay_layer(Overlay(text="\U00012000", position=position), SQUARE, BRAND)
        assert layer.image.getchannel("A").getextrema()[1] == 0


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "parts", ["title line image", "title", "line", "image", "title line", "image line"]
)
def test_an_end_card_shows_what_it_is_given(parts: str, size: tuple[int, int], logo: Path) -> None:
    whole = {"title": "Aurora", "line": "आज ही ऑर्डर करें", "image": logo}
    card = EndCard(**{name: whole[name] for name in parts.split()})
    picture = end_card_picture(card, size, BRAND)
    assert (picture.mode, picture.size) == ("RGB", size)
    assert picture.getpixel((size[0] // 2, 10)) != (0, 0, 0)
    middle = picture.crop((size[0] // 10, size[1] // 5, size[0] * 9 // 10, size[1] * 4 // 5))
    colours = {colour for _, colour in middle.getcolors(2**24) or ()}
    assert ((240, 120, 40) in colours) == ("image" in parts)
    assert (WHITE in colours) == ("title" in parts or "line" in parts)


def mark(draw: Callable[[ImageDraw.ImageDraw], object], ground: Any = None) -> Image.Image:
    """A logo of 300 × 220, transparent or on a ground."""
    image = Image.new("RGBA", (300, 220), ground or (0, 0, 0, 0))
    draw(ImageDraw.Draw(image))
    return image


def light_and_dark(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((60, 0, 239, 179), fill=(255, 200, 0, 255))
    draw.rectangle((0, 190, 299, 219), fill=(27, 58, 107, 255))


def rounded_plate(draw: ImageDraw.ImageDraw) -> None:
    draw.rounded_rectangle((0, 0, 299, 219), 60, fill=(27, 58, 107, 255))
    draw.rectangle((120, 60, 180, 160), fill=(240, 120, 40, 255))


def round_plate(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((0, 0, 219, 219), fill=(27, 58, 107, 255))
    draw.rectangle((80, 60, 140, 160), fill=(240, 120, 40, 255))


def dark(draw: ImageDraw.ImageDraw) -> None:
    draw.rectangle((20, 10, 280, 90), fill=(20, 40, 100, 255))


GREY = (124, 128, 134)  # neither the light disc nor the dark bar is lost on it


@pytest.mark.parametrize(
    ("draw", "plate"), [(dark, WHITE), (light_and_dark, GREY), (rounded_plate, None), (round_plate, None)]
)  # fmt: skip
def test_a_logo_gets_a_plate_where_it_would_be_lost_on_the_ground_and_has_none_of_its_own(
    draw: Callable[[ImageDraw.ImageDraw], None], plate: Any, tmp_path: Path
) -> None:
    mark(draw).save(tmp_path / "logo.png")
    picture = end_card_picture(EndCard(image=tmp_path / "logo.png"), SQUARE, BRAND)
    colours = {colour for _, colour in picture.getcolors(2**24) or ()}
    assert {WHITE, GREY} & colours == ({plate} if plate else set())


def test_the_shadow_of_a_logo_is_no_part_of_its_outline(tmp_path: Path) -> None:
    lit = mark(lambda draw: draw.rectangle((20, 30, 280, 190), fill="white"), (0, 0, 0, 200))
    lit.save(tmp_path / "logo.png")
    card = end_card_picture(EndCard(image=tmp_path / "logo.png"), SQUARE, BRAND)
    plain = end_card_picture(EndCard(title="Lamp"), SQUARE, BRAND)
    assert card.getpixel((540, 250)) == plain.getpixel((540, 250))
