"""Renders a composition once for each format, and lays out stills.

Frames are streamed: a film is decoded, reframed, joined and drawn on while it is encoded.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
from av.video.frame import VideoFrame
from PIL import Image, ImageChops, ImageFilter

from rivya_client.errors import MediaError
from rivya_cut.bounds import MAX_PIXELS
from rivya_cut.captions import cut_text, time_captions
from rivya_cut.composition import Composition, Layout
from rivya_cut.drawing.layers import end_card_picture, overlay_layers
from rivya_cut.encoding import FilmWriter, unwritable, write_loop, write_poster, write_sound
from rivya_cut.fonts import missing_characters, name_characters
from rivya_cut.metadata import MAX_LOST, collect_tags, lost_metadata, png_info
from rivya_cut.reading import on_ground, probe, upright
from rivya_cut.rendering.overlays import Drawn, no_room, of_overlay, poster_frame
from rivya_cut.rendering.planes import draw_stamps, frame_of_image
from rivya_cut.rendering.reframe import (
    GROUND_BLUR,
    GROUND_SCALE,
    Placement,
    Size,
    bars,
    edges_over,
    even,
    focus_of,
    ground_light,
    placement,
    soft_seam,
    window,
)
from rivya_cut.rendering.shots import card, pace, picture_frames, still_size
from rivya_cut.rendering.timeline import ClipMedium, Shot, Timeline, arrange
from rivya_cut.results import GIF, POSTER, Probe, Rendered, clean_name, sizes_of
from rivya_cut.rules import check
from rivya_cut.sound import RATE, Piece, samples
from rivya_cut.soundtrack import measure_loudness, soundtrack
from rivya_cut.speech import Intervals, find_speech
from rivya_cut.subtitles import MAX_SUBTITLES, Cue

# Formats at a time. More than there are cores in a small machine: the last one is not left alone.
_WORKERS = 3
_MAX_SIDE = 16_384  # pixels that the encoder takes
_JOIN = round(0.01 * RATE)
_LEAST_CUE = 0.1  # seconds of what is left of a cue where its clip is cut


def render(composition: Composition, folder: Path, progress: Callable[[float], object]) -> Rendered:
    """Render the films of a composition, and its poster and loop, into a folder.

    Clips follow each other as `rendering.timeline.arrange` says. The narration leads, else the clips
    that speak, else the first `audio`. If a narration or an `audio` that leads is longer than the clips,
    these last as long, and the end card comes after it, unless `length` says otherwise. Overlays end
    where the end card begins.

    `progress` is called with the share that is done, from 0 to 1, never less than before; one call at a
    time, from several threads.

    Raises:
        MediaError: A medium is missing, broken or of the wrong kind (names the clip), the whole
            exceeds a bound, or a file cannot be written.
    """
    check(composition)
    with _own_folder(folder) as work:
        media, captions, unlike = _cut(composition, work, progress)
        made = [work / name for name in media]
        rendered = Rendered(
            media,
            captions.cues,
            estimated=captions.estimated,
            loudness=measure_loudness(made[0]) if media[made[0].name].has_audio else None,
            # A poster or a loop is no place for the tags of a film.
            lost=_warnings(
                [*_texts(composition), *(cue.text for cue in captions.drawn)],
                unlike,
                lost_metadata(
                    sources_of(composition), [one for one in made if one.suffix == ".mp4"]
                ),
            ),
        )
        for path in made:
            path.replace(folder / path.name)
    return rendered


def lay_out(layout: Layout, folder: Path) -> Rendered:
    """Draw a still once for each format, as PNG, with its overlays; as `render`.

    An image keeps its transparency, unless there are bars beside it.
    """
    check(layout)
    with _own_folder(folder) as work:
        _check_images(layout)
        media, crowded = {}, []
        sources = sources_of(layout)
        image = upright(layout.image)
        info = png_info(collect_tags(sources))
        for name, size in sizes_of(layout, lambda: image.size, ".png").items():
            drawn = _reframe(image, size, layout).convert("RGBA")
            layers = dict(overlay_layers(layout.overlays, size, layout.look, lambda *_: True))
            for index, layer in sorted(layers.items()):
                if not layer.clear:
                    crowded.append(no_room(index, name))
                drawn.alpha_composite(layer.image, (layer.x, layer.y))
            drawn = drawn if image.mode == "RGBA" else drawn.convert("RGB")
            drawn.save(work / name, "png", compress_level=1, pnginfo=info)
            media[name] = probe(work / name)
        made = [work / name for name in media]
        lost = _warnings(_texts(layout), crowded, lost_metadata(sources, made))
        for path in made:
            path.replace(folder / path.name)
    return Rendered(media, lost=lost)


def _reframe(image: Image.Image, size: Size, layout: Layout) -> Image.Image:
    if size == image.size:
        return image
    place = placement(image.size, size, layout.reframe, "none")
    focus = focus_of(on_ground(image, "white"), place.region)
    box = window(image.size, place.region, focus)
    inner = image.resize(place.region, Image.Resampling.LANCZOS, box=box)
    if place.region == size:
        return inner
    ground = _ground(image, place, layout)
    cover = inner.getchannel("A") if inner.mode == "RGBA" else Image.new("L", inner.size, 255)
    if layout.reframe == "blur":
        cover = ImageChops.multiply(cover, soft_seam(place))
    ground.paste(inner, place.corner, cover)
    return ground


def _ground(image: Image.Image, place: Placement, layout: Layout) -> Image.Image:
    if layout.reframe == "pad":
        return Image.new("RGB", place.size, bars(layout.look))
    tiny = (place.size[0] // GROUND_SCALE, place.size[1] // GROUND_SCALE)
    opaque = on_ground(image, "white")
    light = ground_light(opaque.convert("L"))
    small = edges_over(opaque, tiny).filter(ImageFilter.GaussianBlur(GROUND_BLUR))
    small = small.point([round(value * light) for value in range(256)] * 3)
    return small.resize(place.size, Image.Resampling.BICUBIC)


def _texts(work: Composition | Layout) -> Iterator[str]:
    """What is drawn, but for captions."""
    yield from (one.text for one in work.overlays if one.text)
    if isinstance(work, Composition) and work.end_card is not None:
        yield from filter(None, (work.end_card.title, work.end_card.line))


def _warnings(
    texts: Iterable[str], crowded: Sequence[str], metadata: Sequence[str]
) -> tuple[str, ...]:
    if missing := missing_characters("".join(texts)):
        crowded = [f"left out of the picture: no font has {name_characters(missing)}", *crowded]
    return (*crowded, *metadata)[:MAX_LOST]


@contextmanager
def _own_folder(folder: Path) -> Iterator[Path]:
    """A folder inside of the given one, deleted at the end; errors of writing become `MediaError`."""
    try:
        work = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except MemoryError:  # FFmpeg's own is one too
        raise
    except (av.FFmpegError, OSError) as error:
        raise unwritable(folder, error) from error


def _images(work: Composition | Layout) -> dict[str, Path]:
    """The pictures over the film or still, by where they stand."""
    named = {f"overlays[{index}]": one.image for index, one in enumerate(work.overlays)}
    if isinstance(work, Composition) and work.end_card is not None:
        named["end_card.image"] = work.end_card.image
    return {name: path for name, path in named.items() if path is not None}


def _sounds(composition: Composition) -> dict[str, Path]:
    named = {"narration": composition.narration} if composition.narration else {}
    named |= {f"audio[{index}]": path for index, path in enumerate(composition.audio)}
    return named | ({"music.audio": composition.music.audio} if composition.music else {})


def _check_images(work: Composition | Layout) -> None:
    for name, path in _images(work).items():
        with _naming(name):
            if probe(path).kind != "image":
                raise MediaError(f"{path}: not an image", "give jpeg, png, webp or gif")


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say in an error which part of the composition it is about."""
    try:
        yield
    except MediaError as error:
        raise MediaError(f"{name}: {error.message}", error.hint) from error


def sources_of(work: Composition | Layout) -> list[Path]:
    """The media of a composition or layout, each once."""
    if isinstance(work, Layout):
        return [*dict.fromkeys([work.image, *_images(work).values()])]
    clips = (clip.media for clip in work.clips)
    return [*dict.fromkeys([*clips, *_images(work).values(), *_sounds(work).values()])]


def _cut(
    composition: Composition, work: Path, progress: Callable[[float], object]
) -> tuple[dict[str, Probe], _Captions, list[str]]:
    """The media in `work`, films first, the captions, and what is not as it was asked for."""
    _check_images(composition)
    sounds = _sounds(composition)
    media = [_medium(index, clip.media) for index, clip in enumerate(composition.clips)]
    talks = composition.narration is None and any(clip.speaks for clip in composition.clips)
    leads = ("narration",) if talks else ("narration", "audio[0]")
    lead = next((name for name in leads if name in sounds), None)
    lengths = {name: _sound_seconds(name, path, name == lead) for name, path in sounds.items()}
    timeline = arrange(composition, media, lengths[lead] if lead else None)
    speech = _clip_speech(timeline) if talks else ()
    captions = _captions(composition, find_speech(sounds[lead]) if lead else speech, timeline)
    sizes = sizes_of(composition, lambda: _own_size(media[0]))
    # The largest first, so that no thread is left with it alone.
    order = sorted(sizes, key=lambda name: sizes[name][0] * sizes[name][1], reverse=True)
    with ThreadPoolExecutor(_WORKERS) as pool:
        first = next(iter(sizes))
        sound = pool.submit(_write_sound, composition, timeline, speech, work / "sound.mp4")
        frames = _Progress(progress, timeline, len(sizes))
        tags = collect_tags(sources_of(composition))
        job = _Job(composition, timeline, captions.drawn, sound, tags, work, frames)
        films = [pool.submit(job.film, name, sizes[name], name == first) for name in order]
        try:
            crowded = [one for done in as_completed(films) for one in done.result()]
        except BaseException:
            frames.stop()
            raise
    names = [*sizes, *(map(clean_name, sizes) if job.clean else ())]
    if "poster" in composition.extras:
        names.append(POSTER)
    if "gif" in composition.extras:
        write_loop(work / first, sizes[first], work / GIF)
        names.append(GIF)
    lost = [*_short_transitions(timeline), *_unseen(composition, timeline)]
    if doubled := [cue.start for cue in captions.drawn if cue.burned_in]:
        lost.append(f"captions lie on those of a clip from {doubled[0]:g} s on")
    lost += sorted(crowded)
    return {name: probe(work / name) for name in names}, captions, lost


def _short_transitions(timeline: Timeline) -> Iterator[str]:
    """Transitions for which a clip is too short."""
    if timeline.transition.kind == "cut":
        return
    wanted = max(1, round(timeline.transition.seconds * timeline.rate))
    for index, overlap in enumerate(timeline.overlaps):
        if overlap < wanted:
            yield (
                f"the transition after clip {index + 1} takes {float(overlap / timeline.rate):.2g} s "
                f"of {timeline.transition.seconds:g} s: a clip is too short for it"
            )


def _unseen(composition: Composition, timeline: Timeline) -> Iterator[str]:
    for index, (clip, begin) in enumerate(zip(composition.clips, timeline.begins(), strict=True)):
        if begin >= timeline.picture_frames:
            yield f"clips[{index}] is not seen: the film ends before it"
        if clip.speaks and not timeline.shots[index].medium.has_sound:
            yield f"clips[{index}] does not speak: it has no sound"
    for index, overlay in enumerate(composition.overlays):
        appearance = of_overlay(overlay, timeline)
        if appearance.end <= appearance.start:
            yield f"overlays[{index}] is not seen: it starts after the end of the clips"
    end = float(timeline.picture_frames / timeline.rate)
    cues = composition.captions.cues if composition.captions else ()
    late = [cue.start for cue in cues if cue.start >= end]
    if late:
        yield f"captions from {late[0]:g} s on are not seen: they start after the end of the clips"


def _medium(index: int, path: Path) -> ClipMedium:
    name = f"clips[{index}]"
    with _naming(name):
        found = probe(path)
        if found.kind == "audio":
            raise MediaError(f"{path}: a sound", "give a film or an image")
        assert found.width is not None
        assert found.height is not None
        size = (found.width, found.height)
        if found.kind == "image":
            return ClipMedium(name, path, size)
        rate, frames = pace(path)
        return ClipMedium(name, path, size, rate, float(frames / rate), found.has_audio)


def _own_size(medium: ClipMedium) -> Size:
    if medium.rate is None:
        return still_size(medium.path)
    # Pixels of a film need not be square: a small file may claim any width.
    if max(medium.size) > _MAX_SIDE or medium.size[0] * medium.size[1] > MAX_PIXELS:
        what = f"{medium.size[0]:,} × {medium.size[1]:,} pixels"
        raise MediaError(
            f"{medium.name}: {medium.path}: {what} as shown are too large for a film",
            "give `formats`, or convert it",
        )
    return even(medium.size[0]), even(medium.size[1])


def _sound_seconds(name: str, path: Path, leads: bool) -> float:
    with _naming(name):
        found = probe(path)
        if not found.has_audio or (leads and found.kind != "audio"):
            raise MediaError(f"{path}: not a sound", "give mp3, wav, m4a, aac, ogg or flac")
        return found.duration_seconds or 0.0


class _Captions(NamedTuple):
    """What is said, and those of the cues that are drawn."""

    cues: tuple[Cue, ...] = ()
    drawn: tuple[Cue, ...] = ()
    estimated: bool = False


def _captions(composition: Composition, speech: Intervals, timeline: Timeline) -> _Captions:
    """Captions before the end card: those that are given, or else what the clips know."""
    captions, end = composition.captions, float(timeline.picture_frames / timeline.rate)
    cues: Sequence[Cue] = _clip_cues(composition, timeline)
    is_own = captions is not None and bool(captions.text or captions.cues)
    if captions is not None and is_own:
        burned_in = [cue for cue in cues if cue.burned_in]
        texts = cut_text(captions.text or "", captions.language)
        cues = [
            replace(cue, burned_in=any(map(partial(_overlap, cue), burned_in)))
            for cue in captions.cues or time_captions(texts, speech, end)
        ]
    found = tuple(replace(cue, end=min(cue.end, end)) for cue in cues if cue.start < end)
    is_drawn = captions is not None and captions.style != "none"
    drawn = tuple(cue for cue in found if is_drawn and (is_own or not cue.burned_in))
    estimated = captions.estimated if captions is not None and captions.cues else bool(found)
    return _Captions(found, drawn, estimated)


def _overlap(one: Cue, other: Cue) -> bool:
    return one.start < other.end and other.start < one.end


def _clip_cues(composition: Composition, timeline: Timeline) -> list[Cue]:
    """The cues of all clips at their places."""
    found: list[Cue] = []
    for clip, shot, (begin, end) in zip(
        composition.clips, timeline.shots, _spans(timeline), strict=True
    ):
        shift = begin - shot.start
        for cue in clip.cues:
            # A transition shows the end of the clip before.
            last = found[-1].end if found else 0.0
            start = max(cue.start + shift, begin, last)
            until = min(cue.end + shift, end)
            if until - start > _LEAST_CUE:
                found.append(replace(cue, start=round(start, 3), end=round(until, 3)))
    return found[:MAX_SUBTITLES]


def _spans(timeline: Timeline) -> list[tuple[float, float]]:
    """Begin and end in seconds of what each shot shows of its medium."""
    return [
        (float(begin / timeline.rate), float((begin + shot.own) / timeline.rate))
        for begin, shot in zip(timeline.begins(), timeline.shots, strict=True)
    ]


def _clip_speech(timeline: Timeline) -> Intervals:
    """When the clips speak."""
    found: list[tuple[float, float]] = []
    for shot, (begin, end) in zip(timeline.shots, _spans(timeline), strict=True):
        shift = begin - shot.start
        for start, until in find_speech(shot.medium.path) if shot.speaks else ():
            if start + shift < end and until + shift > begin:
                found.append((max(start + shift, begin), min(until + shift, end)))
    return tuple(sorted(found))


def _write_sound(
    composition: Composition, timeline: Timeline, speech: Intervals, path: Path
) -> Path | None:
    """Encode the sound once for all formats; `speech` is that of the clips."""

    def leads(shot: Shot) -> bool:
        return bool(speech) and shot.speaks

    talking = clip_sounds(timeline, leads)
    rest = clip_sounds(timeline, lambda shot: not leads(shot))
    sound = soundtrack(composition, rest, timeline.seconds, talking, speech)
    if sound is None:
        return None
    write_sound(sound.frames(), path)
    return path


def clip_sounds(
    timeline: Timeline, wanted: Callable[[Shot], bool] = lambda _: True
) -> dict[Path, list[Piece]]:
    """The sounds of the wanted shots on a timeline, by file.

    A held frame is silent. They fade with their transitions.
    """
    found: dict[Path, list[Piece]] = {}
    overlaps = (0, *timeline.overlaps, 0)

    def length(frames: int) -> int:
        return round(frames / timeline.rate * RATE)

    for index, (shot, begin) in enumerate(zip(timeline.shots, timeline.begins(), strict=True)):
        path, end = shot.medium.path, min(begin + shot.frames, timeline.picture_frames)
        if not (shot.medium.has_sound and wanted(shot)) or begin >= end:
            continue
        last = min(begin + shot.own, end)
        count = length(last - begin)
        out = overlaps[index + 1] if last == begin + shot.frames else 0
        # Short fades at hard cuts, so that there is no click.
        come, go = (min(max(length(one), _JOIN), count // 2) for one in (overlaps[index], out))
        start = round(shot.start * RATE)
        piece = Piece(partial(samples, path), length(begin), count, start, 1.0, come, go)
        found.setdefault(path, []).append(piece)
    return found


class _Stopped(Exception):
    """Another format has failed."""


class _Progress:
    """Counts the frames of all formats; `stop` ends the threads that count."""

    def __init__(self, tell: Callable[[float], object], timeline: Timeline, formats: int) -> None:
        self._tell, self._total = tell, timeline.frames * formats
        self._done, self._lock, self._stopped = 0, threading.Lock(), False

    def count(self) -> None:
        if self._stopped:
            raise _Stopped
        with self._lock:
            self._done += 1
            self._tell(self._done / self._total)

    def stop(self) -> None:
        self._stopped = True


@dataclass(frozen=True)
class _Job:
    """What the films of all formats share."""

    composition: Composition
    timeline: Timeline
    cues: tuple[Cue, ...]
    sound: Future[Path | None]
    tags: Mapping[str, str]
    work: Path
    progress: _Progress

    @property
    def clean(self) -> bool:
        """Whether there are films without captions; without any, they would be the same."""
        return "clean" in self.composition.extras and bool(self.cues)

    def film(self, name: str, size: Size, first: bool) -> tuple[str, ...]:
        """Write the film of one format, the one without captions, and of the first the poster.

        Returns:
            What lies on an overlay for want of room.
        """
        drawn = Drawn(self.composition, self.cues, self.timeline, size)
        rate = self.timeline.rate
        names = [name, *([clean_name(name)] if self.clean else [])]
        with ExitStack() as stack:
            writers = [
                stack.enter_context(FilmWriter(self.work / name, size, rate, self.sound, self.tags))
                for name in names
            ]
            for frames in self._frames(size, drawn, first and "poster" in self.composition.extras):
                for writer, frame in zip(writers, frames, strict=False):
                    writer.write(frame)
                self.progress.count()
        return tuple(drawn.find_collisions(name))

    def _frames(
        self, size: Size, drawn: Drawn, poster: bool
    ) -> Iterator[tuple[VideoFrame, VideoFrame]]:
        """Each frame with captions and without."""
        made, timeline = self.composition, self.timeline
        visible = poster_frame(timeline, drawn.appearances) if poster else None
        plain = None
        for index, frame in enumerate(picture_frames(made, timeline, size)):
            lower, upper = list(drawn.overlays.stamps(index)), list(drawn.captions.stamps(index))
            full = plain = draw_stamps(frame, [*lower, *upper])
            if upper and (self.clean or index == visible):
                plain = draw_stamps(frame, lower)
            if index == visible:
                write_poster(plain, self.work / POSTER)
            yield full, plain
        if made.end_card is not None and plain is not None:
            end = frame_of_image(end_card_picture(made.end_card, size, made.look))
            yield from ((one, one) for one in card(timeline, end, plain))
