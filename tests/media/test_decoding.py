"""Foreign media in the process that decodes them: what they cannot do, and what ends them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

from rivya_cut import reading
from rivya_cut.bounds import MAX_PACKETS
from rivya_cut.composition import Clip, Composition, Layout
from rivya_cut.results import Rendered
from rivya_flows.engine.files import keep_in_thread
from rivya_flows.errors import MediaError
from rivya_flows.media import decoder
from rivya_flows.media.bounds import LIMITS, MAX_DECODINGS
from rivya_flows.media.decoder import DecoderCall
from rivya_flows.media.decoding import draw_poster, poster, probe, probe_async, render
from rivya_flows.store.assets import AssetStore
from support.composed_media import film, still
from support.hostile_media import (
    aac_frames,
    decoders,
    film_with_a_pause,
    picture_with_text_for_orientation,
    png_of,
    sound,
)

pytestmark = pytest.mark.slow

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def endless(path: Path) -> Path:
    """A file that nobody ever writes to: what opens it waits for ever."""
    os.mkfifo(path)
    return path


def limited(monkeypatch: pytest.MonkeyPatch, call: str, **limits: float) -> None:
    monkeypatch.setitem(LIMITS, call, replace(LIMITS[call], **limits))  # type: ignore[arg-type]


def until(true: Callable[[], bool]) -> None:
    """Waits; the whole test would have to be given up where it does not come true."""
    for _ in range(6_000):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come true")


def asking(code: str, mark: Path, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """A process of its own that decodes."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(mark)} | environment,
    )


PROBES = """
import sys; from pathlib import Path
from rivya_flows.media.decoding import probe
print(probe(Path(sys.argv[1])).kind, flush=True)
"""
PROBES_TWICE = PROBES + "probe(Path(sys.argv[2]))\n"


def test_tags_of_a_wrong_type_or_encoding_do_no_harm(tmp_path: Path) -> None:
    found = probe(written(tmp_path / "a.jpg", picture_with_text_for_orientation()))
    assert (found.width, found.height) == (40, 20)
    found = probe(written(tmp_path / "a.wav", sound(tag=b"\xff\xfe\xc3\x28")))
    assert found.duration_seconds == pytest.approx(0.5)


def test_an_unknown_codec_is_said_to_be_one(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", sound(codec=0x1234))
    with pytest.raises(MediaError, match=r"a\.wav: of a codec that is not known here"):
        probe(path)


def test_whatever_a_decoder_raises_is_an_error_of_that_medium(tmp_path: Path) -> None:
    """A request that no medium can lead to stands for all that a decoder may raise."""
    clips = (Clip(media=still(tmp_path / "a.png", (16, 16))),)
    work = Composition.model_construct(clips=clips, loudness=-99.0)
    with pytest.raises(MediaError, match=r"composition: cannot be decoded \(ValidationError\)"):
        asyncio.run(render(work, tmp_path / "out"))


def test_a_relative_path_counts_from_the_folder_of_now_and_not_from_where_the_decoder_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("one", 8), ("other", 16)):
        (tmp_path / name).mkdir()
        still(tmp_path / name / "still.png", (size, size))
        monkeypatch.chdir(tmp_path / name)
        assert probe(Path("still.png")).width == size


def test_a_film_of_two_kilobytes_that_lasts_for_months_is_refused(tmp_path: Path) -> None:
    path = film_with_a_pause(tmp_path / "a.mkv", 10_000_000)
    assert path.stat().st_size < 2_000
    with pytest.raises(MediaError, match=r"more than 3,600 s .* MAX_DURATION_SECONDS"):
        asyncio.run(render(Composition(clips=(Clip(media=path),)), tmp_path / "out"))


def test_a_sound_of_countless_packets_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.aac", aac_frames(200))
    assert probe(path).kind == "audio"
    monkeypatch.setattr(reading, "MAX_PACKETS", 100)
    with pytest.raises(MediaError, match="more than 100 packets; the bound is MAX_PACKETS"):
        reading.probe(path)
    assert MAX_PACKETS < 16 * 2**20 // 11


def test_what_takes_too_long_by_the_clock_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, "probe", seconds=0.3)
    with pytest.raises(MediaError, match=r"more than 0\.3 s of work; .* MAX_PROBE_SECONDS"):
        probe(endless(tmp_path / "a.png"))


def test_what_takes_too_long_on_the_processor_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, "render", cpu_seconds=1)
    path = film_with_a_pause(tmp_path / "a.mkv", 3_000, (320, 180))
    with pytest.raises(MediaError, match=r"more than 1 s of the processor; .*_COMPOSE_CPU_SECONDS"):
        asyncio.run(render(Composition(clips=(Clip(media=path),)), tmp_path / "out"))
    assert [one.name for one in tmp_path.iterdir()] == ["a.mkv"], "nothing half-written is left"


@only_linux
def test_what_takes_too_much_memory_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, "probe", memory_bytes=2**24)
    path = written(tmp_path / "a.png", png_of(6_000, 6_000))
    with pytest.raises(MediaError, match=r"16,777,216 bytes of memory; .* MAX_MEMORY_BYTES"):
        probe(path)


def test_a_rendering_that_writes_too_much_is_ended_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, "render", file_bytes=500)
    with pytest.raises(MediaError, match="bytes; the bound is MAX_COMPOSED_BYTES"):
        asyncio.run(render(composition(tmp_path), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


PROBES_AFTER_AN_ERROR = """
import sys; from pathlib import Path
from rivya_flows.errors import MediaError
from rivya_flows.media.decoding import probe
try: probe(Path(sys.argv[1]))
except MediaError as error: print(error, flush=True)
print(probe(Path(sys.argv[2])).kind, flush=True)
input()
"""


@only_linux
@pytest.mark.parametrize(
    ("which", "number", "words"),
    [(max, signal.SIGSEGV, " (SIGSEGV)"), (min, signal.SIGKILL, "")],
    ids=["the worker of the medium", "the decoder of all"],
)
def test_a_decoder_that_dies_fails_one_medium_leaves_no_worker_and_the_next_is_decoded(
    which: Callable[[list[int]], int], number: int, words: str, tmp_path: Path
) -> None:
    good = still(tmp_path / "good.png", (16, 16))
    process = asking(PROBES_AFTER_AN_ERROR, tmp_path, endless(tmp_path / "a.png"), good)
    until(lambda: len(decoders(tmp_path)) == 2)
    before = decoders(tmp_path)
    os.kill(which(before), number)
    assert process.stdout is not None
    told = process.stdout.readline()
    assert f"a.png: cannot be decoded: the decoder crashed on it{words}" in told
    assert process.stdout.readline() == "image\n"
    until(lambda: max(before) not in decoders(tmp_path))
    process.kill()
    process.communicate()


def test_an_answer_is_heard_to_its_end_however_late_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, random = decoder._Talk.lines, Random(1)

    def late(talk: decoder._Talk, seconds: float) -> Iterator[bytes]:
        time.sleep(0.2)  # the worker has ended, or waits for room
        yield from lines(talk, seconds)

    monkeypatch.setattr(decoder._Talk, "lines", late)
    sides = range(632, 646, 2)  # about as large as what a connection holds
    for side in sides:
        path = tmp_path / f"{side}.png"
        Image.frombytes("RGB", (side, side), random.randbytes(3 * side * side)).save(path)
        assert poster(path, side) is not None, side


def test_where_nothing_can_be_forked_one_medium_fails_and_the_next_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import os
from rivya_flows.media import decoder_process
fork, left = os.fork, [False, True]
def forks():
    if not left.pop():
        left.append(True)
        raise BlockingIOError
    left.append(True)
    return fork()
left.reverse()
os.fork = forks
decoder_process.main()
"""
    decoder.close()
    monkeypatch.setattr(decoder, "_STARTS", f"import sys; sys.path[:] = sys.argv[1:]\n{code}")
    good = still(tmp_path / "good.png", (16, 16))
    with pytest.raises(MediaError, match="the machine may lack memory"):
        probe(good)
    started = decoder.running()
    assert probe(good).kind == "image"
    assert decoder.running() is started
    decoder.close()


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    assert "(signal 999)" in str(decoder.crash_error(Path("a.png"), 999))


@only_linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_no_decoder_outlives_the_process_that_asked(tmp_path: Path, number: int) -> None:
    process = asking(
        PROBES_TWICE, tmp_path, still(tmp_path / "a.png", (16, 16)), endless(tmp_path / "b.png")
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "image\n"
    until(lambda: len(decoders(tmp_path)) == 2)
    process.send_signal(number)
    process.communicate()
    until(lambda: not decoders(tmp_path))


PROBES_IN_A_THREAD = """
import sys, threading; from pathlib import Path
from rivya_flows.media.decoding import probe
threading.Thread(target=probe, args=[Path(sys.argv[1])], daemon=True).start()
input()
"""


@only_linux
def test_a_process_ends_at_once_while_a_thread_waits_for_a_probe(tmp_path: Path) -> None:
    process = asking(PROBES_IN_A_THREAD, tmp_path, endless(tmp_path / "a.png"))
    until(lambda: len(decoders(tmp_path)) == 2)
    process.send_signal(signal.SIGINT)
    process.communicate()
    until(lambda: not decoders(tmp_path))


RENDERS = """
import asyncio, sys; from pathlib import Path
from rivya_flows.media.decoding import render
from rivya_cut.composition import Clip, Composition
made = Composition(clips=(Clip(media=Path(sys.argv[1])),), formats=("1:1",))
asyncio.run(render(made, Path(sys.argv[2])))
"""


@only_linux
def test_a_rendering_of_a_killed_process_leaves_no_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = asking(RENDERS, tmp_path, endless(tmp_path / "b.png"), out)
    until(lambda: len(decoders(tmp_path)) == 2 and any(out.iterdir()))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until(lambda: not decoders(tmp_path) and not out.exists())


def test_what_is_half_made_is_gone_once_nobody_waits_for_it(tmp_path: Path) -> None:
    """The connections of a killed process close one after the other, the one to the decoder last."""
    out = tmp_path / "out"
    out.mkdir()
    work = Composition(clips=(Clip(media=endless(tmp_path / "a.png")),), formats=("1:1",))
    request = {
        "call": "render",
        "about": "the film",
        "limits": asdict(LIMITS["render"]),
        "arguments": {"work": work.model_dump_json(), "folder": str(out)},
    }
    answers, about = decoder.running().connect()
    with answers, about:
        about.sendall(json.dumps(request).encode() + b"\n")
        until(lambda: any(out.iterdir()))
    until(lambda: not out.exists())


@only_linux
def test_the_decoder_is_given_no_secret_and_ends_with_its_process(tmp_path: Path) -> None:
    picture = still(tmp_path / "a.png", (16, 16))
    secrets = {"RIVYA_API_KEY": "canary", "MY": "canary"}
    process = asking(PROBES + "input()\n", tmp_path, picture, **secrets)
    assert process.stdout is not None
    assert process.stdout.readline() == "image\n"
    [child] = decoders(tmp_path)
    given = [Path(f"/proc/{child}/{name}").read_bytes() for name in ("environ", "cmdline")]
    process.communicate("\n")
    assert b"canary" not in b"".join(given)
    assert process.returncode == 0
    until(lambda: not decoders(tmp_path))


def test_a_cancelled_task_ends_the_decoding_and_the_next_goes_on(tmp_path: Path) -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(probe_async(endless(tmp_path / "a.png")))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # As many as there are decoders: none of them is still busy with the file above.
        good = still(tmp_path / "b.png", (16, 16))
        assert [(await one).kind for one in [probe_async(good) for _ in range(4)]] == ["image"] * 4

    asyncio.run(cancelled())


async def outcome(path: Path) -> str:
    try:
        return (await probe_async(path)).kind
    except MediaError as error:
        return error.message


@only_linux
def test_a_medium_that_ends_its_decoding_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, "probe", seconds=2.0)
    good = still(tmp_path / "a.png", (16, 16))
    broken = written(tmp_path / "b.png", good.read_bytes()[:40])

    async def all_of_them() -> list[str]:
        hanging = endless(tmp_path / "c.png")
        media = [*[good] * 9, broken, hanging, *[good] * 9]
        return await asyncio.gather(*(outcome(path) for path in media))

    found = asyncio.run(all_of_them())
    assert [*found[:9], *found[11:]] == ["image"] * 18
    assert "b.png: broken or cut short" in found[9]
    assert "c.png: more than 2 s of work" in found[10]


def test_who_hangs_up_before_a_request_is_sent_ends_no_decoder() -> None:
    started = decoder.running()
    with decoder._Talk(started) as talk:
        talk.hang_up()
        talk.send(b"{}\n")
        assert [*talk.lines(120)] == []
    assert talk.number == signal.SIGKILL
    assert started.lives


def test_a_cancelled_probe_leaves_the_others_alone(tmp_path: Path) -> None:
    good = still(tmp_path / "a.png", (16, 16))

    async def all_of_them() -> None:
        tasks = [asyncio.create_task(outcome(good)) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in found[::2])
        assert found[1::2] == ["image"] * 10

    asyncio.run(all_of_them())


def test_the_event_loop_goes_on_while_a_medium_is_kept(tmp_path: Path) -> None:
    good = written(tmp_path / "a.aac", aac_frames(20_000))
    store = AssetStore((tmp_path / "assets").as_uri(), tmp_path)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async def both() -> None:
        ticking = asyncio.create_task(tick())
        await keep_in_thread(store, good)
        ticking.cancel()

    asyncio.run(both())
    assert ticks > 2


@pytest.mark.parametrize(
    "answer",
    [
        "no JSON",
        '{"found": {"kind": "image"}}',
        '{"found": {"kind": "text", "mime_type": "text/html", "size_bytes": 1}}',
        '{"found": {"kind": "image", "mime_type": "text/html", "size_bytes": 1}}',
        '{"found": {"kind": "audio", "mime_type": "audio/wav", "size_bytes": 1,'
        ' "duration_seconds": Infinity}}',
        '{"error": 7}',
    ],
)
def test_an_answer_of_a_decoder_that_was_taken_over_is_not_believed(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DecoderCall, "_ask", lambda *_: (0, answer.encode()))
    with pytest.raises(MediaError, match="the decoder crashed on it"):
        probe(tmp_path / "a.png")


def test_a_film_that_hangs_the_decoder_has_no_poster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert poster(film(tmp_path / "a.mp4")) is not None
    limited(monkeypatch, "poster", seconds=0.3)
    assert poster(endless(tmp_path / "b.mp4")) is None


def test_posters_of_many_films_are_drawn_at_once(tmp_path: Path) -> None:
    made = film(tmp_path / "a.mp4")
    drawn = [draw_poster(f"{tmp_path}/{number}", made) for number in range(2 * MAX_DECODINGS)]
    assert None not in [one.result(timeout=240) for one in drawn]
    assert draw_poster(f"{tmp_path}/0", made) is drawn[0]


def composition(folder: Path, **options: Any) -> Composition:
    """A composition of one small still, without formats: a film of its size."""
    clip = Clip(media=still(folder / "still.png", (96, 64)), seconds=0.5)
    return Composition(clips=(clip,), **options)


async def rendered_there(work: Composition, folder: Path) -> tuple[Rendered, list[float]]:
    shares: list[float] = []
    return await render(work, folder, shares.append), shares


def test_a_composition_is_rendered_in_each_format_and_tells_how_far_it_is(tmp_path: Path) -> None:
    work = composition(tmp_path, formats=("1:1", "16:9"), extras=("poster", "gif"), shrink=4)
    made, shares = asyncio.run(rendered_there(work, tmp_path / "out"))
    names = {"1x1.mp4", "16x9.mp4", "poster.jpg", "loop.gif"}
    assert made.media.keys() == {path.name for path in (tmp_path / "out").iterdir()} == names
    assert (made.media["16x9.mp4"].width, made.media["16x9.mp4"].height) == (480, 270)
    assert shares == sorted(set(shares))
    assert shares[-1] > 0.5


def test_a_rendering_that_fails_leaves_no_file(tmp_path: Path) -> None:
    work = Composition(clips=(Clip(media=written(tmp_path / "a.mp4", b"no film")),))
    with pytest.raises(MediaError, match=r"a\.mp4"):
        asyncio.run(render(work, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_cancelled_rendering_leaves_no_file_and_no_process_at_work(tmp_path: Path) -> None:
    async def cancelled() -> None:
        begun = asyncio.Event()
        work = composition(tmp_path, formats=("16:9", "9:16", "1:1"))
        task = asyncio.create_task(render(work, tmp_path / "out", lambda _: begun.set()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not (tmp_path / "out").exists()
        layout = Layout(image=work.clips[0].media[0], formats=("4:5",), shrink=4)
        assert [*(await render(layout, tmp_path / "next")).media] == ["4x5.png"]

    asyncio.run(cancelled())


@only_linux
def test_one_process_serves_all_kinds_of_work_and_a_hanging_medium_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent ends a worker that the kernel does not, as one that took its timer away."""
    monkeypatch.setattr(decoder, "_GRACE_SECONDS", 0.2)
    body = "import signal, time; signal.setitimer(signal.ITIMER_REAL, 0); time.sleep(600)"
    taken_over(monkeypatch, body)
    limited(monkeypatch, "render", seconds=0.2)

    async def both() -> None:
        hanging = asyncio.create_task(render(composition(tmp_path), tmp_path / "out"))
        good = still(tmp_path / "good.png", (16, 16))
        assert [(await probe_async(good)).kind for _ in range(3)] == ["image"] * 3
        with pytest.raises(MediaError, match=r"more than 0\.2 s of work"):
            await hanging
        assert (await probe_async(good)).kind == "image"

    asyncio.run(both())
    assert not (tmp_path / "out").exists()
    decoder.close()


# A compromised worker runs what it likes: this module replaces the renderer.
TAKEN_OVER = """
import sys, types
from rivya_cut.reading import probe
from rivya_cut.results import Rendered
from rivya_flows.media import decoder_process
def render(composition, folder, progress):
    {body}
    return Rendered(media)
sys.modules["rivya_cut.final_cut"] = types.SimpleNamespace(render=render)
decoder_process.main()
"""


def taken_over(monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    code = TAKEN_OVER.format(body=body)
    monkeypatch.setattr(decoder, "_STARTS", f"import sys; sys.path[:] = sys.argv[1:]\n{code}")
    decoder.close()


def test_progress_cannot_flood_whoever_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """import os
    for pipe in range(3, 64):
        for _ in range(2_000):
            try: os.write(pipe, bytes(range(256)) * 8)
            except OSError: break
    media = {}"""
    taken_over(monkeypatch, body)
    shares: list[float] = []
    with pytest.raises(MediaError, match="the composition: cannot be decoded"):
        asyncio.run(render(composition(tmp_path), tmp_path / "out", shares.append))
    assert len(shares) <= 99
    assert not (tmp_path / "out").exists()
    decoder.close()
