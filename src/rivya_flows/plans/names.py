"""Names that are equal on every machine: hashes, idempotency keys, labels."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from rivya_client.printable import printable
from rivya_flows.language.canonical import digest
from rivya_flows.language.wording import cut

if TYPE_CHECKING:
    from rivya_flows.language.workflow import Inputs, Workflow

_LONGEST_KEY = 40  # characters of a key in a message
_LONGEST_SLUG = 24  # characters of a key in the name of a step

BATCH_LABEL = "batch"
"""The label of the runs of a batch, whose value is the batch's id; one that the user gives stays."""

RUNTIME = "*"
"""Key of the one entry that represents the items of a run-time fan-out."""


def idempotency_key(nonce: str, step: str, key: str, n: int) -> str:
    """The key of one purchase: 68 ASCII characters, equal after every crash.

    The API takes at most 255 printable ASCII characters (contract, section 2.4, a convention).
    """
    return "rvf-" + digest([nonce, step, key, n])


def trace_name(run_id: str, step: str, key: str, n: int) -> str:
    """The `client_request_id` of a job, which names its item in printable ASCII."""
    name = f"{run_id}/{label(step, key)}#{n}"
    return name.encode("ascii", "replace").decode()[:128]


def label(step: str, key: str) -> str:
    """``step[key]``, or the step alone where it does not fan out."""
    return f"{step}[{key}]" if key else step


def short_label(step: str, key: str) -> str:
    """As `label`, for messages: a long key, such as a whole prompt, is cut."""
    return label(step, cut(key, _LONGEST_KEY))


def first_of(items: Sequence[tuple[str, str]]) -> str:
    """Items that fared alike, by step and key, for messages: ``stills[neon] and 2 more``."""
    more = f" and {len(items) - 1} more" if len(items) > 1 else ""
    return short_label(*items[0]) + more


def subject_of(workflow: Workflow, inputs: Inputs, *, prose: bool = True) -> str:
    """What a run is about, in a line: its first one-line text or choice; with `prose`, else a long one."""
    for types in (("string", "enum"), ("text",) if prose else ()):
        for name, described in workflow.inputs.items():
            if described.type in types:
                value = str(inputs.get(name, described.default) or "")
                if text := " ".join(printable(value).split()):
                    return cut(text)
    return ""


def round_name(pick: str, step: str, number: int) -> str:
    """The step that buys the candidates of a pick again: ``pick.step.2``, for the first such round."""
    return f"{pick}.{step}.{number + 1}"


def is_round(step: str) -> bool:
    """Whether a step runs in a round of a pick or of `repeat`: no other name has a dot."""
    return "." in step


_ROUND = re.compile(r"(?P<owner>.*?)(?:\.(?P<bought>[a-z]\w*))?\.(?P<number>\d+)(?P<inside>__\w+)?")


def round_title(step: str) -> str:
    """A round for people: ``stills, round 2`` of ``hero.stills.2``, ``draft__still, round 2``."""
    found = _ROUND.fullmatch(step)
    if found is None:
        return step
    name = (found["bought"] or found["owner"]) + (found["inside"] or "")
    return f"{name}, round {found['number']}"


def space_names(include: str, keys: Sequence[str], taken: Collection[str] = ()) -> dict[str, str]:
    """What the names of the steps of each item of an `include` start with, by its key: ``market__de``.

    Where the letters and digits of a key name no item, or several, its place stands behind them.
    """
    slugs = list(map(_slug, keys))
    counts = Counter(slugs)
    names = [f"{include}__{one}" if one and counts[one] == 1 else "" for one in slugs]
    used = {*taken, *names}
    for place, slug in enumerate(slugs):
        if not names[place] or names[place] in taken:
            stem, number = f"{include}__{slug}_" if slug else f"{include}__", place
            while (name := f"{stem}{number}") in used:
                number += len(keys)
            names[place] = name
            used.add(name)
    return dict(zip(keys, names, strict=True))


def _slug(key: str) -> str:
    """The letters and digits of a key, as a part of a name: no ``__`` is in it, or at its ends."""
    plain = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_LONGEST_SLUG].strip("_")


def join_keys(keys: Sequence[str]) -> str:
    """Keys as part of a sentence; ``;`` stands between them where one has a comma itself."""
    return ("; " if any("," in key for key in keys) else ", ").join(keys)
