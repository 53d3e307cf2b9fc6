"""What has become of a deployed spec: whether it still works with the models of a service, and for what price."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import JsonValue

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.differences import price_changes
from rivya_client.catalogue.prices import price_of
from rivya_client.catalogue.snapshot import shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.errors import RivyaError, SpecError
from rivya_flows.estimate.estimate import Estimate
from rivya_flows.language.wording import count_noun, cut
from rivya_flows.language.workflow import Deploy
from rivya_flows.plans.budgets import deployed_cap
from rivya_flows.preparation.check import check_spec
from rivya_flows.preparation.prepare import RunRequest, prepare_offline
from rivya_flows.preparation.spec_file import SpecFile, deployed_file
from rivya_flows.receipt.phrases import credits_of
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.deployments import DeployedSpec

_MOST_PROBLEMS, _LONGEST = 20, 300  # of a document, and of each of its texts in characters

Status = Literal["ok", "broken", "dearer"]


class Credits(NamedTuple):
    """What a run costs, in credits; `max` None: only the service knows it."""

    min: int
    max: int | None

    def exceeds(self, other: Credits) -> bool:
        return self.min > other.min or _is_more(self.max, other.max)


def _is_more(credits: int | None, than: int | None) -> bool:
    return than is not None and (credits is None or credits > than)


@dataclass(frozen=True)
class Drift:
    """A deployment as its service would run it now.

    Attributes:
        deployment: As ``flow/deployment``.
        status: `broken`: its runs fail; `dearer`: they cost more than was agreed to, its cap or else `before`.
        cap: The most that a run may spend by its budget, as it was deployed; None for no such number.
        before: What a run cost when it was deployed; None if that depends on inputs that it has not.
        models: The models whose prices changed, a line each.
    """

    deployment: str
    version: str
    problems: tuple[Diagnostic, ...] = ()
    cap: int | None = None
    before: Credits | None = None
    now: Credits | None = None
    models: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        if self.problems:
            return "broken"
        before, now, cap = self.before, self.now, self.cap
        if before is None or now is None or not now.exceeds(before):
            return "ok"
        if cap is None:
            return "dearer"
        # Within its cap it is what was agreed to.
        breaks_off = _is_more(now.max, cap) and not _is_more(before.max, cap)
        return "dearer" if breaks_off or now.min > cap >= before.min else "ok"

    @property
    def sentence(self) -> str:
        """``14 credits a run, 10 credits when it was deployed``."""
        if self.problems:
            first, *more = self.problems
            rest = f", and {count_noun(len(more), 'more problem')}" if more else ""
            return f"no longer works: {cut(first.message, _LONGEST)}{rest}"
        if self.before is None or self.now is None:
            return "works; its price depends on its inputs"
        found = f"{price_of(*self.now)} a run"
        if self.now != self.before:
            found += f", {price_of(*self.before)} when it was deployed"
        return found if self.cap is None else f"{found}; its budget is {credits_of(self.cap)}"

    def as_json(self) -> dict[str, JsonValue]:
        """An entry of ``check --deployed --json``, with bounds."""
        problems: list[JsonValue] = [
            {key: cut(one, _LONGEST) if isinstance(one, str) else one for key, one in found.items()}
            for found in (one.as_json() for one in self.problems[:_MOST_PROBLEMS])
        ]
        return {
            "deployment": self.deployment,
            "version": self.version,
            "status": self.status,
            "problems": problems,
            "credits": {
                "cap": self.cap,
                "before": self.before and {**self.before._asdict()},
                "now": self.now and {**self.now._asdict()},
            },
            "models": [*self.models[:_MOST_PROBLEMS]],
        }


def price_of_entry(
    file: SpecFile, entry: Deploy, catalogue: Catalogue, assets: AssetStore | None = None
) -> Estimate:
    """What a run of a `deploy:` entry costs with the inputs that it has; `RivyaError` if it needs others."""
    request = RunRequest(file, lambda _: entry.inputs, local_files=False)
    return prepare_offline(request, catalogue, assets).estimate


def drift_of(
    deployment: str,
    spec: DeployedSpec,
    before: Credits | None,
    catalogue: Catalogue,
    assets: AssetStore,
) -> Drift:
    """Compares a deployed spec with the models of a service; `assets` has the media that it names."""
    file = deployed_file(spec)
    workflow, problems = check_spec(file, catalogue)
    if workflow is None:
        return Drift(deployment, spec.version, problems)
    name = deployment.partition("/")[2]
    entry = next((one for one in workflow.deploy if one.name == name), None)
    cap = deployed_cap(workflow, entry)
    if before is None or entry is None:
        return Drift(deployment, spec.version, cap=cap)
    try:
        found = price_of_entry(file, entry, catalogue, assets)
    except SpecError as error:  # such as a model that an input names
        return Drift(deployment, spec.version, error.diagnostics, cap, before)
    except RivyaError:  # such as a medium that the store has not
        return Drift(deployment, spec.version, cap=cap)
    now = Credits(found.min, found.max)
    models = price_changes(catalogue, shipped(), _models(found)) if now != before else ()
    return Drift(deployment, spec.version, (), cap, before, now, tuple(models))


def _models(found: Estimate) -> Iterator[str]:
    for step in found.steps:
        for item in step.items:
            yield from filter(None, (item.model, *item.fallback))
