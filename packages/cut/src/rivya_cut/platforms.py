"""What platforms ask of a film: shape, what the app covers, rate, bitrate, longest time, largest file.

The rules are those of the platforms' pages, as read on the date of each entry. A comment marks what
is not from there: `reported` is what several other pages quote of a page that could not be read, and
`ours` is our choice where nothing is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple, Self

from rivya_cut.terms import FORMATS, Format, Platform

_MB, _GB, _MBIT = 10**6, 10**9, 10**6
_FAST = 30  # frames a second; above it YouTube asks for half as many bits again
_LEAST_FPS = 23  # of TikTok and Instagram; the others name none


class Covered(NamedTuple):
    """What the buttons and captions of an app cover, as shares of the height and width."""

    top: float
    bottom: float
    left: float
    right: float


_EDGES = Covered(0.05, 0.05, 0.05, 0.05)  # the graphics safe area of EBU R 95


@dataclass(frozen=True)
class PlatformRules:
    """The rules of one platform.

    Attributes:
        format: The shape that it recommends.
        fps: Frames a second, at most.
        bit_rate: Of the picture at up to 30 frames a second, in bits a second: at most.
        seconds: Longest time.
        size_bytes: Largest file.
        sources: The platform's pages that were read, as an archive has them.
        read: When.
    """

    format: Format
    covered: Covered
    fps: int
    bit_rate: int
    seconds: int
    size_bytes: int
    sources: tuple[str, ...]
    read: str

    @property
    def size(self) -> tuple[int, int]:
        return FORMATS[self.format]


PLATFORMS: Mapping[Platform, PlatformRules] = MappingProxyType(
    {
        "tiktok": PlatformRules(
            "9:16",
            # Published as pictures only, which depend on the caption; ours.
            Covered(0.13, 0.25, 0.06, 0.12),
            60,  # reported, of its API for posts
            10 * _MBIT,  # ours; published is only a least of 516 kbit/s
            600,  # reported, of its API for posts; the page of ads says 60 but for Spark Ads
            500 * _MB,  # of an ad
            ("https://ads.tiktok.com/help/article/tiktok-auction-in-feed-ads",),
            "2026-12-03",
        ),
        "reels": PlatformRules(
            "9:16",
            Covered(0.14, 0.35, 0.06, 0.06),  # reported, of Meta's guide for ads in reels
            60,
            10 * _MBIT,  # ours; reported are at most 25
            900,  # reported
            300 * _MB,  # reported; others say 1 GB
            ("https://developers.facebook.com/docs/instagram-api/reference/ig-user/media",),
            "2026-12-03",
        ),
        "shorts": PlatformRules(
            "9:16",
            Covered(0.15, 0.25, 0.05, 0.12),  # published as pictures only; ours
            60,
            8 * _MBIT,
            180,
            256 * _GB,  # reported
            (
                "https://support.google.com/youtube/answer/15424877",
                "https://support.google.com/youtube/answer/1722171",
            ),
            "2026-12-03",
        ),
        "youtube": PlatformRules(
            "16:9",
            _EDGES,  # nothing is covered for long; ours
            60,
            8 * _MBIT,
            12 * 3600,  # reported, of accounts that are verified; others have 15 minutes
            256 * _GB,  # reported
            ("https://support.google.com/youtube/answer/1722171",),
            "2026-12-03",
        ),
        "linkedin": PlatformRules(
            "4:5",
            _EDGES,  # not published; ours
            30,
            8 * _MBIT,  # not published; ours
            1800,
            500 * _MB,
            ("https://www.linkedin.com/help/lms/answer/a424737",),
            "2026-12-03",
        ),
        "meta-feed": PlatformRules(
            "4:5",
            _EDGES,  # not published for feeds; ours
            30,  # not published, but for a fixed rate; ours
            8 * _MBIT,  # not published; ours
            241 * 60,  # reported
            4 * _GB,  # reported
            ("https://www.facebook.com/business/help/103816146375741",),
            "2026-12-03",
        ),
    }
)


class Frame(tuple[int, int]):
    """A size in pixels that knows what an app covers of it; it is taken wherever a size is."""

    covered: Covered

    def __new__(cls, size: tuple[int, int], covered: Covered) -> Self:
        made = super().__new__(cls, size)
        made.covered = covered
        return made


def bit_rate(platform: Platform, fps: float) -> int:
    """Bits a second of the picture, at most."""
    rules = PLATFORMS[platform]
    return rules.bit_rate if fps <= _FAST else rules.bit_rate * 3 // 2


def fit_rate(platforms: Iterable[Platform], rate: Fraction) -> Fraction:
    """Frames a second that all of the platforms take: the same, half as many, or what is nearest."""
    most = min(PLATFORMS[one].fps for one in platforms)
    if rate > most:
        rate = rate / 2 if rate / 2 >= _LEAST_FPS else Fraction(most)
    return rate if rate >= _LEAST_FPS else Fraction(24)


def too_long(platforms: Iterable[Platform], seconds: float) -> Iterator[str]:
    """A sentence for each platform whose longest time a film exceeds."""
    for name in platforms:
        longest = PLATFORMS[name].seconds
        if seconds > longest:
            yield f"{name} takes at most {longest:,} s: this film has {seconds:,.1f}"


def too_fast(platforms: Iterable[Platform], fps: float) -> Iterator[str]:
    """A sentence for each platform that takes fewer frames a second than a film has."""
    for name in platforms:
        most = PLATFORMS[name].fps
        if fps > most:
            yield f"{name} takes at most {most} frames a second: this film has {fps:g}"


def too_large(platform: Platform, size_bytes: int) -> Iterator[str]:
    """A sentence if a file is larger than a platform takes."""
    largest = PLATFORMS[platform].size_bytes
    if size_bytes > largest:
        yield f"{platform} takes at most {largest:,} bytes: this film has {size_bytes:,}"
