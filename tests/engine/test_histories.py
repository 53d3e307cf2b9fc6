"""Random histories of runs against a service that breaks at any moment; `scripts/histories` runs more."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.hostile_histories import histories, local_service
from support.samples import examples

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kills", [False, True], ids=["no kills", "kills"])
async def test_no_history_buys_twice_or_loses_a_credit(tmp_path: Path, kills: bool) -> None:
    count = examples(60)
    async with local_service(tmp_path / "service") as service:
        seen = await histories(range(count), service, tmp_path / "studio", kills=kills)
    assert (seen.histories, seen.kills > 0) == (count, kills)
    assert seen.breaks.total() > seen.breaks["left alone"] > 0
