"""The folder of a run: everything for people, whole, whatever has become of single media."""

from __future__ import annotations

import fcntl
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_flows.errors import StoreError
from rivya_flows.queue.events import Event, ItemCompleted, RunEnded, Stamped
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
steps:
  stills:
    uses: generate
    foreach: KEYS
    key: ${{ item }}
    with: {model: z-image, prompt: "${{ item }}"}
outputs:
  OUTPUT
"""


def spec_of(keys: Sequence[str], output: str = "all: ${{ steps.stills.assets }}") -> str:
    listed = json.dumps([*keys], ensure_ascii=False)
    return SPEC.replace("KEYS", listed).replace("OUTPUT", output)


BEST = spec_of(("ink", "ink!", "ink?"), "best: ${{ steps.stills.assets | first }}")


class ReadJournal(Journal):
    """Counts the entries that were read from it."""

    read = 0

    def entries(self, run_id: str, after: int = 0) -> tuple[Stamped, ...]:
        found = super().entries(run_id, after)
        self.read += len(found)
        return found


@pytest.fixture
def store(tmp_path: Path) -> AssetStore:
    return AssetStore((tmp_path / "assets").as_uri(), tmp_path / "copies")


def picture(store: AssetStore, folder: Path, colour: str) -> dict[str, Any]:
    path = folder / "picture.png"
    Image.new("RGB", (8, 8), colour).save(path)
    digest = store.put(path)
    return {**asset("image", digest), "path": str(store.local_path(digest))}


def with_outputs(spec: str, outputs_of: Callable[[ItemCompleted], dict[str, Any]]) -> list[Stamped]:
    """The journal of a run whose items have these outputs."""
    rehearsal = Rehearsal(frozen(spec), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    events: list[Event] = []
    for event in rehearsal.journal:
        if isinstance(event, ItemCompleted):
            event = event.model_copy(update={"outputs": {**event.outputs, **outputs_of(event)}})
        events.append(event)
    return [Stamped(n + 1, NOON.timestamp() + n, event) for n, event in enumerate(events)]


def finished(media: dict[str, dict[str, Any]], spec: str = BEST) -> list[Stamped]:
    """The journal of a run whose items have these media."""
    return with_outputs(
        spec, lambda event: {"asset": media[event.key], "assets": [media[event.key]]}
    )


def pictures(store: AssetStore, folder: Path) -> dict[str, dict[str, Any]]:
    colours = {"ink": "red", "ink!": "green", "ink?": "blue", "9:16": "red", "16:9, wide": "green"}
    return {key: picture(store, folder, colour) for key, colour in colours.items()}


@pytest.fixture
def entries(store: AssetStore, tmp_path: Path) -> list[Stamped]:
    """The journal of a finished run with three stills, of which the first is its output."""
    return finished(pictures(store, tmp_path))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[ReadJournal]:
    with closing(ReadJournal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        yield journal


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_outputs_stand_in_front_and_no_two_media_have_one_name_however_often_it_is_written(
    entries: list[Stamped], store: AssetStore, tmp_path: Path
) -> None:
    for length in (4, len(entries), len(entries)):
        report = write_report(entries[:length], tmp_path / "out", store)
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
    # A medium takes no second place on the disk.
    best = written["outputs"]["best"]
    shown = Path(best["path"])
    assert shown.samefile(store.local_path(best["sha256"])) or shares_blocks(tmp_path)


def test_each_of_several_outputs_bears_its_key_also_if_it_is_alone_before_a_resume(
    store: AssetStore, tmp_path: Path
) -> None:
    entries = finished(pictures(store, tmp_path), spec_of(("9:16", "16:9, wide")))
    first = next(n for n, one in enumerate(entries) if isinstance(one.event, ItemCompleted))
    for length in (first + 1, len(entries)):
        write_report(entries[:length], tmp_path / "out", store)
    named = {name for name in files(tmp_path / "out") if name.endswith(".png")}
    assert named == {"all-9x16.png", "all-16x9-wide.png"}


def test_a_long_key_makes_a_name_that_fits(store: AssetStore, tmp_path: Path) -> None:
    keys = [*("नमस्ते " * 40 + name for name in ("one", "two")), "A brass lamp on oak, " * 7]
    media = {
        key: picture(store, tmp_path, colour)
        for key, colour in zip(keys, ("red", "blue", "green"), strict=True)
    }
    report = write_report(finished(media, spec_of(keys)), tmp_path / "out", store)
    outputs = report.receipt.model_dump(mode="json")["outputs"]
    names = [Path(one["path"]).name for one in outputs["all"]]
    assert len(set(names)) == 3
    assert all(len(name) <= 60 for name in names)
    assert names[2] == "all-A-brass-lamp-on-oak-A-brass-lamp-on-oak.png"


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
    tmp_path: Path, place: str, journal: ReadJournal
) -> None:
    urls = {"file": (tmp_path / "assets").as_uri(), "memory": f"memory://{uuid.uuid4().hex}"}
    store = AssetStore(urls[place], tmp_path / "copies")
    reporter = followed(journal, store, tmp_path, in_folder=False)
    lease = Leases(journal.engine).acquire("run-1")
    for entry in finished(pictures(store, tmp_path))[1:]:
        journal.append("run-1", entry.event, lease.fence)
    report = reporter.write()
    assert (report.status, report.folder) == ("completed", None)
    assert not (tmp_path / "out").exists()
    best = report.receipt.model_dump(mode="json")["outputs"]["best"]
    here = store.local_path(best["sha256"])
    assert best["path"] == (str(here) if place == "file" else None)


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
    write_report(finished(media), tmp_path / "out", store)
    rest = {"media/stills-ink.png", "media/stills-ink-2.png"}
    assert files(tmp_path / "out") == {"receipt.json", "contact-sheet.html", *rest}


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


def followed(
    journal: Journal, store: AssetStore, tmp_path: Path, *, in_folder: bool = True
) -> RunReporter:
    """A reporter at the first entry of a run."""
    start = frozen(BEST)
    journal.create(start, tmp_path / "out")
    row = journal.run(start.run_id)
    assert row is not None
    reporter = RunReporter(journal, store, row, in_folder=in_folder)
    reporter.follow()
    return reporter


@pytest.mark.parametrize("forgotten", [0, 1, 3])
def test_a_report_reads_of_the_journal_what_nobody_recorded(
    entries: list[Stamped], store: AssetStore, journal: ReadJournal, tmp_path: Path, forgotten: int
) -> None:
    reporter = followed(journal, store, tmp_path)
    lease = Leases(journal.engine).acquire("run-1")
    state = reporter.follow()
    for one in entries[1:]:
        entry = journal.append("run-1", one.event, lease.fence)
        step(state, entry.event)
        if entry.seq <= len(entries) - forgotten:
            reporter.record(entry, state)
    report = reporter.write()
    if not forgotten:  # the state at the end was handed over
        assert journal.read == 1
    assert [*report.state.each()] == [*state.each()]
    again = write_report(journal.entries("run-1"), tmp_path / "out", store)
    assert again.receipt == report.receipt
    assert reporter.write() is report


def test_a_report_made_while_the_run_goes_on_has_receipt_and_state_of_one_entry(
    entries: list[Stamped], store: AssetStore, tmp_path: Path
) -> None:
    class GrowingJournal(Journal):
        """The run writes an entry after each reading of it."""

        def entries(self, run_id: str, after: int = 0) -> tuple[Stamped, ...]:
            found = super().entries(run_id, after)
            if rest:
                entry = self.append("run-1", rest.pop(0).event, lease.fence)
                step(state, entry.event)
                reporter.record(entry, state)
            return found

    rest: list[Stamped] = []
    with closing(GrowingJournal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        reporter = followed(journal, store, tmp_path)
        lease = Leases(journal.engine).acquire("run-1")
        state = reporter.follow()
        rest += entries[1:]
        made = reporter.receipt()
        again = write_report(journal.entries("run-1"), None, store)
    assert not rest
    assert made.model_dump(exclude={"outputs"}) == again.receipt.model_dump(exclude={"outputs"})


def test_a_journal_that_lost_what_was_written_to_it_is_an_error(
    entries: list[Stamped], store: AssetStore, journal: ReadJournal, tmp_path: Path
) -> None:
    reporter = followed(journal, store, tmp_path)
    reporter.record(entries[1], reporter.follow())
    with pytest.raises(StoreError, match="has lost entries"):
        reporter.write()


def test_a_copy_that_was_made_for_an_earlier_report_is_left_alone(
    entries: list[Stamped], store: AssetStore, journal: ReadJournal, tmp_path: Path
) -> None:
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


@pytest.mark.parametrize(
    ("stem", "name"),
    [("cards-€ 1.234,56-4x5", "cards-1.234-56-4x5.png"), ("stills-" + "नमस्ते" * 40, None)],
)
def test_a_name_of_any_script_fits_a_file_system(
    stem: str, name: str | None, tmp_path: Path
) -> None:
    found = file_name(stem, "image/png")
    assert name in (found, None)
    assert found.endswith(".png")
    assert len(found.encode()) <= 160
    (tmp_path / found).touch()


COMPOSE = """
    with:
      clips: [https://media.example/a.png]
      narration: https://media.example/a.mp3
      captions: {text: Wake up}
      extras: EXTRAS"""
CUT = f"""
version: 1
name: cut
steps:
  spot:
    uses: compose
    foreach: [hi, en]{COMPOSE}
  film:
    uses: compose{COMPOSE}
outputs:
  film: ${{{{ steps.film.asset }}}}
  hindi: ${{{{ steps.spot.by.hi.asset }}}}
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

    def outputs(event: ItemCompleted) -> dict[str, Any]:
        formats = ("9:16", "1:1") if event.step == "spot" else ()
        return composed(store, folder, event.key, *formats)

    return with_outputs(spec.replace("EXTRAS", extras), outputs)


def test_a_composition_is_in_the_folder_by_step_key_and_format_and_in_the_receipt(
    store: AssetStore, tmp_path: Path
) -> None:
    receipt = write_report(cut(store, tmp_path, "[srt]"), tmp_path / "out", store).receipt
    parts = (
        "-9x16.mp4",
        "-9x16-clean.mp4",
        "-1x1.mp4",
        "-1x1-clean.mp4",
        "-poster.jpg",
        ".gif",
        ".srt",
    )
    spots = {f"media/spot-{key}{part}" for key in ("hi", "en") for part in parts}
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
    assert found == (spots | film | output) - gone
    assert (tmp_path / "out" / "film.srt").read_text() == (
        "1\n00:00:00,000 --> 00:00:01,500\nWake up -> now\n\n2\n00:00:02,000 --> 00:00:03,000\n1\n"
    )
    document = receipt.model_dump(mode="json")
    check(document)
    [spot] = [one["items"][0] for one in document["steps"] if one["id"] == "spot"]
    assert [*spot["by"]] == ["9:16", "1:1"]
    assert spot["by"]["9:16"]["clean"]["path"].endswith("media/spot-hi-9x16-clean.mp4")
    assert spot["captions"]["cues"] == CUES
    assert len(spot["assets"]) == 6
    made = {one["sha256"] for one in document["assets"] if one["made_by"]}
    assert {one["sha256"] for one in spot["assets"]} <= made
    assert "spot[hi]: captions: 2, estimated timing" in films(receipt)


def test_subtitles_are_written_only_where_they_were_asked_for(
    store: AssetStore, tmp_path: Path
) -> None:
    write_report(cut(store, tmp_path, "[poster]"), tmp_path / "out", store)
    assert not [name for name in files(tmp_path / "out") if name.endswith(".srt")]


def test_an_item_that_is_called_after_a_format_bears_that_once(
    store: AssetStore, tmp_path: Path
) -> None:
    spec = CUT.replace("[hi, en]", '["9:16", "1:1"]').replace("by.hi", "by['9:16']")
    write_report(cut(store, tmp_path, "[srt]", spec), tmp_path / "out", store)
    media = {one.removeprefix("media/spot-") for one in files(tmp_path / "out") if "spot" in one}
    one = {"1x1.mp4", "1x1-clean.mp4", "1x1-9x16.mp4", "1x1-9x16-clean.mp4", "1x1-poster.jpg"}
    other = {"9x16-clean.mp4", "9x16-1x1.mp4", "9x16-1x1-clean.mp4", "9x16-poster.jpg"}
    assert media == one | other | {"1x1.gif", "1x1.srt", "9x16.gif"}
