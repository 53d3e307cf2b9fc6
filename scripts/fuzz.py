"""Finds bytes that break a target of ``tests/support/fuzz_targets.py``: ``scripts/fuzz TARGET``.

An input with an undocumented error, or that takes longer than `HANGS_AFTER` seconds, is written to the
corpus as ``find-<hash>``, where the tests replay it. An input with a new outcome is mutated further.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.fuzz_bytes import by_chance
from support.fuzz_targets import CORPUS, TARGETS, Target, seeds

HANGS_AFTER = 20
_MOST_KEPT = 2_000
_OURS = ("rivya_flows", "rivya_client")


class Hangs(BaseException):
    """An input took longer than `HANGS_AFTER` seconds."""


def main() -> int:
    """Fuzz; exit code 1 if there are new finds."""
    lines = argparse.ArgumentParser(description=__doc__)
    lines.add_argument("target", choices=[*TARGETS, "all"])
    lines.add_argument("--seconds", type=float, default=60, help="for each target")
    lines.add_argument(
        "--seed", type=int, default=None, help="of chance; None takes another each time"
    )
    asked = lines.parse_args()
    names = list(TARGETS) if asked.target == "all" else [asked.target]
    signal.signal(signal.SIGALRM, _hangs)
    found = sum(_look(name, asked.seconds, random.Random(asked.seed)) for name in names)
    return 1 if found else 0


def _look(name: str, seconds: float, chance: random.Random) -> int:
    """Fuzz one target; returns the number of new kinds of failure."""
    corpus = [path.read_bytes() for path in seeds(name)]
    seen: set[str] = set()
    failures: set[str] = set()
    until, tried = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        data = by_chance(corpus, chance)
        tried += 1
        outcome, where = _outcome(TARGETS[name], data)
        if where is not None and where not in failures:
            failures.add(where)
            path = CORPUS / name / f"find-{hashlib.sha256(data).hexdigest()[:12]}"
            path.write_bytes(data)
            print(f"{name}: {path.name} ({len(data)} bytes): {where}", flush=True)
        elif where is None and outcome not in seen and len(corpus) < _MOST_KEPT:
            seen.add(outcome)
            corpus.append(data)
    print(f"{name}: {tried:,} inputs, {len(seen)} outcomes, {len(failures)} finds", flush=True)
    return len(failures)


def _outcome(target: Target, data: bytes) -> tuple[str, str | None]:
    """The outcome of an input, and where it failed, or None."""
    signal.alarm(HANGS_AFTER)
    try:
        with _silent(), _lines() as lines:
            target(data)
    except (Exception, Hangs) as error:
        # One find for each error type and line of our code, regardless of the message.
        ours = [one for one in traceback.extract_tb(error.__traceback__) if _is_ours(one.filename)]
        place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "in the target"
        return "", f"{type(error).__name__} ({place})"
    finally:
        signal.alarm(0)
    return str(hash(frozenset(lines))), None


def _is_ours(path: str) -> bool:
    return any(one in path for one in _OURS)


@contextlib.contextmanager
def _lines() -> Iterator[set[tuple[str, int]]]:
    """Our functions that an input reaches; inputs that reach new ones are kept."""
    called: set[tuple[str, int]] = set()

    def note(frame: object, event: str, arg: object) -> None:
        code = frame.f_code  # type: ignore[attr-defined]  # a frame
        if _is_ours(code.co_filename):
            called.add((code.co_filename, code.co_firstlineno))

    sys.settrace(note)
    try:
        yield called
    finally:
        sys.settrace(None)


def _silent() -> contextlib.redirect_stderr[io.StringIO]:
    return contextlib.redirect_stderr(io.StringIO())


def _hangs(_number: int, _frame: object) -> None:
    raise Hangs(f"over {HANGS_AFTER} s")


if __name__ == "__main__":
    sys.exit(main())
