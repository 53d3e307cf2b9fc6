"""Speech in languages other than English and Hindi, if the extra ``voices`` is installed."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
import unicodedata
from collections import Counter
from importlib.util import find_spec

import numpy as np

from rivya_sandbox.renderers.espeak import NO_VOICE
from rivya_sandbox.renderers.sound import Sound

_PACKAGE = "espeakng_loader"
_SECONDS = 60.0  # the longest text takes two
_WORDS_A_MINUTE = 160
# First word of a letter's name in Unicode, and the language most likely written with it.
_SCRIPTS = {
    "ARABIC": "ar", "ARMENIAN": "hy", "BENGALI": "bn", "CJK": "cmn", "CYRILLIC": "ru",
    "ETHIOPIC": "am", "GEORGIAN": "ka", "GREEK": "el", "GUJARATI": "gu", "GURMUKHI": "pa",
    "HANGUL": "ko", "HEBREW": "he", "HIRAGANA": "ja", "KANNADA": "kn", "KATAKANA": "ja",
    "MALAYALAM": "ml", "MYANMAR": "my", "ORIYA": "or", "SINHALA": "si", "TAMIL": "ta",
    "TELUGU": "te", "THAI": "th",
}  # fmt: skip
# Letters that only one language of a script has.
_TELLTALES = (("ur", "ٹڈڑںے"), ("fa", "پچژگ"), ("uk", "іїєґ"), ("be", "ў"))
_NAMES = {"zh": "cmn", "no": "nb", "iw": "he"}  # of voices, where they are no ISO 639-1 codes
_WORD = re.compile(r"[^\W\d_]+")


def is_installed() -> bool:
    """Whether the extra ``voices`` is installed."""
    return find_spec(_PACKAGE) is not None


def language_of(text: str) -> str | None:
    """The language that most letters of a text indicate; None for Latin and Devanagari."""
    counts: Counter[str] = Counter()
    for word in _WORD.findall(text):
        scripts = [unicodedata.name(letter, "").partition(" ")[0] for letter in word]
        # One letter alone is a sign, such as that of a micrometre or an ohm.
        known = [_SCRIPTS[script] for script in scripts if script in _SCRIPTS]
        counts.update(known if len(known) > 1 else [])
    if not counts:
        return None
    if "ja" in counts:  # which is written with Chinese characters too
        return "ja"
    likely = counts.most_common(1)[0][0]
    lowered = text.lower()
    if likely in ("ar", "ru"):
        family = ("ur", "fa") if likely == "ar" else ("uk", "be")
        return next(
            (name for name, signs in _TELLTALES if name in family and set(signs) & set(lowered)),
            likely,
        )
    return likely


def say(text: str, language: str, pitch: float, speed: float, rate: int) -> Sound:
    """One channel of speech at `rate` samples in a second.

    Args:
        text: In the language; words in Latin letters are read by the voice's own rules.
        language: ISO 639-1 code, optionally with a region, such as ``pt-br``.
        pitch: As of `voice.Voice`; from 0.9 on it sounds female.
        speed: 1 is usual.
        rate: Of the result.

    Raises:
        ValueError: The extra is missing, or there is no voice for the language.
    """
    if not is_installed():
        raise ValueError(
            f"language {language[:20]!r}: the sandbox speaks English and Hindi, in Latin letters "
            "and Devanagari; for other languages: pip install espeakng-loader"
        )
    code = language.lower().replace("_", "-")
    middle = 0.84 if pitch < 0.9 else 1.02
    asked: dict[str, object] = {
        "text": text,
        "language": _NAMES.get(code, code),
        "variant": "m3" if pitch < 0.9 else "f2",
        "pitch": min(max(round(50 + (pitch - middle) * 200), 0), 99),
        "rate": min(max(round(_WORDS_A_MINUTE * speed), 80), 400),
    }
    done = _run_to_end(asked)
    base = code.partition("-")[0]
    if done.returncode == NO_VOICE and base != code:
        done = _run_to_end(asked | {"language": _NAMES.get(base, base)})
    if done.returncode == NO_VOICE:
        raise ValueError(f"language {language[:20]!r}: there is no voice for it")
    if done.returncode:
        raise ValueError(f"language {language[:20]!r}: its voice failed ({done.returncode})")
    (own,) = struct.unpack_from("<I", done.stdout)
    samples = np.frombuffer(done.stdout, "<i2", offset=4).astype(np.float32) / np.float32(32768)
    count = int(len(samples) * rate / own)
    at = np.arange(count) * (own / rate)
    resampled: Sound = np.interp(at, np.arange(len(samples)), samples)
    return resampled.astype(np.float32)


def _run_to_end(asked: dict[str, object]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            [sys.executable, "-P", "-m", "rivya_sandbox.renderers.espeak"],
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise ValueError(f"language {asked['language']!r}: its voice did not end") from late
