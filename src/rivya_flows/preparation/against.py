"""Compare what specs cost now with what they cost before: as of a revision of Git, or of another file."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.prices import Price
from rivya_flows.errors import Diagnostic, RivyaError, SpecError, UsageError, hint_of
from rivya_flows.estimate.estimate import Estimate, StepEstimate, greatest
from rivya_flows.language.workflow import Inputs, Workflow
from rivya_flows.preparation.prepare import RunRequest, prepare_offline, verdict
from rivya_flows.preparation.revisions import Revision, find_revision, write_folder
from rivya_flows.preparation.spec_file import (
    NO_SPEC,
    project_specs,
    read_inputs,
    read_spec,
    specs_at,
)
from rivya_flows.receipt.phrases import credits_of, without_bound
from rivya_flows.scratch import scratch
from rivya_flows.spec.brand_files import check_brand


@dataclass(frozen=True)
class Priced:
    """A spec by a catalogue alone; `problems` say why it has no estimate."""

    estimate: Estimate | None
    problems: tuple[Diagnostic, ...] = ()

    @property
    def lacks_inputs(self) -> bool:
        """Whether it is right, and only needs values to have a price."""
        return bool(self.problems) and all(one.code == "missing-input" for one in self.problems)

    @property
    def price(self) -> Price | None:
        """The least and the most that a run spends, which its budget bounds too."""
        if (found := self.estimate) is None:
            return None
        return Price(found.min, None if found.most is None else max(found.min, found.most), "")

    @property
    def steps(self) -> dict[str, Price]:
        """The price of each step."""
        return {one.id: _price_of(one) for one in (self.estimate.steps if self.estimate else ())}

    @property
    def models(self) -> list[str]:
        """The models that it may buy from, in the order of its steps."""
        steps = self.estimate.steps if self.estimate else ()
        items = (item for step in steps for item in step.items)
        return list(dict.fromkeys(name for one in items for name in (one.model, *one.fallback) if name))  # fmt: skip


def _price_of(step: StepEstimate) -> Price:
    prices = [item.price for item in step.items]
    return Price(sum(one.min for one in prices), greatest(prices), "")


@dataclass(frozen=True)
class Limits:
    """How dear a spec may be, or get: its most credits, and percent of its old price; None: no limit."""

    most: int | None = None
    increase: Decimal | None = None


_NAME = re.compile(r"^name: *(\S+)", re.MULTILINE)

Files = dict[Path, Path]
"""Where each spec is read, by the path that it is known by."""

Pair = tuple[Price | None, Price | None]
"""Before and now."""


@dataclass(frozen=True)
class SpecChange:
    """A spec before and now; None: it does not exist."""

    file: str
    old: Priced | None
    new: Priced | None
    limits: Limits

    @property
    def prices(self) -> Pair:
        """Before and now; None: it does not exist, or its price is not known."""
        return self.old.price if self.old else None, self.new.price if self.new else None

    @cached_property
    def steps(self) -> dict[str, Pair]:
        """Each step, in the order of now."""
        old, new = (one.steps if one else {} for one in (self.old, self.new))
        return {name: (old.get(name), new.get(name)) for name in dict.fromkeys((*new, *old))}

    @property
    def models(self) -> tuple[list[str], list[str]]:
        """New models, and those that it does not use any more."""
        old, new = (one.models if one else [] for one in (self.old, self.new))
        return [one for one in new if one not in old], [one for one in old if one not in new]

    @property
    def word(self) -> str:
        """``new``, ``gone``, ``unknown``, ``changed`` or ``same``."""
        if self.old is None or self.new is None:
            return "new" if self.old is None else "gone"
        if None in self.prices:
            return "unknown"
        same = all(old == new for old, new in (self.prices, *self.steps.values()))
        return "same" if same and self.models == ([], []) else "changed"

    @property
    def wrong(self) -> tuple[Diagnostic, ...]:
        """The mistakes that it has now; a missing input is none."""
        return self.new.problems if self.new and not self.new.lacks_inputs else ()

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why its price is not agreed."""
        found = self.new.estimate if self.new else None
        if found is None:
            is_limited = self.limits != Limits() and self.new is not None
            return ("its price is not known",) if is_limited else ()
        over = [] if found.verdict == "ok" else [verdict(found)]
        return (*over, *self._over_most(found), *self._over_increase())

    def _over_most(self, found: Estimate) -> Iterator[str]:
        limit = self.limits.most
        if limit is None or (found.most is not None and found.most <= limit):
            return
        what = f"without a greatest price: {without_bound(found)}"
        if found.most is not None:
            what = f"at most {credits_of(found.most)}"
        yield f"{what}; the limit is {limit}"

    def _over_increase(self) -> Iterator[str]:
        """A spec without an old price does not get dearer; the most that it may cost is bounded by itself."""
        (old, new), limit = self.prices, self.limits.increase
        if limit is None or old is None or new is None:
            return
        for word, before, now in (("most", old.max, new.max), ("least", old.min, new.min)):
            if before is not None and (now is None or now * 100 > before * (100 + limit)):
                has = "has no bound" if now is None else f"grows from {before} to {now}"
                yield f"the {word} that it costs {has}; the limit is {limit:f} % more than {before}"
                return

    def as_json(self) -> dict[str, object]:
        """The change as ``--format json`` prints it."""
        added, gone = self.models
        old, new = (one.problems if one else () for one in (self.old, self.new))
        return {
            "file": self.file,
            "change": self.word,
            **_bounds(self.prices),
            "models": {"new": added, "gone": gone},
            "steps": [{"id": name, **_bounds(pair)} for name, pair in self.steps.items()],
            "problems": {
                "old": [one.as_json() for one in old],
                "new": [one.as_json() for one in new],
            },
            "refused": self.refusals,
        }


def _bounds(pair: Pair) -> dict[str, object]:
    old, new = (one and {"min": one.min, "max": one.max} for one in pair)
    return {"old": old, "new": new}


@dataclass(frozen=True)
class Comparison:
    """What specs cost before and now; `commit` is None if another file is what was before."""

    against: str
    commit: str | None
    catalogue: Catalogue
    specs: tuple[SpecChange, ...]


def compare(
    paths: Sequence[Path],
    against: str,
    assignments: Sequence[str],
    limits: Limits,
    catalogue: Catalogue,
) -> Comparison:
    """Prices specs, and those of folders, now and before; sends nothing.

    What ends in ``.yaml`` is another file, which the one spec is compared with. Everything else is a revision of Git, so
    that no file of a stranger can pass for one.
    """
    named = [project_specs(path) for path in paths]
    now = {one: one for path in named for one in _specs_at(path)}
    pricing = _Pricing(assignments, limits, catalogue)
    if against.endswith((".yaml", ".yml")):
        if len(now) != 1 or named[0].is_dir():
            message = f"{against} is one file, and is compared with one spec"
            raise UsageError(message, "name one spec, or a revision of Git such as origin/main")
        read_spec(Path(against))  # says what is wrong with the path
        specs = pricing.changes(now, dict.fromkeys(now, Path(against)), {})
        return Comparison(against, None, catalogue, specs)
    revision = find_revision(against, _folder_of(named[0]))
    with scratch() as place:
        before, unfetched = _before(named, revision, place)
        if not now and not before:
            raise UsageError(f"{named[0]}: {NO_SPEC}")
        specs = pricing.changes(now, _under_new_names(before, now), unfetched)
    return Comparison(against, revision.commit, catalogue, specs)


def _specs_at(path: Path) -> list[Path]:
    """The specs of a folder, without brands; a file is itself."""
    return [one for one in specs_at(path) if not (path.is_dir() and _is_brand(one))]


def _is_brand(path: Path) -> bool:
    with suppress(UsageError):  # said where it is priced
        return check_brand(read_spec(path).text, str(path), None) is not None
    return False


def _folder_of(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _before(
    paths: Sequence[Path], revision: Revision, place: Path
) -> tuple[Files, dict[Path, Sequence[str]]]:
    """The specs as the revision has them, and by folder the files that Git LFS has not fetched."""
    before, unfetched = Files(), dict[Path, Sequence[str]]()
    for path in paths:
        folder = _folder_of(path)
        had = place / str(list(dict.fromkeys(map(_folder_of, paths))).index(folder))
        if folder not in unfetched:
            unfetched[folder] = write_folder(revision, folder, had)
        found = _specs_at(had) if path.is_dir() else [had / path.name]
        before |= {folder / one.name: one for one in found if one.is_file()}
    return before, unfetched


def _under_new_names(before: Files, now: Files) -> Files:
    """The specs as they were, one in another file now under that: no other has its `name`, before or now."""
    old, new = (_by_name(files) for files in (before, now))
    moved = {
        old[name][0]: new[name][0]
        for name in old.keys() & new.keys()
        if len(old[name]) == len(new[name]) == 1
    }
    return {moved.get(path, path): file for path, file in before.items()}


def _by_name(files: Files) -> dict[str, list[Path]]:
    found = defaultdict[str, list[Path]](list)
    for path, file in files.items():
        with suppress(UsageError):  # said where it is priced
            if named := _NAME.search(read_spec(file).text):
                found[named[1]].append(path)
    return found


@dataclass(frozen=True)
class _Pricing:
    """Prices specs with the same inputs; `used` are the assignments that one of them declares."""

    assignments: Sequence[str]
    limits: Limits
    catalogue: Catalogue
    used: set[str] = field(default_factory=set)

    def changes(
        self, now: Files, before: Files, unfetched: Mapping[Path, Sequence[str]]
    ) -> tuple[SpecChange, ...]:
        found = []
        for path in sorted({*now, *before}):
            old, new = (self._price(path, files.get(path)) for files in (before, now))
            if old and old.estimate is None and (lacking := unfetched.get(path.parent)):
                message = f"Git LFS has not fetched {lacking[0]!r:.200} as it was"
                old = Priced(None, (Diagnostic("bad-file", message, file=str(path)),))
            found.append(SpecChange(str(path), old, new, self.limits))
        unused = [one for one in self.assignments if one not in self.used]
        if unused and not any(one.wrong for one in found):
            name = unused[0].partition("=")[0]
            raise UsageError(f"no spec has the input {name!r:.60}", "write -i NAME=VALUE")
        return tuple(found)

    def _price(self, path: Path, file: Path | None) -> Priced | None:
        if file is None:
            return None
        try:
            request = RunRequest(replace(read_spec(file), name=str(path)), self._inputs)
            return Priced(prepare_offline(request, self.catalogue).estimate)
        except SpecError as error:
            return Priced(None, error.diagnostics)
        except RivyaError as error:
            message = str(error).removeprefix(f"{file}: ")
            problem = Diagnostic("bad-file", message, hint_of(error), file=str(path))
            return Priced(None, (problem,))

    def _inputs(self, workflow: Workflow) -> Inputs:
        """Those that the spec declares, since several specs share them."""
        own = [one for one in self.assignments if one.partition("=")[0].strip() in workflow.inputs]
        self.used.update(own)
        return read_inputs(own, None)(workflow)
