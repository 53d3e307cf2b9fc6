"""Media on the page of a run."""

from __future__ import annotations

from rivya_flows.assets import Asset
from rivya_flows.flows.run_page.artifact import draw_asset, draw_text

STILL = Asset(kind="image", sha256="a" * 64, mime_type="image/png", width=9, height=16)
FILM = Asset(kind="video", sha256="b" * 64, mime_type="video/mp4", duration_seconds=4.0)


def at(asset: Asset) -> str | None:
    return f"https://media.example/{asset.sha256[:4]}"


def nowhere(asset: Asset) -> None:
    return None


def test_a_picture_is_a_picture_and_a_film_a_still_and_a_link() -> None:
    image = draw_asset("stills[a|b]", STILL, at, nowhere)
    assert image is not None
    assert (image.type, image.data) == ("image", "https://media.example/aaaa")
    assert image.description == r"stills\[a\|b\]: image, 9 × 16"
    film = draw_asset("film", FILM, at, lambda _: "https://media.example/poster.jpg")
    assert film is not None
    assert film.type == "markdown"
    assert film.data == (
        "![film](<https://media.example/poster.jpg>)\n\n"
        "film: film, 4.0 s ([play](<https://media.example/bbbb>))"
    )
    assert draw_asset("film", FILM, nowhere, nowhere) is None
    assert draw_text("script", "<b>\n# Hi").data == "> &lt;b&gt;  \n> \\# Hi  "
