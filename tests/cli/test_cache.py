"""`cache`: results are listed, and deleted only on request."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.engine.cache import CachedResult, keep_results
from rivya_flows.settings import read_settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal
from support.cli_calls import Terminal

pytestmark = pytest.mark.slow


@pytest.fixture
def filled(tmp_path: Path) -> None:
    """The user's store with two results: an answer of 1970, and a picture of now."""
    settings = read_settings()
    picture = tmp_path / "picture"
    picture.write_text("a picture")
    with closing(Journal(settings.store_url)) as journal:
        digest = AssetStore(settings.assets_url, tmp_path / "copies").put(picture)
        asset: Any = {"kind": "image", "sha256": digest}
        new = CachedResult("picture", "run-2", {"asset": asset}, 5, time.time())
        old = CachedResult("answer", "run-1", {"text": "hello"}, 2, 0.0)
        keep_results(journal.engine, [new, old])


@pytest.mark.usefixtures("filled")
def test_results_are_listed_with_what_they_save(call: Terminal) -> None:
    said = call("cache", "list")
    assert "1970-01-01 00:00  run-1      2      –        –  answer" in said.out
    assert said.out.endswith("\n2 results, worth 7 credits; 9 bytes\n")
    listed = call("cache", "list", "--json").document
    assert [(one["cache_key"], one["credits"]) for one in listed] == [("picture", 5), ("answer", 2)]


@pytest.mark.usefixtures("filled")
def test_old_results_are_deleted(call: Terminal) -> None:
    assert call("cache", "prune", "--older-than", 30, "--plan").out == (
        "1 result would be deleted\n"
    )
    asked = call("cache", "prune", "--older-than", 30)
    assert (asked.code, asked.out) == (2, "")
    assert "1 result would be deleted. The results are worth 2 credits. `cache prune`" in asked.err
    assert call("cache", "prune", "--older-than", 30, "-y").out == "1 result deleted\n"
    assert [one["cache_key"] for one in call("cache", "list", "--json").document] == ["picture"]
    media = call("cache", "prune", "--media", "--json").document
    assert (media["entries"], media["media"], media["size_bytes"]) == ([], [], 0)
    assert call("cache", "prune", "--all", "--yes").out == "1 result deleted\n"
    assert call("cache", "list").out == "0 results, worth 0 credits; 0 bytes\n"


@pytest.mark.usefixtures("filled")
def test_old_runs_are_pruned_by_days(call: Terminal) -> None:
    words = " UTC: 1 result, 0 media would be deleted; 0 bytes would be freed\n"
    for age in ("30", "720h", "4w"):
        said = call("store", "prune", "--older-than", age, "--plan", "--yes")
        assert said.out.startswith("0 runs ended before ")
        assert said.out.endswith(words)
        assert "Journals, receipts and spending stay." in said.err
    assert "reading the journals of 0 runs" in said.err
    refused = call("store", "prune", "--older-than", "30d")
    assert (refused.code, refused.out) == (2, "")
    assert (
        f"{words.strip()}. Journals, receipts and spending stay. To resume or fork one of these runs "
        "later, keep its folder: its media are then taken from there. `store prune` asks first"
        in refused.err
    )
    done = words.replace("would be ", "")
    assert call("store", "prune", "--older-than", "30d", "--yes").out.endswith(done)
    nothing = call("store", "prune", "--older-than", "30d")  # asks nobody
    assert nothing.code == 0
    assert nothing.out.endswith(done.replace("1 result", "0 results"))
