"""Builds wheels and source distributions that have the same bytes wherever and whenever a commit is packaged.

What differs between two machines is taken away: the time, owner, mode and order of files. A page of a
registry shows the README without the repository around it, so its links become absolute, or words.
"""

from __future__ import annotations

import gzip
import io
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from email.parser import HeaderParser
from pathlib import Path

LINK = re.compile(r"(?P<picture>!?)\[(?P<words>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^)\s]+)\)")


def for_a_registry(text: str, folder: str, base: str) -> str:
    """A README whose links lead somewhere without its repository.

    Args:
        text: In Markdown.
        folder: Of the README, relative to the repository's root; "" is the root.
        base: Address of the repository's files, such as ``https://example.org/flows/blob/v1``. "" for
            none: links become their words, and pictures are left out.
    """

    def absolute(link: re.Match[str]) -> str:
        target = link["target"]
        if re.match(r"[a-z]+:", target):
            return link[0]
        if not base:
            return "" if link["picture"] else for_a_registry(link["words"], folder, base)
        path, mark, place = target.partition("#")
        path = posixpath.normpath(posixpath.join(folder, path)) if path else f"{folder}/README.md"
        # The page of a picture is no picture.
        at = base.replace("/blob/", "/raw/") if link["picture"] else base
        lines = for_a_registry(link["words"], folder, base)
        return f"{link['picture']}[{lines}]({at}/{path.lstrip('/')}{mark}{place})"

    return LINK.sub(absolute, text)


def copy_tree(root: Path, names: Iterable[Path], source: Path, base: str) -> None:
    """Copies a tree for a build: files with one of two modes, READMEs as a registry shows them."""
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        # src/rivya_flows/flows, tasks and templates are links, and have to stay links.
        shutil.copy(root / name, source / name, follow_symlinks=False)
        if not (source / name).is_symlink():
            (source / name).chmod(0o755 if os.access(root / name, os.X_OK) else 0o644)
    for page in (source / "README.md", *source.glob("packages/*/README.md")):
        folder = page.parent.relative_to(source).as_posix().removeprefix(".")
        page.write_text(for_a_registry(page.read_text("utf-8"), folder, base))


def build(project: Path, out: Path, epoch: int, *kinds: str) -> None:
    """Builds a project; without `kinds` the wheel is built from the source distribution.

    Args:
        project: The folder of its pyproject.toml.
        out: Where the archives go.
        epoch: The time of all files, in seconds since 1970.
        kinds: Options of ``python -m build``.

    Raises:
        subprocess.CalledProcessError: It failed; with what it printed.
    """
    # The backend is the one of locks/build.txt, which scripts/install has checked.
    command = [sys.executable, "-m", "build", "--no-isolation", *kinds, str(project)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
    subprocess.run(
        [*command, "--outdir", str(out)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )


def normalize(sdist: Path, epoch: int) -> None:
    """Rewrites a source distribution: sorted, without an owner, of one time."""
    plain = io.BytesIO()
    with (
        tarfile.open(sdist) as old,
        tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member = member.replace(
                mtime=epoch, mode=mode, uid=0, gid=0, uname="", gname="", deep=False
            )
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    sdist.write_bytes(gzip.compress(plain.getvalue(), mtime=epoch))


def description_faults(wheel: Path) -> list[str]:
    """What is wrong with the metadata that a registry reads from a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        metadata = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    text = metadata.get_payload()
    faults = [
        f"no {field}"
        for field in ("Summary", "License-Expression", "Requires-Python")
        if not metadata[field]
    ]
    if metadata["Description-Content-Type"] != "text/markdown":
        faults.append("the description is not Markdown")
    if not isinstance(text, str) or not text.startswith("# "):
        return [*faults, "the description has no title"]
    links = [one["target"] for one in LINK.finditer(text)]
    links += re.findall(r"<[^>]+ (?:src|srcset|href)=\"([^\"]*)\"", text)
    faults += [f"the link {one}" for one in links if not re.match(r"https?:", one)]
    return faults
