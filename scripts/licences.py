"""Writes docs/reference/licences.md: every locked package with its licence and the extra that brings it.

Licences come from the packages' metadata, or from `KNOWN` with a source if the metadata are missing or
inexact. An unknown licence is an error, and so is one that asks for more than a notice without an
entry in `NOTES`. `--check` writes nothing and fails if the page is stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "licences.md"
LOCKS = ROOT / "locks"
ORDER = (
    "install",
    "base",
    "sandbox",
    "postgres",
    "redis",
    "s3",
    "c2pa",
    "otio",
    "voices",
    "cjk",
    "mcp",
    "build",
    "dev",
    "bench",
)
_PIN = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)

SPELLINGS = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT Licence": "MIT",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "The MIT License (MIT)": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
}
"""SPDX identifiers of licence names in metadata."""

NOTICE_ONLY = frozenset(
    [
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "PSF-2.0",
        "Zlib",
    ]
)
"""Licences that only require keeping their text and the authors' names."""

_OWN = "the licence file in its wheel"
_BENCH = "of scripts/bench only; the metadata of its wheel"
_ELSEWHERE = "not installed on every platform; the metadata of its wheel"
KNOWN: Mapping[str, tuple[str, str]] = {
    "axe-playwright-python": (
        "MIT AND MPL-2.0",
        "its LICENSE file; axe.min.js names the MPL for axe-core",
    ),
    "async-timeout": ("Apache-2.0", _ELSEWHERE),
    "colorama": ("BSD-3-Clause", _OWN),
    "contourpy": ("BSD-3-Clause", _BENCH),
    "croniter": ("MIT", _BENCH),
    "cronsim": ("BSD-3-Clause", _OWN),
    "cycler": ("BSD-3-Clause", _BENCH),
    "dbos": ("MIT", _BENCH),
    "espeakng-loader": (
        "GPL-3.0-or-later",
        "the COPYING file of eSpeak NG, whose library and data are in the wheel",
    ),
    "fonttools": ("MIT", _BENCH),
    "httpx2-jsfetch": ("BSD-3-Clause", _ELSEWHERE),
    "itsdangerous": ("BSD-3-Clause", _OWN),
    "jinja2": ("BSD-3-Clause", _OWN),
    "jinja2-humanize-extension": ("BSD-3-Clause", _OWN),
    "kiwisolver": ("BSD-3-Clause", _BENCH),
    "matplotlib": ("PSF-2.0", _BENCH),
    "pendulum": ("MIT", _ELSEWHERE),
    "pyparsing": ("MIT", _BENCH),
    "python-dateutil": ("Apache-2.0 AND BSD-3-Clause", _OWN),
    "pywin32": ("PSF-2.0", _ELSEWHERE),
    "resvg-py": ("MIT", _OWN),
    "s3fs": ("BSD-3-Clause", _OWN),
    "text-unidecode": ("Artistic-1.0-Perl OR GPL-2.0-or-later", _OWN),
    "tzdata": ("Apache-2.0", _ELSEWHERE),
}
"""Licences missing in the metadata, with their source."""

NOTES: Mapping[str, str] = {
    "av": "the wheel links FFmpeg with x264 and x265, see above",
    "certifi": "changes to its files stay under the MPL",
    "espeakng-loader": "see above; runs as a separate process",
    "hibari-tts": "the voice in the wheel is under the same licence, see above",
    "hypothesis": "tests only",
    "orjson": "changes to its files stay under the MPL",
    "pathspec": "tests only",
    "psycopg": "a library; those who distribute it let users replace it",
    "psycopg-binary": "as psycopg; the wheel brings libpq, OpenSSL, Kerberos and OpenLDAP too",
    "text-unidecode": "used under the Artistic License",
}
"""Notes about packages; required for each licence beyond `NOTICE_ONLY`."""

INTRODUCTION = """\
# Licences

rivya-flows is under Apache-2.0. This page lists every package of `locks/`, with the licence of its metadata as an
SPDX expression, and what brings it: `install`, which `scripts/install` installs with, `base` for every installation, extras, or `bench`, the environment of `scripts/bench`. If the metadata have no licence, the source
of the licence is given. `scripts/licences` writes this page, and fails if a licence is unknown.

## Duties when you distribute an image

Installing packages with pip has no such duties: each comes from its author. If you distribute an image or an installer that
contains them, comply with their licences:

* **PyAV** (`av`, in every installation) is BSD-3-Clause. Its wheels link FFmpeg, which calls itself LGPL-3.0-or-later and
  loads **x264** and **x265**, both GPL-2.0-or-later. The whole is under the GPL: include the licence, and the source of
  exactly these libraries or a written offer of it. PyAV publishes the build scripts of its FFmpeg.
  The wheel also has dav1d, GnuTLS, LAME, Nettle, OpenCORE AMR, Opus, SVT-AV1, libvpx, libwebp and others.
* **eSpeak NG** (`espeakng-loader`, extra `voices` only) is GPL-3.0-or-later: the same duties. It runs as a
  separate process, and nothing else needs it.
* **psycopg** (extra `postgres`) is LGPL-3.0-only: include the licence, and let users replace the library.
* **Fonts** are files of rivya-cut, in `rivya_cut/fonts` (Poppins, Playfair Display, Bebas Neue, Space Grotesk, Noto Color Emoji, Noto Sans in
  twenty scripts; `.woff2` is the same font compressed, for contact sheets), and of rivya-sandbox (Noto Emoji), unmodified, under the SIL Open Font License 1.1. They may be bundled
  and embedded, and may not be sold by themselves: keep the `*-OFL.txt` files beside them.
* **The voice** (`hibari-tts`, extra `sandbox`) is Apache-2.0, as are Kokoro-82M, its teacher model, and misaki, whose
  dictionaries it contains; spaCy's word table is MIT. Keep its NOTICE file.

The Dockerfile installs `postgres`, `redis` and `s3`: no voice and no eSpeak NG are in the image.

`compose.yaml` uses images as their authors publish them: PostgreSQL (PostgreSQL License), Redis 7.4
(RSALv2 or SSPLv1, at your choice; neither allows selling Redis as a service), versitygw (Apache-2.0), Python (PSF-2.0) on
Debian.

Many wheels list their compiled components in `*.dist-info/sboms`, as CycloneDX.

"""


class UnknownError(Exception):
    """A licence is unknown, or requires more than a notice and has no note."""


def brought_by(locks: Path) -> dict[str, list[str]]:
    """The extras that bring each package, by ``name==version``; `base` first."""
    found: dict[str, list[str]] = {}
    for name in ORDER:
        for pin in _PIN.finditer((locks / f"{name}.txt").read_text("utf-8")):
            found.setdefault(f"{pin[1]}=={pin[2]}", []).append(name)
    return found


def licence(name: str) -> tuple[str, str]:
    """The SPDX expression of a package, and its source, which is empty for metadata.

    Raises:
        UnknownError: The licence is unknown.
    """
    if name in KNOWN:
        return KNOWN[name]
    try:
        fields = metadata(name)
    except PackageNotFoundError:
        raise UnknownError(
            f"{name} is not installed: scripts/install, or add it to KNOWN"
        ) from None
    for text in _licence_names(fields):
        if not text:
            continue
        if text in SPELLINGS or set(_parts(text)) <= NOTICE_ONLY | {"MPL-2.0", "OFL-1.1"}:
            return SPELLINGS.get(text, text), ""
    if fields["License-Expression"]:
        return str(fields["License-Expression"]), ""
    raise UnknownError(
        f"{name}: {list(_licence_names(fields))} is not a known licence: add it to KNOWN"
    )


def _licence_names(fields: PackageMetadata) -> Iterator[str]:
    """Licence names in the metadata, the most exact first."""
    if text := fields["License-Expression"]:
        yield text
        return
    yield str(fields["License"] or "").strip()
    classified = [one for one in fields.get_all("Classifier") or () if one.startswith("License ::")]
    if len(classified) == 1:
        yield classified[0].rpartition(" :: ")[2]


def _parts(expression: str) -> list[str]:
    return [part for part in re.split(r"\s+(?:AND|OR)\s+|[()]", expression) if part.strip()]


def page(locks: Path = LOCKS) -> str:
    """The whole page.

    Args:
        locks: Folder of the locks.

    Raises:
        UnknownError: Lists every problem.
    """
    packages = brought_by(locks)
    rows, wrong = [], []
    for pin, extras in sorted(packages.items()):
        name, _, version = pin.partition("==")
        try:
            expression, source = licence(name)
        except UnknownError as error:
            wrong.append(str(error))
            continue
        if not set(_parts(expression)) <= NOTICE_ONLY and name not in NOTES and extras != ["dev"]:
            wrong.append(f"{name}: {expression} asks for more than a notice: say what in NOTES")
        note = NOTES.get(name) or (f"source: {source}" if source else "")
        if name in NOTES and source:
            note = f"{note}; source: {source}"
        rows.append(f"| {name} | {version} | {expression} | {', '.join(extras)} | {note} |\n")
    gone = (set(NOTES) | set(KNOWN)) - {pin.partition("==")[0] for pin in packages}
    wrong += [
        f"{name} is not locked any more: take it out of KNOWN and NOTES" for name in sorted(gone)
    ]
    if wrong:
        raise UnknownError("\n".join(wrong))
    head = "| package | version | licence | brought by | |\n| --- | --- | --- | --- | --- |\n"
    return f"{INTRODUCTION}## All packages\n\n{head}" + "".join(rows).replace("|  |", "| |")


def main() -> int:
    """Write the page, or compare it."""
    try:
        made = page()
    except UnknownError as error:
        print(error, file=sys.stderr)
        return 1
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made, "utf-8")
        return 0
    stale = not PAGE.exists() or PAGE.read_text("utf-8") != made
    if stale:
        print(f"{PAGE.name} is stale: run scripts/licences", file=sys.stderr)
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
