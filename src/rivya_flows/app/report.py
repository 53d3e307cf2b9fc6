"""The report of a run: outputs, contact sheet and receipt in its folder, made from the journal."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rivya_flows.app.asset_ingest import file_name
from rivya_flows.assets import assets_in
from rivya_flows.errors import StoreError
from rivya_flows.ledger.provenance import recorded, recorded_asset
from rivya_flows.ledger.receipt import receipt
from rivya_flows.ledger.summary import sentence
from rivya_flows.media.contact_sheet import contact_sheet
from rivya_flows.planning.questions.open_questions import answerable
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import BroughtFile, Stamped
from rivya_flows.planning.queue.queue import replay
from rivya_flows.planning.queue.state import State
from rivya_flows.private import as_private_as_its_folder
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal, RunRow

_FILE = BroughtFile.model_fields.keys()


@dataclass(frozen=True)
class RunReport:
    """What a run did, and the files that show it.

    Attributes:
        entries: The journal that it is made from.
        receipt: The receipt, with paths of the copies for people.
        receipt_path, sheet_path: Absolute.
    """

    entries: Sequence[Stamped]
    receipt: Mapping[str, Any]
    receipt_path: Path
    sheet_path: Path

    @property
    def run_id(self) -> str:
        """The run."""
        return str(self.receipt["run_id"])

    @property
    def status(self) -> str:
        """completed, failed, cancelled or suspended."""
        return str(self.receipt["status"])

    @property
    def sentence(self) -> str:
        """How the run ended, for people."""
        return sentence(self.receipt)

    @cached_property
    def state(self) -> State:
        """The state of the run after its last event."""
        return replay(entry.event for entry in self.entries)

    @property
    def questions(self) -> tuple[Question, ...]:
        """Open questions, and those whose deadline failed their pick."""
        return answerable(self.state)

    @property
    def media_paths(self) -> dict[str, str]:
        """Where a person finds each medium of the run, by hash."""
        return {
            asset["sha256"]: str(asset["path"])
            for step in self.receipt["steps"]
            for item in step["items"]
            for asset in item["assets"]
            if asset.get("sha256") and asset.get("path")
        }


class RunReporter:
    """Writes the report of one run, again only when its journal has grown.

    Args:
        journal: The store.
        assets: Where the media of the run are.
        row: The run; its folder gets the report.
    """

    def __init__(self, journal: Journal, assets: AssetStore, row: RunRow) -> None:
        self.row = row
        self._journal = journal
        self._assets = assets
        self._last: RunReport | None = None

    def write(self) -> RunReport:
        """The report of the run as far as its journal goes.

        Raises:
            StoreError: The folder cannot be written; the journal and the media are safe.
        """
        entries = self._journal.entries(self.row.run_id)
        if self._last is None or len(self._last.entries) != len(entries):
            self._last = write_report(entries, self.row.folder, self._assets)
        return self._last


def write_report(entries: Sequence[Stamped], folder: Path, assets: AssetStore) -> RunReport:
    """Writes the folder of a run; replaces each existing file as a whole.

    Args:
        entries: The journal of the run.
        folder: ``<out>/<run id>``.
        assets: Where its media are. One that is gone or has changed is left out.

    Raises:
        StoreError: The folder cannot be written; the journal and the media are safe.
    """
    folder = folder.absolute()
    document = receipt(entries)
    copies = _export(document, folder, assets)
    document = _with_paths(document, copies)
    receipt_path, sheet_path = folder / "receipt.json", folder / "contact-sheet.html"
    write_whole(receipt_path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    write_whole(sheet_path, contact_sheet(document, copies.__getitem__, beside=folder))
    return RunReport(entries, document, receipt_path, sheet_path)


def _export(document: Mapping[str, Any], folder: Path, assets: AssetStore) -> dict[str, Path]:
    """Copies of all media under names for people, by hash; outputs by the name of the output."""
    copies: dict[str, Path] = {}
    cards = recorded(document["assets"])
    for name, value in document["outputs"].items():
        media = [known for one in assets_in(value) if (known := recorded_asset(one, cards))]
        for index, asset in enumerate(media):
            stem = name if index == 0 else f"{name}-{index + 1}"
            copies.setdefault(asset.sha256, folder / file_name(stem, asset.mime_type))
    for step in document["steps"]:
        for item in step["items"]:
            for index, asset in enumerate(assets_in(item["assets"])):
                stem = f"{step['id']}-{item['key']}" if item["key"] else step["id"]
                stem = stem if index == 0 else f"{stem}-{index + 1}"
                path = folder / "media" / file_name(stem, asset.mime_type)
                copies.setdefault(asset.sha256, path)
            for file in item["files"]:
                # Whatever it is, it was paid for.
                name = file_name(f"{step['id']}-{item['key']}-{file['index'] + 1}", None) + ".bin"
                copies.setdefault(file["sha256"], folder / "media" / name)
    copies = {digest: path for digest, path in copies.items() if _is_whole(digest, assets)}
    copies = _distinct(copies)
    if any(path.parent != folder for path in copies.values()):
        _make_media_folder(folder)
    for digest, path in copies.items():
        assets.export(digest, path)
    return copies


def _make_media_folder(folder: Path) -> None:
    media = folder / "media"
    with contextlib.suppress(OSError):  # reported when a medium is written there
        media.mkdir(parents=True, exist_ok=True)
        as_private_as_its_folder(media)


def _is_whole(digest: str, assets: AssetStore) -> bool:
    """Whether a medium can be copied; a receipt without one picture is still a receipt."""
    try:
        assets.local_path(digest)
    except StoreError:
        return False
    return True


def _distinct(copies: dict[str, Path]) -> dict[str, Path]:
    """Gives each medium a name of its own: equal names get a piece of the hash."""
    used: set[Path] = set()
    result = {}
    for digest, path in copies.items():
        distinct = path if path not in used else path.with_stem(f"{path.stem}-{digest[:8]}")
        used.add(distinct)
        result[digest] = distinct
    return result


def _with_paths(value: Any, copies: Mapping[str, Path]) -> Any:
    """The same document with each asset's path that of its copy."""
    if isinstance(value, list):
        return [_with_paths(one, copies) for one in value]
    if isinstance(value, dict):
        changed = {name: _with_paths(one, copies) for name, one in value.items()}
        digest = value.get("sha256")
        named = "mime_type" in value or value.keys() == _FILE
        if isinstance(digest, str) and digest in copies and named:
            changed["path"] = str(copies[digest])
        return changed
    return value


def write_whole(path: Path, text: str) -> None:
    """Writes a text file atomically; it is on disk when this returns.

    Raises:
        StoreError: It cannot be written; what was there is as it was.
    """
    partial = path.with_name(f".{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            # Half of a character, as a model may answer it, becomes its escape: JSON all the same.
            file.write(text.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
        as_private_as_its_folder(partial)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}",
            "free disk space, then resume the run; nothing is bought twice",
        ) from error
