"""Deployed specs by hash, and what deployments buy without asking."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from rivya_flows.assets import Asset
from rivya_flows.store.database import rows, write, writing
from rivya_flows.store.tables import AGREEMENTS, DRIFTS, SPECS, stored_name


@dataclass(frozen=True)
class DeployedSpec:
    """A spec with the files that it names: a worker runs it, whatever its file says now."""

    name: str
    text: str
    includes: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Asset] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """``sha256:`` and 64 hex digits; of the text alone if it names no files."""
        hashed = self.text
        if self.includes or self.files:
            media = {path: asset.sha256 for path, asset in self.files.items()}
            hashed = json.dumps([self.text, dict(self.includes), media], sort_keys=True)
        return "sha256:" + hashlib.sha256(hashed.encode()).hexdigest()

    @property
    def version(self) -> str:
        return version_of(self.hash)


def version_of(spec_hash: str) -> str:
    """The short form of a hash, which Prefect shows as a deployment's version."""
    return spec_hash[: len("sha256:") + 12]


def keep_spec(engine: Engine, spec: DeployedSpec) -> str:
    spec_hash = spec.hash
    if deployed_spec(engine, spec_hash) is not None:
        return spec_hash
    # Paths differ between machines; hashes do not.
    files = {path: {**asset.as_json(), "path": None} for path, asset in spec.files.items()}
    row = {
        "spec_hash": spec_hash,
        "name": spec.name,
        "text": spec.text,
        "includes": json.dumps(dict(spec.includes)),
        "files": json.dumps(files),
        "at": time.time(),
    }
    with suppress(IntegrityError):  # another process has just stored the same spec
        write(engine, insert(SPECS).values(row))
    return spec_hash


def deployed_spec(engine: Engine, spec_hash: str) -> DeployedSpec | None:
    """The spec of a hash; None if it is not in this store."""
    for row in rows(engine, select(SPECS).where(SPECS.c.spec_hash == spec_hash)):
        files = {path: Asset.model_validate(one) for path, one in json.loads(row.files).items()}
        return DeployedSpec(row.name, row.text, json.loads(row.includes), files)
    return None


def hashes_of_specs(engine: Engine) -> frozenset[str]:
    """SHA-256 of the media that deployed specs name."""
    files = [json.loads(one) for (one,) in rows(engine, select(SPECS.c.files))]
    return frozenset(asset["sha256"] for named in files for asset in named.values())


@dataclass(frozen=True)
class Most:
    """The most that a deployment may buy without asking; `events` start it with no bound over time."""

    credits: int | None = 0
    a_day: int = 0
    a_month: int = 0
    events: tuple[str, ...] = ()

    @property
    def month(self) -> int | None:
        """Credits in a month; None for no bound."""
        return None if self.credits is None or self.events else self.credits * self.a_month

    def exceeds(self, agreed: Most) -> bool:
        """Whether it is more than what was agreed to in any respect."""
        if agreed.credits is None:  # runs of any price, so their number counts
            ours, theirs = 1, 1
        elif self.credits is None or self.credits > agreed.credits:
            return True
        else:
            ours, theirs = self.credits, agreed.credits
        return (
            self.a_day * ours > agreed.a_day * theirs
            or self.a_month * ours > agreed.a_month * theirs
            or not set(self.events) <= set(agreed.events)
        )


@dataclass(frozen=True)
class DeploymentAgreement:
    """What a deployment may buy at a service: a person agreed to it; or no one did, since a pool covered `labels`."""

    deployment: str
    service: str
    most: Most
    labels: Mapping[str, str] | None = None


def agreements(engine: Engine) -> list[DeploymentAgreement]:
    """All agreements, by deployment; the name of a long service is a hash."""
    found = rows(engine, select(AGREEMENTS).order_by("deployment"))
    return [
        DeploymentAgreement(
            row.deployment,
            row.service,
            Most(**{**(most := json.loads(row.most)), "events": tuple(most["events"])}),
            None if row.labels is None else json.loads(row.labels),
        )
        for row in found
    ]


def record_agreements(
    engine: Engine,
    service: str,
    made: Sequence[DeploymentAgreement],
    deployed: Collection[str] = (),
) -> None:
    """Records agreements of one service; nothing else of `deployed` is capped by pools any more."""
    new = [
        {
            "deployment": one.deployment,
            "service": stored_name(service),
            "most": json.dumps(asdict(one.most)),
            "at": time.time(),
            "labels": None if one.labels is None else json.dumps(dict(one.labels)),
        }
        for one in made
    ]
    name, labels = AGREEMENTS.c["deployment", "labels"]
    written = name.in_([one.deployment for one in made])
    old = written | (name.in_(deployed) & labels.is_not(None))
    at = AGREEMENTS.c.service == stored_name(service)
    with writing(engine) as connection:
        connection.execute(delete(AGREEMENTS).where(at, old))
        if new:
            connection.execute(insert(AGREEMENTS), new)


@dataclass(frozen=True)
class SeenDrift:
    """What a check found of a deployment; `state` differs where anything of that does, `at` is in Unix seconds."""

    deployment: str
    version: str
    status: str
    sentence: str
    state: str
    at: float


def last_drifts(engine: Engine) -> dict[str, SeenDrift]:
    """What the last check found, by deployment."""
    return {row.deployment: SeenDrift(**row._mapping) for row in rows(engine, select(DRIFTS))}


def record_drifts(engine: Engine, found: Sequence[SeenDrift]) -> None:
    """Records what a check found, instead of what the last one did."""
    with writing(engine) as connection:
        connection.execute(delete(DRIFTS))
        if found:
            connection.execute(insert(DRIFTS), [asdict(one) for one in found])
