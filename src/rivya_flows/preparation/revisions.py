"""Folders as a revision of Git has them, by the program `git`.

A repository may be a stranger's: files are read as they are stored, by their hashes. No filter, hook or attribute of the
repository applies, no link is followed, and nothing is fetched.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rivya_flows.environment import machine_environment, variables
from rivya_flows.errors import UsageError, explain_os_error
from rivya_flows.language.wording import preview

MAX_FILES, MAX_BYTES = 10_000, 256 << 20
"""Of all that one folder has at a revision."""

_MODES = ("100644", "100755")
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/.{,800}\noid sha256:([0-9a-f]{64})\n", re.S)  # fmt: skip


@dataclass(frozen=True)
class Revision:
    """A commit, under the name that it was asked for, of the repository whose work tree is at `root`."""

    name: str
    commit: str
    root: Path


def find_revision(name: str, folder: Path) -> Revision:
    """The commit that a name such as ``origin/main`` or ``HEAD~2`` means in the repository of a folder."""
    found = _call(folder, "rev-parse", "--show-toplevel")
    if found.returncode:
        reason = found.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        hint = "compare with a file: --against old.yaml"
        raise UsageError(f"{folder}: no work tree of Git: {reason}", hint)
    root = Path(_text(found.stdout))
    found = _call(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")  # fmt: skip
    commit = _text(found.stdout)
    if found.returncode or not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        what = f"no commit {preview(name)} in the Git repository {root}"
        hint = "fetch it, or give another revision, or a file that ends in .yaml"
        if _text(_call(root, "rev-parse", "--is-shallow-repository").stdout) == "true":
            what = f"{what}, a shallow clone"
            hint = (
                "clone all of it: `fetch-depth: 0` of actions/checkout, or `GIT_DEPTH: 0` in GitLab"
            )
        raise UsageError(what, hint)
    return Revision(name, commit, root)


def write_folder(revision: Revision, folder: Path, target: Path) -> list[str]:
    """Writes what a folder of the work tree had at the revision, without hidden files and links.

    Gives the files that are not written because Git LFS has not fetched what is in them.
    """
    root, inside, unfetched = revision.root.resolve(), folder.resolve(), list[str]()
    if not inside.is_relative_to(root):
        message = f"{folder}: is not in the Git repository {root}"
        raise UsageError(message, "compare the specs of one repository at a time")
    place = inside.relative_to(root).as_posix()
    tree = f"{revision.commit}:{'' if place == '.' else place}"
    files = list(_files(_call(root, "ls-tree", "-r", "-z", "-l", tree).stdout))
    if len(files) > MAX_FILES or sum(size for _, size, _ in files) > MAX_BYTES:
        limits = f"{MAX_FILES:,} files and {MAX_BYTES >> 20} MiB"
        message = f"{folder}: has more than {limits} at {preview(revision.name)}"
        raise UsageError(message, "have a folder for specs and what they name alone")
    with explain_os_error(target, "free disk space, then try again"):
        target.mkdir(parents=True)
        left = MAX_BYTES - sum(size for _, size, _ in files)
        for path, content in _contents(root, files):
            pointer = _POINTER.match(content)
            found = _lfs_content(root, pointer[1].decode(), left) if pointer else content
            left -= len(found or b"") if pointer else 0  # many may lead to the same
            if found is None:
                unfetched.append(path)
                continue
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes(found)
    return unfetched


def _files(listed: bytes) -> Iterator[tuple[str, int, str]]:
    """Hash, size and path of the plain files of `ls-tree`, without those that are hidden, or above the folder."""
    for line in filter(None, listed.split(b"\0")):
        about, _, name = line.partition(b"\t")
        mode, _, hash_, size = about.decode().split()
        path = PurePosixPath(name.decode(errors="surrogateescape"))
        hidden = any(part.startswith(".") for part in path.parts)
        if mode in _MODES and not (hidden or path.is_absolute()):
            yield hash_, int(size) if size.isdecimal() else 0, str(path)


def _contents(root: Path, files: list[tuple[str, int, str]]) -> Iterator[tuple[str, bytes]]:
    hashes = "".join(f"{hash_}\n" for hash_, _, _ in files).encode()
    answer, at = _call(root, "cat-file", "--batch", given=hashes).stdout, 0
    for hash_, size, path in files:
        head = f"{hash_} blob {size}\n".encode()
        if not answer.startswith(head, at):
            message = f"Git has never fetched {preview(path)} as it was"
            raise UsageError(message, "clone without `--filter`")
        at += len(head) + size + 1
        yield path, answer[at - size - 1 : at - 1]


def _lfs_content(root: Path, hash_: str, most: int) -> bytes | None:
    """What Git LFS has of a file; None if it has not fetched it, or has more than `most` bytes."""
    common = _text(_call(root, "rev-parse", "--git-common-dir").stdout)
    path = root / common / "lfs" / "objects" / hash_[:2] / hash_[2:4] / hash_
    return path.read_bytes() if path.is_file() and path.stat().st_size <= most else None


def _call(folder: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Without the variables of Git, which name another repository inside a hook."""
    own = machine_environment(variables())
    own |= {"LC_ALL": "C", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-C", str(folder), *arguments]
    with explain_os_error("git", "install Git, or compare with a file: --against old.yaml"):
        return subprocess.run(command, input=given, capture_output=True, env=own, check=False)


def _text(output: bytes) -> str:
    return output.decode(errors="surrogateescape").removesuffix("\n")
