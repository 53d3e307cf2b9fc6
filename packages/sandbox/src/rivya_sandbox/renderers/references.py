"""Decodes untrusted pictures and videos."""

from __future__ import annotations

from fractions import Fraction

import av
from PIL import Image, ImageOps

from rivya_sandbox.renderers.encode import is_ours
from rivya_sandbox.renderers.frame import LONGEST_SIDE, ratio_of
from rivya_sandbox.renderers.mark import without_mark
from rivya_sandbox.renderers.request import ReferenceMedium

MAX_PIXELS = 40_000_000  # a file of 100 KB can claim a thousand times as many
_PICTURES = ("JPEG", "PNG", "WEBP")
_CONTAINERS = ((4, b"ftyp", "mov"), (0, b"\x1a\x45\xdf\xa3", "matroska"))


def open_picture(reference: ReferenceMedium) -> Image.Image:
    """The reference as an upright RGB picture, at most 2048 pixels on a side.

    Of a video it is the first frame.

    Raises:
        ValueError: It is not a JPEG, PNG, WebP, MP4, QuickTime or Matroska file, is damaged or
            has more than 40 million pixels.
    """
    picture = _first_frame(reference) if reference.kind == "video" else _decode(reference)
    picture = ImageOps.exif_transpose(picture)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    if picture.mode in ("RGBA", "LA", "PA", "P"):
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, layered)
    return picture.convert("RGB")


def picture_ratio(reference: ReferenceMedium) -> Fraction:
    """Width over height of the reference as it is shown.

    Raises:
        ValueError: As `open_picture`.
    """
    return ratio_of(*open_picture(reference).size)


def crop_to(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture scaled and cropped around its middle to exactly `size` pixels."""
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def _decode(reference: ReferenceMedium) -> Image.Image:
    try:
        # Naming the formats excludes rarer, riskier decoders.
        with Image.open(reference.path, formats=_PICTURES) as picture:
            _refuse_too_large(reference, *picture.size)
            ours = is_ours(picture)
            if not ours:
                picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            picture.load()
            # The result gets the mark, so remove it from pictures of the sandbox.
            return without_mark(picture.convert("RGB")) if ours else picture.copy()
    except (OSError, SyntaxError, Warning, Image.DecompressionBombError) as error:
        raise _unreadable(reference, str(error)) from error


def _first_frame(reference: ReferenceMedium) -> Image.Image:
    try:
        with reference.path.open("rb") as stream:
            head = stream.read(16)
            stream.seek(0)
            # The format is named by the signature: otherwise FFmpeg would also accept playlists,
            # which read other files of this machine.
            container = next(
                (name for at, sign, name in _CONTAINERS if head[at:].startswith(sign)), None
            )
            if container is None:
                raise _unreadable(reference, "no MP4, QuickTime or Matroska file")
            with av.open(stream, "r", format=container) as file:
                if not file.streams.video:
                    raise _unreadable(reference, "there is no picture in it")
                track = file.streams.video[0]
                _refuse_too_large(reference, track.width, track.height)
                return Image.fromarray(next(file.decode(track)).to_ndarray(format="rgb24"))
    except (OSError, StopIteration, av.FFmpegError) as error:
        raise _unreadable(reference, str(error)) from error


def _refuse_too_large(reference: ReferenceMedium, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _unreadable(reference, f"{width}x{height} pixels; at most 40 million are taken")


def _unreadable(reference: ReferenceMedium, why: str) -> ValueError:
    # The path is internal and is left out.
    return ValueError(
        f"reference {reference.kind}: not usable: {why.replace(str(reference.path), 'the file')}"
    )
