"""The folder of a run: everything for people, whole, whatever has become of single media."""

from __future__ import annotations

import fcntl
import hashlib
import json
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_flows.errors import StoreError
from rivya_flows.queue.events import Event, ItemCompleted, RunEnded, RunFrozen, Stamped
from rivya_flows.queue.queue import step
from rivya_flows.receipt.report import RunReporter, file_name, write_report, write_whole
from rivya_flows.receipt.summary import films
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from support.naive_service import NOON, NaiveService, Rehearsal, asset, frozen
from support.receipts import check

SPEC = """
version: 1
name: stills
inputs:
  styles: {type: list, of: string, default: [ink, "ink!", "ink?"]}
steps:
  stills:
    uses: generate
    matrix: {style: "${{ inputs.styles }}"}
    with: {model: z-image, prompt: "${{ matrix.style }}"}
outputs:
  best: ${{ steps.stills.assets | first }}
"""
MANY = """
version: 1
name: stills
steps:
  stills:
    uses: generate
    foreach: ["9:16", "16:9, wide"]
    key: ${{ item }}
    with: {model: z-image, prompt: "${{ item }}"}
outputs:
  all: ${{ steps.stills.assets }}
"""


@pytest.fixture
def store(tmp_path: Path) -> AssetStore:
    return AssetStore((tmp_path / "assets").as_uri(), tmp_path / "copies")


def picture(store: AssetStore, folder: Path, colour: str) -> dict[str, Any]:
    path = folder / "picture.png"
    Image.new("RGB", (8, 8), colour).save(path)
    digest = store.put(path)
    return {**asset("image", digest), "path": str(store.local_path(digest))}


def finished(media: dict[str, dict[str, Any]], spec: str = SPEC) -> list[Stamped]:
    """The journal of a run whose items have these media."""
    rehearsal = Rehearsal(frozen(spec), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    events: list[Event] = []
    for event in rehearsal.journal:
        if isinstance(event, ItemCompleted):
            made = media[event.key]
            outputs = {**event.outputs, "asset": made, "assets": [made]}
            event = event.model_copy(update={"outputs": outputs})
        events.append(event)
    return [Stamped(n + 1, NOON.timestamp() + n, event) for n, event in enumerate(events)]


def pictures(store: AssetStore, folder: Path) -> dict[str, dict[str, Any]]:
    colours = {"ink": "red", "ink!": "green", "ink?": "blue"}
    colours |= {"9:16": "red", "16:9, wide": "green"}
    return {key: picture(store, folder, colour) for key, colour in colours.items()}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_outputs_stand_in_front_and_no_two_media_have_one_name(
    store: AssetStore, tmp_path: Path
) -> None:
    media = pictures(store, tmp_path)
    report = write_report(finished(media), tmp_path / "out", store)
    assert files(tmp_path / "out") == {
        "receipt.json",
        "contact-sheet.html",
        "best.png",
        "media/stills-ink.png",
        "media/stills-ink-2.png",
    }
    written = json.loads(report.receipt_path.read_text())
    assert written == report.receipt.model_dump(mode="json")
    for one in written["assets"]:
        content = Path(one["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one["sha256"]


def test_each_of_several_outputs_bears_its_key_also_if_it_is_alone_before_a_resume(
    store: AssetStore, tmp_path: Path
) -> None:
    entries = finished(pictures(store, tmp_path), MANY)
    first = next(n for n, one in enumerate(entries) if isinstance(one.event, ItemCompleted))
    for length in (first + 1, len(entries)):
        write_report(entries[:length], tmp_path / "out", store)
    assert {name for name in files(tmp_path / "out") if name.endswith(".png")} == {
        "all-9x16.png",
        "all-16x9-wide.png",
    }


def test_a_long_key_makes_a_name_that_fits(store: AssetStore, tmp_path: Path) -> None:
    keys = {name: "नमस्ते " * 40 + name for name in ("one", "two")}
    keys |= {"three": "A brass lamp on oak, " * 7}
    text = json.dumps([*keys.values()], ensure_ascii=False)
    media = {
        key: picture(store, tmp_path, colour)
        for key, colour in zip(keys.values(), ("red", "blue", "green"), strict=True)
    }
    spec = MANY.replace('["9:16", "16:9, wide"]', text)
    report = write_report(finished(media, spec), tmp_path / "out", store)
    names = [
        Path(one["path"]).name for one in report.receipt.model_dump(mode="json")["outputs"]["all"]
    ]
    assert len(set(names)) == 3
    assert all(len(name) <= 60 for name in names)
    assert names[2] == "all-A-brass-lamp-on-oak-A-brass-lamp-on-oak.png"


def test_media_of_a_run_take_no_second_place_on_the_disk(store: AssetStore, tmp_path: Path) -> None:
    media = pictures(store, tmp_path)
    report = write_report(finished(media), tmp_path / "out", store)
    shown = Path(report.receipt.model_dump(mode="json")["outputs"]["best"]["path"])
    assert shown.samefile(store.local_path(media["ink"]["sha256"])) or shares_blocks(tmp_path)


def shares_blocks(folder: Path) -> bool:
    """Whether the file system makes copies that take no space."""
    (folder / "one").write_bytes(b"one")
    with (folder / "one").open("rb") as reads, (folder / "two").open("wb") as writes:
        try:
            fcntl.ioctl(writes, 0x40049409, reads.fileno())
        except OSError:
            return False
    return True


@pytest.mark.parametrize("place", ["file", "memory"])
def test_a_run_on_a_worker_writes_no_file_and_names_the_media_of_a_store_on_this_machine(
    tmp_path: Path, place: str
) -> None:
    urls = {"file": (tmp_path / "assets").as_uri(), "memory": f"memory://{uuid.uuid4().hex}"}
    store = AssetStore(urls[place], tmp_path / "copies")
    entries = finished(pictures(store, tmp_path))
    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        leases, (first, *rest) = Leases(journal.engine), entries
        assert isinstance(first.event, RunFrozen)
        journal.create(first.event, tmp_path / "out")
        row = journal.run(first.event.run_id)
        assert row is not None
        lease = leases.acquire(row.run_id)
        for entry in rest:
            journal.append(row.run_id, entry.event, lease.fence)
        report = RunReporter(journal, store, row, in_folder=False).write()
    assert (report.status, report.folder) == ("completed", None)
    assert not (tmp_path / "out").exists()
    best = report.receipt.model_dump(mode="json")["outputs"]["best"]
    here = store.local_path(best["sha256"])
    assert best["path"] == (str(here) if place == "file" else None)


def test_writing_a_report_again_replaces_it(store: AssetStore, tmp_path: Path) -> None:
    entries = finished(pictures(store, tmp_path))
    write_report(entries[:4], tmp_path / "out", store)
    write_report(entries, tmp_path / "out", store)
    before = files(tmp_path / "out")
    write_report(entries, tmp_path / "out", store)
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_medium_that_is_lost_leaves_the_rest_of_the_report(
    store: AssetStore, tmp_path: Path, damage: str
) -> None:
    media = pictures(store, tmp_path)
    lost = Path(media["ink"]["path"])
    if damage == "gone":
        lost.unlink()
    else:
        lost.write_text("no picture")
    report = write_report(finished(media), tmp_path / "out", store)
    assert report.sheet_path.is_file()
    assert files(tmp_path / "out") == {
        "receipt.json",
        "contact-sheet.html",
        "media/stills-ink.png",
        "media/stills-ink-2.png",
    }


def test_an_answer_that_looks_like_an_asset_is_not_taken_for_one(
    store: AssetStore, tmp_path: Path
) -> None:
    tricky = {"sha256": "../../../etc/passwd", "mime_type": "image/png", "kind": "image"}
    media = dict.fromkeys(("ink", "ink!", "ink?"), tricky)
    write_report(finished(media), tmp_path / "out", store)
    assert files(tmp_path / "out") == {"receipt.json", "contact-sheet.html"}


def test_a_folder_that_cannot_be_written_is_a_clear_error(
    store: AssetStore, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    entries = finished({key: asset("image", "gone") for key in ("ink", "ink!", "ink?")})
    ended = Stamped(99, 1.0, RunEnded(status="completed", at=NOON))
    with pytest.raises(StoreError, match="cannot write") as caught:
        write_report([*entries, ended], tmp_path / "out", store)
    assert "resume the run" in str(caught.value.hint)


class ReadJournal(Journal):
    """Counts the entries that were read from it."""

    read = 0

    def entries(self, run_id: str, after: int = 0) -> tuple[Stamped, ...]:
        found = super().entries(run_id, after)
        self.read += len(found)
        return found


def followed(journal: Journal, store: AssetStore, tmp_path: Path) -> RunReporter:
    """A reporter at the first entry of a run."""
    start = frozen(SPEC)
    journal.create(start, tmp_path / "out")
    row = journal.run(start.run_id)
    assert row is not None
    reporter = RunReporter(journal, store, row)
    reporter.follow()
    return reporter


@pytest.mark.parametrize("forgotten", [0, 1, 3])
def test_a_report_reads_of_the_journal_what_nobody_recorded(
    store: AssetStore, tmp_path: Path, forgotten: int
) -> None:
    events = [entry.event for entry in finished(pictures(store, tmp_path))]
    with closing(ReadJournal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        reporter = followed(journal, store, tmp_path)
        lease = Leases(journal.engine).acquire("run-1")
        state = reporter.follow()
        for event in events[1:]:
            entry = journal.append("run-1", event, lease.fence)
            step(state, event)
            if entry.seq <= len(events) - forgotten:
                reporter.record(entry, state)
        report = reporter.write()
        if not forgotten:  # the state at the end was handed over
            assert journal.read == 1
        assert [*report.state.each()] == [*state.each()]
        again = write_report(journal.entries("run-1"), tmp_path / "out", store)
        assert again.receipt == report.receipt
        assert reporter.write() is report


def test_a_report_made_while_the_run_goes_on_has_receipt_and_state_of_one_entry(
    store: AssetStore, tmp_path: Path
) -> None:
    events = [entry.event for entry in finished(pictures(store, tmp_path))]

    class GrowingJournal(ReadJournal):
        """The run writes an entry after each reading of it."""

        def entries(self, run_id: str, after: int = 0) -> tuple[Stamped, ...]:
            found = super().entries(run_id, after)
            if rest:
                entry = self.append("run-1", rest.pop(0), lease.fence)
                step(state, entry.event)
                reporter.record(entry, state)
            return found

    rest: list[Event] = []
    with closing(GrowingJournal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        reporter = followed(journal, store, tmp_path)
        lease = Leases(journal.engine).acquire("run-1")
        state = reporter.follow()
        rest += events[1:]
        made = reporter.receipt()
        again = write_report(journal.entries("run-1"), None, store)
    assert not rest
    assert made.model_dump(exclude={"outputs"}) == again.receipt.model_dump(exclude={"outputs"})


def test_a_journal_that_lost_what_was_written_to_it_is_an_error(
    store: AssetStore, tmp_path: Path
) -> None:
    events = [entry.event for entry in finished(pictures(store, tmp_path))]
    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        reporter = followed(journal, store, tmp_path)
        reporter.record(Stamped(2, 1.0, events[1]), reporter.follow())
        with pytest.raises(StoreError, match="has lost entries"):
            reporter.write()


def test_a_copy_that_was_made_for_an_earlier_report_is_left_alone(
    store: AssetStore, tmp_path: Path
) -> None:
    entries = finished(pictures(store, tmp_path))
    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        reporter = followed(journal, store, tmp_path)
        lease = Leases(journal.engine).acquire("run-1")
        for entry in entries[1:-1]:
            journal.append("run-1", entry.event, lease.fence)
        reporter.write()
        copies = {path: path.stat().st_ino for path in (tmp_path / "out").rglob("*.png")}
        journal.append("run-1", entries[-1].event, lease.fence)
        assert reporter.write().status == "completed"
    assert len(copies) == 3
    assert {path: path.stat().st_ino for path in copies} == copies


def test_half_a_character_is_written_as_its_escape(tmp_path: Path) -> None:
    write_whole(tmp_path / "receipt.json", json.dumps({"a": "\ud800 é"}, ensure_ascii=False))
    assert json.loads((tmp_path / "receipt.json").read_text()) == {"a": "\ud800 é"}
    assert files(tmp_path) == {"receipt.json"}


def test_a_price_in_a_file_name_leaves_one_dash() -> None:
    assert file_name("cards-€ 1.234,56-4x5", "image/png") == "cards-1.234-56-4x5.png"


def test_long_names_of_any_script_fit_a_file_system(tmp_path: Path) -> None:
    name = file_name("stills-" + "नमस्ते" * 40, "image/png")
    assert name.endswith(".png")
    assert len(name.encode()) <= 160
    (tmp_path / name).touch()


CUT = """
version: 1
name: cut
steps:
  spot:
    uses: compose
    foreach: [hi, en]
    with:
      clips: [https://media.example/a.png]
      narration: https://media.example/a.mp3
      captions: {text: Wake up}
      extras: EXTRAS
  film:
    uses: compose
    with:
      clips: [https://media.example/a.png]
      narration: https://media.example/a.mp3
      captions: {text: Wake up}
      extras: EXTRAS
outputs:
  film: ${{ steps.film.asset }}
  hindi: ${{ steps.spot.by.hi.asset }}
"""
CUES = [{"start": 0.0, "end": 1.5, "text": "Wake up --> now"}, {"start": 2, "end": 3, "text": "1"}]


def composed(store: AssetStore, folder: Path, key: str, *formats: str) -> dict[str, Any]:
    """The outputs of a composition; its media are pictures, whose content nobody reads here."""
    number = iter(range(1, 100))

    def medium(mime_type: str, kind: str = "video") -> dict[str, Any]:
        path = folder / "medium"
        path.write_text(f"{key} {next(number)}")
        return {**asset(kind, store.put(path)), "mime_type": mime_type}

    by = {
        name: {"asset": medium("video/mp4"), "clean": medium("video/mp4")}
        for name in formats or ("720x1280",)
    }
    films = [one["asset"] for one in by.values()]
    extras = {"poster": medium("image/jpeg", "image"), "gif": medium("image/gif", "image")}
    captions = {"cues": CUES, "estimated": True, "language": key or None}
    return {"asset": films[0], "assets": films, "by": by, "captions": captions, **extras}


def cut(store: AssetStore, folder: Path, extras: str, spec: str = CUT) -> list[Stamped]:
    """The journal of a run with films in formats, and one without."""
    rehearsal = Rehearsal(frozen(spec.replace("EXTRAS", extras)), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    events: list[Event] = []
    for event in rehearsal.journal:
        if isinstance(event, ItemCompleted):
            formats = ("9:16", "1:1") if event.step == "spot" else ()
            outputs = composed(store, folder, event.key, *formats)
            event = event.model_copy(update={"outputs": outputs})
        events.append(event)
    return [Stamped(n + 1, NOON.timestamp() + n, event) for n, event in enumerate(events)]


def test_files_of_a_composition_bear_its_step_its_key_and_their_format(
    store: AssetStore, tmp_path: Path
) -> None:
    write_report(cut(store, tmp_path, "[srt]"), tmp_path / "out", store)
    spot = {
        f"media/spot-{key}{part}"
        for key in ("hi", "en")
        for part in (
            "-9x16.mp4", "-9x16-clean.mp4", "-1x1.mp4", "-1x1-clean.mp4", "-poster.jpg", ".gif", ".srt",
        )
    }  # fmt: skip
    film = {
        "film.mp4",
        "film.srt",
        "media/film-clean.mp4",
        "media/film-poster.jpg",
        "media/film.gif",
    }
    output = {"hindi.mp4", "hindi.srt"}
    gone = {"media/spot-hi-9x16.mp4", "media/spot-hi.srt"}
    found = files(tmp_path / "out") - {"receipt.json", "contact-sheet.html"}
    assert found == (spot | film | output) - gone


def test_an_item_that_is_called_after_a_format_bears_that_once(
    store: AssetStore, tmp_path: Path
) -> None:
    spec = CUT.replace("[hi, en]", '["9:16", "1:1"]').replace("by.hi", "by['9:16']")
    write_report(cut(store, tmp_path, "[srt]", spec), tmp_path / "out", store)
    media = {one.removeprefix("media/spot-") for one in files(tmp_path / "out") if "spot" in one}
    one = {"1x1.mp4", "1x1-clean.mp4", "1x1-9x16.mp4", "1x1-9x16-clean.mp4", "1x1-poster.jpg"}
    other = {"9x16-clean.mp4", "9x16-1x1.mp4", "9x16-1x1-clean.mp4", "9x16-poster.jpg"}
    assert media == one | other | {"1x1.gif", "1x1.srt", "9x16.gif"}


def test_subtitles_are_those_of_the_journal_and_only_where_they_were_asked_for(
    store: AssetStore, tmp_path: Path
) -> None:
    write_report(cut(store, tmp_path, "[srt, poster]"), tmp_path / "out", store)
    assert (tmp_path / "out" / "film.srt").read_text() == (
        "1\n00:00:00,000 --> 00:00:01,500\nWake up -> now\n\n2\n00:00:02,000 --> 00:00:03,000\n1\n"
    )
    write_report(cut(store, tmp_path, "[poster]"), tmp_path / "other", store)
    assert not [name for name in files(tmp_path / "other") if name.endswith(".srt")]


def test_a_receipt_says_what_was_composed(store: AssetStore, tmp_path: Path) -> None:
    receipt = write_report(cut(store, tmp_path, "[]"), tmp_path / "out", store).receipt
    check(receipt.model_dump(mode="json"))
    spot = next(one for one in receipt.model_dump(mode="json")["steps"] if one["id"] == "spot")[
        "items"
    ][0]
    assert [*spot["by"]] == ["9:16", "1:1"]
    assert spot["by"]["9:16"]["clean"]["path"].endswith("media/spot-hi-9x16-clean.mp4")
    assert spot["captions"]["cues"] == CUES
    assert len(spot["assets"]) == 6
    made = {one["sha256"] for one in receipt.model_dump(mode="json")["assets"] if one["made_by"]}
    assert {one["sha256"] for one in spot["assets"]} <= made
    assert "spot[hi]: captions: 2, estimated timing" in films(receipt)
