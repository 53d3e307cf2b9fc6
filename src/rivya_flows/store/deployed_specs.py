"""Deployed specs by hash: a worker runs what was deployed, whatever the file says now."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from rivya_flows.assets import Asset
from rivya_flows.store.database import reading, writing
from rivya_flows.store.tables import SPECS


@dataclass(frozen=True)
class DeployedSpec:
    """A spec with the files that it names.

    Attributes:
        name: Of the spec.
        text: Of its file.
        includes: Texts of the specs that it includes, by path from its folder.
        files: Assets of the media that it names, by path as written; the asset store has them.
    """

    name: str
    text: str
    includes: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Asset] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """``sha256:`` and 64 hex digits; of the text alone if it names no files."""
        if not self.includes and not self.files:
            return _sha256(self.text)
        media = {path: asset.sha256 for path, asset in self.files.items()}
        return _sha256(json.dumps([self.text, dict(self.includes), media], sort_keys=True))

    @property
    def version(self) -> str:
        """The short hash, with 12 digits."""
        return version_of(self.hash)


def version_of(spec_hash: str) -> str:
    """The short form of a hash, which Prefect shows as a deployment's version."""
    return spec_hash[: len("sha256:") + 12]


class DeployedSpecs:
    """The deployed specs of one store.

    Args:
        engine: Of the journal.
        clock: Unix seconds.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def mentioned_hashes(self) -> frozenset[str]:
        """SHA-256 of the media that deployed specs name."""
        with reading(self._engine) as connection:
            files = [json.loads(one) for one in connection.scalars(select(SPECS.c.files))]
        return frozenset(asset["sha256"] for named in files for asset in named.values())

    def keep(self, spec: DeployedSpec) -> str:
        """Stores a spec and gives its hash.

        Raises:
            StoreError: The store cannot be written.
        """
        spec_hash = spec.hash
        if self.get(spec_hash) is not None:
            return spec_hash
        # Paths differ between machines; hashes do not.
        files = {path: {**asset.as_json(), "path": None} for path, asset in spec.files.items()}
        row = {
            "spec_hash": spec_hash,
            "name": spec.name,
            "text": spec.text,
            "includes": json.dumps(dict(spec.includes)),
            "files": json.dumps(files),
            "at": self._clock(),
        }
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(SPECS).values(row))
        except IntegrityError:
            pass  # another process has just stored the same spec
        return spec_hash

    def get(self, spec_hash: str) -> DeployedSpec | None:
        """The spec of a hash; None if it is not in this store.

        Raises:
            StoreError: The store cannot be read.
        """
        with reading(self._engine) as connection:
            row = connection.execute(select(SPECS).where(SPECS.c.spec_hash == spec_hash)).first()
        if row is None:
            return None
        files = {path: Asset.model_validate(one) for path, one in json.loads(row.files).items()}
        return DeployedSpec(row.name, row.text, json.loads(row.includes), files)


def _sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
