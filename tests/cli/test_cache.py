"""`cache`: results are listed, and deleted only on request."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.settings import read_settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.cache_index import CachedResult, keep_results
from rivya_flows.store.journal import Journal
from support.cli_calls import Terminal


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


@pytest.mark.usefixtures("filled")
def test_media_alone_leaves_all_results(call: Terminal) -> None:
    pruned = call("cache", "prune", "--media", "--json").document
    assert (pruned["entries"], pruned["media"], pruned["size_bytes"]) == ([], [], 0)
    assert len(call("cache", "list", "--json").document) == 2


@pytest.mark.usefixtures("filled")
def test_all_deletes_all_results(call: Terminal) -> None:
    assert call("cache", "prune", "--all", "--yes").out == "2 results deleted\n"
    assert call("cache", "list").out == "0 results, worth 0 credits; 0 bytes\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "nothing selected to prune"),
        (["--all", "--older-than", "3"], "contradict each other"),
        (["--older-than", "-1"], "--older-than: '-1' is not an age"),
        (["--older-than", "nan"], "'nan' is not an age of hours, days or weeks; write 30d"),
    ],
)
def test_unclear_prune_is_refused(call: Terminal, options: list[str], words: str) -> None:
    said = call("cache", "prune", *options)
    assert said.code == 2
    assert words in said.err


@pytest.mark.usefixtures("filled")
def test_old_runs_are_pruned_by_days(call: Terminal) -> None:
    words = " UTC: 1 result, 0 media would be deleted; 0 bytes would be freed\n"
    for age, *yes in (("30d",), ("30",), ("720h",), ("4w",), ("30d", "--yes")):
        said = call("store", "prune", "--older-than", age, "--plan", *yes)
        assert said.out.startswith("0 runs ended before ")
        assert said.out.endswith(words)
        assert "Journals, receipts and spending stay." in said.err
    assert "reading the journals of 0 runs" in said.err
    assert call("store", "prune").code == 2
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
    # It may mean a month, and would delete nearly everything.
    assert "'1m' is not an age" in call("store", "prune", "--older-than", "1m").err
