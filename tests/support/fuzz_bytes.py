"""Inputs made out of other inputs: cut, doubled, joined, and with words that parsers know."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

LARGEST = 200_000
"""Bytes of an input: growth beyond this finds what `LARGEST` bytes find."""

# fmt: off
WORDS = (
    b"", b"\x00", b"\xff\xfe", b"\x1b[2J", b"\xed\xa0\xbd", b"\xe2\x80\xae", b"\xcc\x81" * 40, b"\r\n", b"\n\n",
    b"null", b"true", b"-1", b"0", b"1e999", b"NaN", b"9" * 30, b"9" * 5000, b"0.1", b'""', b"{}", b"[]", b"{", b"[",
    b"[" * 2000, b'{"a":' * 2000, b"]", b"}", b'"', b"'", b"\\ud83d", b"\\u0000", b"\\", b":", b",", b"#", b"&a ", b"*a",
    b"<<: ", b"!!python/object ", b"- ", b"? ", b"| ", b"${{ ", b" }}", b"${{ inputs.text }}", b" | slug", b" | json",
    b" if ", b" else ", b" ~ ", b" % ", b" // ", b" ** ", b" in ", b" not ", b"[0]", b"[-1:]", b".by['a']", b"(", b")",
    b"inputs:\n", b"  a: {type: list, of: file, default: [a]}\n", b"steps:\n", b"matrix: ", b"foreach: ", b"zip: ",
    b"deploy:\n", b"data: ", b"event: ", b"event: error\n", b"data: [DONE]\n\n", b'{"error":', b'"id":', b'"status":',
    b'"urls":', b'"data":', b"v1=", b"x" * 3000, b"2026-01-01T00:00:00Z", b"PT1H", b"99999d", b"../..", b"file://",
)
# fmt: on

Draw = Callable[[int, int], int]
"""A whole number between two, both included."""


def mutated(corpus: Sequence[bytes], draw: Draw, changes: int) -> bytes:
    """A member of the corpus after so many changes."""
    data = corpus[draw(0, len(corpus) - 1)]
    for _ in range(changes):
        data = _changed(data, corpus, draw)[:LARGEST]
    return data


def _changed(data: bytes, corpus: Sequence[bytes], draw: Draw) -> bytes:
    begin = draw(0, len(data))
    end = min(len(data), begin + draw(0, 40))
    part = data[begin:end]
    match draw(0, 6):
        case 0:
            return data[:begin] + data[end:]
        case 1:
            return data[:end] + part * draw(1, 60) + data[end:]
        case 2:
            return data[:begin] + bytes([draw(0, 255)]) + data[begin + 1 :]
        case 3:
            other = corpus[draw(0, len(corpus) - 1)]
            at = draw(0, len(other))
            return data[:begin] + other[at : at + 400] + data[end:]
        case 4:
            return data[:begin]
        case 5:
            return data[:begin] + WORDS[draw(0, len(WORDS) - 1)] + data[begin:]
        case _:
            return data[:begin] + WORDS[draw(0, len(WORDS) - 1)] + data[end:]


@st.composite
def bytes_like(draw: st.DrawFn, corpus: Sequence[bytes]) -> bytes:
    """Mutations of a corpus for Hypothesis, which shrinks what it finds."""
    return mutated(corpus, lambda a, b: draw(st.integers(a, b)), draw(st.integers(0, 8)))


def by_chance(corpus: Sequence[bytes], chance: random.Random) -> bytes:
    """The same for a long run, much faster."""
    return mutated(corpus, chance.randint, chance.choice((1, 1, 2, 3, 5, 8, 20)))
