"""A store of runs and results of any age."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rivya_flows.engine.cache import CachedResult, keep_results
from rivya_flows.queue.events import ItemCompleted, RunEnded, RunFrozen
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@dataclass
class AgedStore:
    """A store with a clock.

    Attributes:
        days_ago: When what is written now happened, before `NOW`.
    """

    folder: Path
    journal: Journal

    def __post_init__(self) -> None:
        self.assets = AssetStore((self.folder / "assets").as_uri(), self.folder / "copies")
        self.days_ago = 0

    def medium(self, content: str) -> str:
        """Keeps a medium, as old as the clock says."""
        path = self.folder / "medium"
        path.write_text(content)
        digest = self.assets.put(path)
        at = (NOW - timedelta(days=self.days_ago)).timestamp()
        os.utime(self.assets.local_path(digest), (at, at))
        return digest

    def result(self, name: str, content: str | None) -> str | None:
        """Keeps a result with a medium, or a chat's."""
        digest = None if content is None else self.medium(content)
        outputs: Any = (
            {"text": "hello"} if digest is None else {"asset": {"kind": "image", "sha256": digest}}
        )
        at = (NOW - timedelta(days=self.days_ago)).timestamp()
        keep_results(self.journal.engine, [CachedResult(name, "run-1", outputs, 3, at)])
        return digest

    def run(self, run_id: str, digest: str, status: str | None = None) -> None:
        """Writes a run that made a medium and ended, unless the status is None."""
        at = NOW - timedelta(days=self.days_ago)
        frozen = RunFrozen(
            run_id=run_id,
            spec_text="",
            spec_file="",
            inputs={},
            catalogue={},
            catalogue_date="",
            service="s",
            started_at=at,
            nonce="",
        )
        url = f"sqlite:///{self.folder / 'journal.sqlite'}"
        with closing(Journal(url, clock=at.timestamp)) as journal:
            journal.create(frozen, self.folder)
            leases = Leases(journal.engine, clock=at.timestamp)
            lease = leases.acquire(run_id)
            outputs = {"asset": {"kind": "image", "sha256": digest}}
            journal.append(run_id, ItemCompleted(step="s", key="", outputs=outputs), lease.fence)
            if status is not None:
                ended = RunEnded.model_validate({"status": status, "at": at})
                journal.append(run_id, ended, lease.fence)
            leases.release(lease)
