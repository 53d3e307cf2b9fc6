"""The report of a run: outputs, contact sheet and receipt in its folder, made from the journal."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from pydantic_core import to_jsonable_python

from rivya_client.mime_types import suffix_of
from rivya_cut.captions import srt
from rivya_cut.results import file_stem
from rivya_flows.assets import assets_in
from rivya_flows.errors import StoreError
from rivya_flows.language.expressions.values import as_text
from rivya_flows.language.outputs import free_name
from rivya_flows.private import as_private_as_its_folder
from rivya_flows.questions.open_questions import answerable
from rivya_flows.questions.question import Question
from rivya_flows.queue import events
from rivya_flows.queue.queue import replay, step as step_queue
from rivya_flows.queue.state import State
from rivya_flows.receipt.contact_sheet import contact_sheet
from rivya_flows.receipt.embedding import AssetPath
from rivya_flows.receipt.from_journal import receipt_of, recorded_asset
from rivya_flows.receipt.ledger import History
from rivya_flows.receipt.model import Receipt, Step, iso, with_paths
from rivya_flows.receipt.outcomes import outcomes_of
from rivya_flows.receipt.summary import full_sentence
from rivya_flows.steps.connections import Include
from rivya_flows.store.assets import AssetStore, file_hash, replacing
from rivya_flows.store.journal import Journal, RunRow
from rivya_flows.store.outcomes import record_outcomes

_REPORTED = (events.QuestionAsked, events.RunEnded, events.ServiceAsked)
"""What a report follows: its state is taken over then, and not made again."""

_RATIO = re.compile(r"(?<=\d):(?=\d)")
_MAX_NAME_BYTES = 150
_LONGEST_KEY = 40
"""Characters of a key in a file name: a key may be a whole sentence. Equal names get a number."""


class RunReport:
    """What a run did, and the files that show it.

    No dataclass: Prefect looks into each value of one that a flow returns, and a state has many.

    Attributes:
        state: Of the run, after the last entry that the report shows.
        folder: Where the files are, absolute; None for a run that writes none.
    """

    def __init__(self, state: State, receipt: Receipt, folder: Path | None) -> None:
        self.state, self.receipt, self.folder = state, receipt, folder

    @property
    def receipt_path(self) -> Path:
        """Only for a run with a folder."""
        assert self.folder is not None
        return self.folder / "receipt.json"

    @property
    def sheet_path(self) -> Path:
        """Only for a run with a folder."""
        assert self.folder is not None
        return self.folder / "contact-sheet.html"

    @property
    def run_id(self) -> str:
        return self.receipt.run_id

    @property
    def status(self) -> str:
        """completed, failed, cancelled or suspended."""
        return self.receipt.status

    @property
    def sentence(self) -> str:
        """How the run ended, for people."""
        return full_sentence(self.receipt)

    @property
    def questions(self) -> tuple[Question, ...]:
        """Open questions, and those whose deadline failed their pick."""
        return answerable(self.state)

    @property
    def media_paths(self) -> dict[str, str]:
        """Where a person finds each medium of the run, by hash."""
        return {
            asset.sha256: str(asset.path)
            for _, item in self.receipt.each()
            for asset in item.media
            if asset.path
        }


class RunReporter:
    """Follows the journal of one run, and writes its report once for each of its ends.

    Entries that an execution hands over with `record` are not read or replayed again.
    """

    def __init__(
        self, journal: Journal, assets: AssetStore, row: RunRow, *, in_folder: bool = True
    ) -> None:
        self.row = row
        self._journal = journal
        self._assets = assets
        self._folder = row.folder if in_folder else None
        self._history = History()
        self._state: State | None = None
        self._replayed = 0  # the last entry that the state has
        self._following = threading.Lock()
        self._writing = threading.Lock()
        self._copied: dict[Path, str] = {}
        self._last: tuple[int, RunReport] | None = None

    @property
    def seq(self) -> int:
        """Number of the last entry that was recorded or read; 0 at first."""
        return self._history.seq

    @property
    def frozen(self) -> events.RunFrozen:
        """The first entry of the journal, once it was followed."""
        assert self._history.first is not None
        return self._history.first

    def record(self, entry: events.Stamped, state: State) -> None:
        """Takes an entry that was just written, and the state after it, which may change later."""
        with self._following:
            if entry.seq == self._history.seq + 1:
                self._history.add(entry)
                if isinstance(entry.event, _REPORTED):
                    self._state, self._replayed = state.copy(), entry.seq

    def follow(self) -> State:
        """Reads what is new in the journal; gives the state after it. ValueError if it is empty."""
        return self._read()[1]

    def receipt(self) -> Receipt:
        """The receipt as far as the journal goes; reads it as `follow` does."""
        return receipt_of(*self._read())

    def _read(self) -> tuple[History, State]:
        """Copies of the history and of the state after all of it."""
        lagged = False
        while True:
            new = self._journal.entries(self.row.run_id, after=self._replayed)
            with self._following:  # not while it reads, since `record` must not wait for a disk
                for entry in new:
                    if entry.seq > self._history.seq:
                        self._history.add(entry)
                new = tuple(entry for entry in new if entry.seq > self._replayed)
                if self._state is None:
                    self._state = replay(entry.event for entry in new)
                else:
                    for entry in new:
                        step_queue(self._state, entry.event)
                if new:
                    self._replayed = new[-1].seq
                if self._replayed >= self._history.seq:  # nothing was recorded after it was read
                    return self._history.copy(), self._state.copy()
            if lagged and not new:
                raise StoreError(
                    f"the journal of {self.row.run_id} has lost entries that were written to it",
                    "restore the store, then resume the run",
                )
            lagged = True

    def write(self) -> RunReport:
        """The report of the run as far as its journal goes; waits for disks, so call it in a thread.

        Raises:
            StoreError: The folder cannot be written; the journal and the media are safe.
        """
        with self._writing:
            history, state = self._read()
            if self._last is None or self._last[0] != history.seq:
                receipt = receipt_of(history, state)
                report = _write(receipt, state, self._folder, self._assets, self._copied)
                if state.ended is not None:
                    outcomes = outcomes_of(receipt, history, state)
                    with contextlib.suppress(
                        StoreError
                    ):  # then they are written when they are read
                        record_outcomes(self._journal.engine, state.run_id, history.seq, outcomes)
                self._last = history.seq, report
            return self._last[1]


def write_report(
    entries: Sequence[events.Stamped], folder: Path | None, assets: AssetStore
) -> RunReport:
    """Writes the folder of a run, ``<out>/<run id>``; replaces each existing file as a whole."""
    state = replay(entry.event for entry in entries)
    return _write(receipt_of(History(entries), state), state, folder, assets, {})


def _write(
    receipt: Receipt, state: State, folder: Path | None, assets: AssetStore, copied: dict[Path, str]
) -> RunReport:
    if folder is None:
        every = {*copies_of(receipt, Path()), *receipt.media}
        stored = {digest: assets.shared_path(digest) for digest in every}
        return RunReport(state, with_paths(receipt, stored), None)
    folder = folder.absolute()
    named = copies_of(receipt, folder)
    copies = _export(named, folder, assets, copied)
    _write_subtitles(receipt, state, copies, copied)
    own = _own_files(receipt)
    receipt = with_paths(receipt, {**dict.fromkeys(named), **copies})
    outputs = dict(receipt.outputs)
    for name, (digest, file) in own.items():  # also what is the medium of another output
        copy = _export({digest: folder / file}, folder, assets, copied)
        outputs[name] = with_paths(outputs[name], copy)
    receipt = receipt.model_copy(update={"outputs": outputs})
    _write_outputs(receipt, folder, copied)
    report = RunReport(state, receipt, folder)

    def path_of(digest: str) -> Path:
        """Of what the run was given, the folder has no copy."""
        try:
            return copies.get(digest) or assets.local_path(digest)
        except StoreError:
            raise KeyError(digest) from None

    encoder = json.JSONEncoder(indent=2, ensure_ascii=False, default=_as_json)
    write_whole(report.receipt_path, chain(encoder.iterencode(receipt), "\n"))
    asked = answerable(state)
    write_whole(report.sheet_path, contact_sheet(receipt, path_of, beside=folder, questions=asked))
    return report


def _as_json(part: Any) -> Any:
    """A part of a receipt for JSON; of one with very many parts, these are dumped one by one."""
    if isinstance(part, Receipt | Step):
        return {name: getattr(part, name) for name in type(part).model_fields}
    return iso(part) if isinstance(part, datetime) else to_jsonable_python(part)


def media_of(receipt: Receipt, folder: Path, assets: AssetStore) -> AssetPath:
    """Finds a medium in the store, else its copy in the folder of the run, see `AssetPath`."""
    copies = copies_of(receipt, folder)

    def path_of(digest: str) -> Path:
        with contextlib.suppress(StoreError):
            return assets.local_path(digest)
        copy = copies.get(digest)
        if copy is None or not _is_copy(copy, digest):
            raise KeyError(digest)
        return copy

    return path_of


def copies_of(receipt: Receipt, folder: Path) -> dict[str, Path]:
    """Where the folder of a run has each of its media, by hash; equal names get a number."""
    own = _own_files(receipt)
    files = (*(file for _, file in own.values()), *receipt.text_files.values())
    taken = {*map(str.lower, files)}
    copies = {digest: folder / file for digest, file in reversed(own.values())}
    for digest, name in _names(receipt, {*copies}):
        if digest not in copies:
            free = free_name(name, taken)
            taken.add(free.lower())
            copies[digest] = folder / free
    return copies


def _own_files(receipt: Receipt) -> dict[str, tuple[str, str]]:
    """The hash and the file of each output that is one medium, whatever other outputs are."""
    found = dict[str, tuple[str, str]]()
    taken = {one.lower() for one in receipt.output_files.values()}
    for name, value in receipt.outputs.items():
        if asset := recorded_asset(value, receipt.media):
            free = free_name(file_name(name, asset.mime_type), taken)
            file = receipt.output_files.get(name, free)
            taken.add(file.lower())
            found[name] = asset.sha256, file
    return found


def _is_copy(path: Path, digest: str) -> bool:
    """Whether a file is there, and has this content."""
    try:
        return path.is_file() and file_hash(path) == digest
    except OSError:
        return False


def _export(
    named: Mapping[str, Path], folder: Path, assets: AssetStore, copied: dict[Path, str]
) -> dict[str, Path]:
    """Gives media paths for people, each once; returns these by hash."""
    copies: dict[str, Path] = {}
    for media in {path.parent for path in named.values()} - {folder}:
        with contextlib.suppress(OSError):  # reported when a medium is written there
            media.mkdir(parents=True, exist_ok=True)
            as_private_as_its_folder(media)
    for digest, path in named.items():
        if copied.get(path) != digest or not path.is_file():
            try:
                assets.local_path(digest)
            except StoreError:
                if not _is_copy(path, digest):
                    continue  # a receipt without one picture is still a receipt
            else:
                assets.export(digest, path)
            copied[path] = digest
        copies[digest] = path
    return copies


def _names(receipt: Receipt, named: Set[str]) -> Iterator[tuple[str, str]]:
    """The hash of each medium, with a path for people; those in an output have the name of the output.

    A medium may come several times: its first path counts. Of those that are `named`, outputs give none.
    """
    items = [*receipt.each()]
    rendered = {
        digest: (item.key, formats)
        for _, item in reversed(items)
        for digest, formats in item.formats.items()
    }
    keys = {one.sha256: one.made_by.key for one in reversed(receipt.assets) if one.made_by}
    for step, item in items:  # those of an included spec, whose own steps come before it
        for digest in {one.sha256 for one in item.media} if step.uses == Include.uses else ():
            key = keys[digest] = "-".join(filter(None, (item.key, keys.get(digest))))
            if digest in rendered:
                rendered[digest] = key, rendered[digest][1]
    seen = {*named}
    for name, value in receipt.outputs.items():
        used: Counter[str] = Counter()
        for one in assets_in(value):
            asset = recorded_asset(one, receipt.media)
            if asset is None or asset.sha256 in seen:
                continue
            seen.add(asset.sha256)
            key, formats = rendered.get(asset.sha256, (keys.get(asset.sha256, ""), ()))
            # It bears its key, though it may be alone there before a resume.
            yield asset.sha256, file_name(_stem(name, formats, used, key), asset.mime_type)
    for step, item in items:
        used = Counter()
        for asset in item.media:
            stem = _stem(step.id, item.formats.get(asset.sha256, ()), used, item.key)
            yield asset.sha256, f"media/{file_name(stem, asset.mime_type)}"
        for file in item.files:
            # Whatever it is, it was paid for.
            stem = f"{step.id}-{item.key[:_LONGEST_KEY]}-{file.index + 1}"
            refused = file_name(f"{stem}-refused", file.mime_type) if file.mime_type else ""
            yield file.sha256, f"media/{refused or f'{file_name(stem, None)}.bin'}"


def _stem(name: str, formats: tuple[str, ...], used: Counter[str], key: str) -> str:
    """``spot-hi-9x16`` of a rendering, see `rendered_as`; else ``spot-hi``, ``spot-hi-2`` and so on."""
    stem = "-".join(filter(None, [name, _RATIO.sub("x", key)[:_LONGEST_KEY]]))
    if formats:
        # The suffix of a loop says what it is; an output may be called `poster`, an item by its format.
        known = ("gif", name, key)
        return "-".join([stem, *(file_stem(one) for one in formats if one not in known)])
    used[stem] += 1
    return stem if used[stem] == 1 else f"{stem}-{used[stem]}"


def file_name(stem: str, mime_type: str | None) -> str:
    """A name for people, such as ``stills-neon.png``; safe as one part of a path."""
    plain = re.sub(r"[^\w.]+", "-", stem, flags=re.UNICODE).strip("-.") or "medium"
    # File systems count bytes; Devanagari takes three for a letter.
    short = plain.encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
    return short + suffix_of(mime_type)


def _write_outputs(receipt: Receipt, folder: Path, written: dict[Path, str]) -> None:
    """Writes the outputs that are files and no media: a list or a map as JSON."""
    for name, file in receipt.text_files.items():
        path, value = folder / file, receipt.outputs[name]
        if isinstance(value, list | dict):
            text = json.dumps(value, indent=2, ensure_ascii=False, default=_as_json) + "\n"
        else:
            text = as_text(value)
        if written.get(path) != text or not path.is_file():
            write_whole(path, text)
            written[path] = text


def _write_subtitles(
    receipt: Receipt, state: State, copies: Mapping[str, Path], written: dict[Path, str]
) -> None:
    """Writes the captions and the timeline of each item that asked for them beside its first film."""
    taken = {one.lower() for one in receipt.output_files.values()}
    for step, item in receipt.each():
        request = state.item(step.id, item.key).request
        extras = request.arguments.get("extras") if request else None
        texts = {".otio": item.timeline} if item.timeline else {}
        cues = item.captions.timed if item.captions else []
        if cues and isinstance(extras, list) and "srt" in extras:
            texts[".srt"] = srt(cues)
        if not (texts and item.media and (film := copies.get(item.media[0].sha256))):
            continue
        labels = item.formats[item.media[0].sha256]
        formats = [file_stem(one) for one in labels if one != item.key]
        stem = film.stem.removesuffix("".join(f"-{one}" for one in formats))
        if ".otio" in texts:
            texts[".otio"] = _with_copies(texts[".otio"], film.parent, copies)
        for suffix, text in texts.items():
            path = film.with_name(free_name(f"{stem}{suffix}", taken))
            if written.get(path) != text or not path.is_file():
                write_whole(path, text)
                written[path] = text


def _with_copies(timeline: str, folder: Path, copies: Mapping[str, Path]) -> str:
    """A timeline that names media by their copies, seen from its folder, with their hashes.

    In the store, whose names it has, a medium is called by its hash; what has no copy keeps that.
    """

    def locate(part: dict[str, Any]) -> dict[str, Any]:
        if (copy := copies.get(str(part.get("name")))) is not None:
            part["name"] = copy.stem
        digest = PurePosixPath(str(part.get("target_url"))).stem
        if (copy := copies.get(digest)) is not None:
            near = Path(os.path.relpath(copy, folder)).as_posix()
            part |= {"target_url": quote(near), "metadata": {"rivya": {"sha256": digest}}}
        return part

    try:
        return json.dumps(json.loads(timeline, object_hook=locate)) + "\n"
    except RecursionError:  # what no editing program reads is no reason to have no receipt
        return timeline


def write_whole(path: Path, text: Iterable[str], mode: int | None = None) -> None:
    """Writes a text, or the parts of one, to a file atomically; it is on disk when this returns.

    None as its mode: as private as its folder.
    """
    with replacing(path) as partial:
        # Half of a character, as a model may answer it, becomes its escape: JSON all the same.
        with partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.writelines([text] if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        if mode is None:
            as_private_as_its_folder(partial)
        else:
            partial.chmod(mode)
