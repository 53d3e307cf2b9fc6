"""Which deployments go: those that a call of `deploy --prune` shows to be gone, and no others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rivya_flows.flows.deploy_blocks import OWNER_TAG

SPEC_VARIABLE = "RIVYA_FLOWS_SPEC"
COLLECTION_VARIABLE = "RIVYA_FLOWS_COLLECTION"
"""In the environment of a deployment's runs: what they run, and whose deployment it is."""


@dataclass(frozen=True)
class ExistingDeployment:
    """A deployment on the server.

    Attributes:
        name: As ``flow/deployment``.
        flow: Name of its flow.
        tags: Its tags.
        job_variables: Its own settings for the infrastructure.
    """

    name: str
    flow: str
    tags: Collection[str]
    job_variables: Mapping[str, Any]

    @property
    def is_ours(self) -> bool:
        """Whether `deploy` made it: it has our tag, and names the spec that it runs.

        The waker has our tag alone, as has what `prefect deploy` makes of a ``prefect.yaml``.
        """
        return OWNER_TAG in self.tags and SPEC_VARIABLE in self._environment

    @property
    def collection(self) -> str | None:
        """Whose it is; None where nothing says so."""
        found = self._environment.get(COLLECTION_VARIABLE)
        return found if isinstance(found, str) else None

    @property
    def _environment(self) -> Mapping[str, Any]:
        found = self.job_variables.get("env")
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True)
class Gone:
    """What became of deployments that no spec has that was given.

    Attributes:
        stale: Those that the specs no longer have.
        unsure: Those of a collection that was not given as a whole, so that it cannot be told.
    """

    stale: tuple[str, ...]
    unsure: tuple[str, ...]


def gone(
    standing: Iterable[ExistingDeployment],
    wanted: Collection[str],
    flows: Collection[str],
    given: Collection[str],
    covered: Collection[str],
) -> Gone:
    """The deployments of ours that no spec has which was given.

    Args:
        standing: What there is on the server.
        wanted: Names of deployments that the specs have.
        flows: Names of the specs that were given.
        given: Their collections.
        covered: Those of them that were given as a whole.
    """
    ours = [one for one in standing if one.is_ours and one.name not in wanted]
    stale = {one.name for one in ours if one.flow in flows or one.collection in covered}
    unsure = {one.name for one in ours if one.collection in given} - stale
    return Gone(tuple(sorted(stale)), tuple(sorted(unsure)))
