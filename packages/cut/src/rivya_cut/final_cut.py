"""Renders a composition once for each format, and lays out stills.

Frames are streamed: a film is decoded, reframed, joined and drawn on while it is encoded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from av.video.frame import VideoFrame

from rivya_client.errors import MediaError
from rivya_cut.bounds import MAX_PIXELS
from rivya_cut.composition import Captions, Clip, Composition
from rivya_cut.drawing.end_card import end_card_picture
from rivya_cut.encoding import Chapter, FilmWriter, Package, write_loop, write_poster, write_sound
from rivya_cut.languages import iso_639_2
from rivya_cut.metadata import collect_tags, lost_metadata
from rivya_cut.placing import PlacedSound, find_unheard, heard_seconds, place, sounds_of
from rivya_cut.platforms import bit_rate, too_fast, too_large, too_long
from rivya_cut.reading import probe
from rivya_cut.rendering.overlays import Drawn, of_overlay, overlays_of
from rivya_cut.rendering.planes import draw_stamps, frame_of_image
from rivya_cut.rendering.posters import poster_frames
from rivya_cut.rendering.reframe import Size, even
from rivya_cut.rendering.shots import card, pace, picture_frames, still_size
from rivya_cut.rendering.timeline import ClipMedium, Timeline, arrange, wanted_overlap
from rivya_cut.results import (
    GIF,
    TIMELINE,
    Probe,
    Rendered,
    Target,
    clean_name,
    poster_names,
    targets_of,
)
from rivya_cut.rules import check
from rivya_cut.soundtrack import measure_loudness, soundtrack
from rivya_cut.sources import check_images, drawn_texts, losses, naming, own_folder, sources_of
from rivya_cut.spoken import FilmCaptions, captions_of
from rivya_cut.subtitles import Cue

# Formats at a time. More than there are cores in a small machine: the last one is not left alone.
_WORKERS = 3
_LEAST_H265_SIDE = 64
_MAX_SIDE = 16_384  # pixels that the encoder takes


def render(composition: Composition, folder: Path, progress: Callable[[float], object]) -> Rendered:
    """Render the films of a composition, and its poster and loop, into a folder.

    Clips follow each other as `rendering.timeline.arrange` says, and sounds are heard as `placing.place`
    says. If speech over the film is longer than the clips, these last as long, and the end card comes
    after it, unless `length` says otherwise. Overlays end where the end card begins.

    `progress` is called with the share that is done, from 0 to 1, never less than before; one call at a
    time, from several threads.

    Raises:
        MediaError: A medium is missing, broken or of the wrong kind (names the clip), the whole
            exceeds a bound, or a file cannot be written.
    """
    check(composition)
    with own_folder(folder) as work:
        media, captions, unlike = _cut(composition, work, folder, progress)
        made = [work / name for name in media]
        rendered = Rendered(
            media,
            captions.cues,
            estimated=captions.estimated,
            loudness=measure_loudness(made[0]) if media[made[0].name].has_audio else None,
            # A poster or a loop is no place for the tags of a film.
            lost=losses(
                [*drawn_texts(composition), *(cue.text for cue in captions.drawn)],
                composition.look.font,
                unlike,
                lost_metadata(
                    sources_of(composition), [one for one in made if one.suffix == ".mp4"]
                ),
            ),
            timeline=TIMELINE if "otio" in composition.extras else None,
        )
        for path in [*made, *([work / TIMELINE] if rendered.timeline else [])]:
            path.replace(folder / path.name)
    return rendered


def _cut(
    composition: Composition, work: Path, folder: Path, progress: Callable[[float], object]
) -> tuple[dict[str, Probe], FilmCaptions, list[str]]:
    """The media in `work`, films first, the captions, and what is not as it was asked for."""
    check_images(composition)
    if composition.captions is None and any(clip.captions for clip in composition.clips):
        composition = composition.model_copy(update={"captions": Captions()})
    media = [_media(index, clip) for index, clip in enumerate(composition.clips)]
    lengths = dict(_sound_lengths(composition))
    timeline = arrange(composition, media, lengths)
    sounds = place(composition, timeline, lengths)
    captions = captions_of(composition, sounds, timeline)
    targets = targets_of(
        composition.formats,
        lambda: _own_size(media[0][0]),
        composition.shrink,
        composition.platforms,
    )
    if composition.codec == "h265":
        _check_h265(targets)
    # The largest first, so that no thread is left with it alone.
    order = sorted(targets, key=lambda one: one.size[0] * one.size[1], reverse=True)
    chapters = tuple(_chapters(composition, timeline))
    # Each film that shares a frame is decoded for itself, in tens of MiB: then fewer formats at a time.
    shared = max(len(one) for one in media)
    with ThreadPoolExecutor(max(1, _WORKERS + 1 - shared)) as pool:
        first = targets[0]
        sound = pool.submit(
            _write_sound, sounds, composition.loudness, timeline, work / "sound.mp4"
        )
        frames = _Progress(progress, timeline, len(targets))
        track = captions.cues if "subtitles" in composition.extras else ()
        package = Package(
            timeline.rate,
            composition.codec,
            quick=composition.shrink > 1,
            tags=collect_tags(sources_of(composition)),
            cues=track,
            language=iso_639_2(composition.captions.language if composition.captions else None),
            chapters=chapters,
        )
        job = _Job(composition, timeline, captions.drawn, sound, package, work, frames)
        films = [pool.submit(job.film, one, one == first) for one in order]
        try:
            crowded = [one for done in as_completed(films) for one in done.result()]
        except BaseException:
            frames.stop()
            raise
    names = [one.name for one in targets]
    names += [clean_name(one) for one in names if job.clean]
    if "poster" in composition.extras:
        names += [name for name in poster_names(composition.posters) if (work / name).exists()]
    if "gif" in composition.extras:
        write_loop(work / first.name, first.size, work / GIF)
        names.append(GIF)
    if "otio" in composition.extras:
        from rivya_cut.otio import write_timeline

        write_timeline(composition, timeline, captions.cues, chapters, work / TIMELINE, folder)
    lost = [*_short_transitions(timeline), *_unseen(composition, timeline)]
    lost += find_unheard(composition, timeline, lengths)
    if doubled := [cue.start for cue in captions.drawn if cue.burned_in]:
        lost.append(f"captions lie on those of a clip from {doubled[0]:g} s on")
    lost += [*_beyond_platforms(composition, timeline, targets, work), *sorted(crowded)]
    return {name: probe(work / name) for name in names}, captions, lost


def _check_h265(targets: Iterable[Target]) -> None:
    """Refuse films for which x265 writes beyond its memory: seen at up to 48 × 48 pixels."""
    for one in targets:
        if min(one.size) < _LEAST_H265_SIDE:
            what = f"{one.size[0]} × {one.size[1]} pixels are too few for H.265"
            raise MediaError(f"{one.name}: {what}", "give `codec: h264`, or a larger format")


def _chapters(composition: Composition, timeline: Timeline) -> Iterator[Chapter]:
    """The chapters of the film, each until the next begins."""
    begins = zip(composition.clips, timeline.begins(), strict=True)
    found = [(clip.chapter, at) for clip, at in begins if clip.chapter]
    found = [(title, at) for title, at in found if at < timeline.picture_frames]
    ends = [*(at for _, at in found[1:]), timeline.frames]
    for (title, at), end in zip(found, ends, strict=False):
        yield Chapter(title, at, end)


def _beyond_platforms(
    composition: Composition, timeline: Timeline, targets: Iterable[Target], work: Path
) -> Iterator[str]:
    """What of the films a platform does not take."""
    yield from too_long(composition.platforms, timeline.seconds)
    yield from too_fast(composition.platforms, float(timeline.rate))
    for one in targets:
        if one.platform is not None:
            yield from too_large(one.platform, (work / one.name).stat().st_size)


def _short_transitions(timeline: Timeline) -> Iterator[str]:
    """Transitions for which a clip is too short."""
    joins = zip(timeline.transitions, timeline.overlaps, strict=True)
    for index, (transition, overlap) in enumerate(joins):
        if overlap < wanted_overlap(transition, timeline.rate):
            yield (
                f"the transition after clip {index + 1} takes {float(overlap / timeline.rate):.2g} s "
                f"of {transition.seconds:g} s: a clip is too short for it"
            )


def _unseen(composition: Composition, timeline: Timeline) -> Iterator[str]:
    for index, (clip, begin) in enumerate(zip(composition.clips, timeline.begins(), strict=True)):
        if begin >= timeline.picture_frames:
            yield f"clips[{index}] is not seen: the film ends before it"
        short = float(timeline.shots[index].frames / timeline.rate)
        if clip.seconds is not None and short < clip.seconds - float(1 / timeline.rate):
            yield f"clips[{index}] lasts {short:.3g} s of {clip.seconds:g} s: its video ends"
        if clip.speaks and not timeline.shots[index].medium.has_sound:
            yield f"clips[{index}] does not speak: it has no sound"
    for name, overlay in overlays_of(composition, timeline):
        appearance = of_overlay(overlay, timeline)
        if appearance.end <= appearance.start:
            yield f"{name} is not seen: it starts after the end of the clip{'s' * (name[0] == 'o')}"
    end = float(timeline.picture_frames / timeline.rate)
    cues = composition.captions.cues if composition.captions else ()
    late = [cue.start for cue in cues if cue.start >= end]
    if late:
        yield f"captions from {late[0]:g} s on are not seen: they start after the end of the clips"


def _media(index: int, clip: Clip) -> tuple[ClipMedium, ...]:
    name = f"clips[{index}]"
    if len(clip.media) == 1:
        return (_medium(name, clip.media[0]),)
    return tuple(_medium(f"{name}.media[{at}]", path) for at, path in enumerate(clip.media))


def _medium(name: str, path: Path) -> ClipMedium:
    with naming(name):
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


def _sound_lengths(composition: Composition) -> Iterator[tuple[str, float]]:
    """How long each sound is heard, without those that repeat until the end."""
    for name, sound in sounds_of(composition).items():
        with naming(name):
            found = probe(sound.media)
            if not found.has_audio:
                hint = "give mp3, wav, m4a, aac, ogg or flac"
                raise MediaError(f"{sound.media}: not a sound", hint)
            seconds = heard_seconds(sound, found.duration_seconds or 0.0)
        if seconds is not None:
            yield name, seconds


def _write_sound(
    sounds: Sequence[PlacedSound], loudness: float, timeline: Timeline, path: Path
) -> Path | None:
    """Encode the sound once for all formats."""
    sound = soundtrack(sounds, loudness, timeline.seconds)
    if sound is None:
        return None
    write_sound(sound.frames(), path)
    return path


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
    package: Package
    work: Path
    progress: _Progress

    @property
    def clean(self) -> bool:
        """Whether there are films without captions; without any, they would be the same."""
        return "clean" in self.composition.extras and bool(self.cues)

    def film(self, target: Target, first: bool) -> tuple[str, ...]:
        """Write one film, the one without captions, and of the first the posters.

        Returns:
            What lies on an overlay for want of room.
        """
        drawn = Drawn(self.composition, self.cues, self.timeline, target.frame)
        names = [target.name, *([clean_name(target.name)] if self.clean else [])]
        package = self.package
        if target.platform is not None:
            most = bit_rate(target.platform, float(package.rate))
            package = replace(package, bit_rate=most)
        with ExitStack() as stack:
            writers = [
                stack.enter_context(FilmWriter(self.work / name, target.size, package, self.sound))
                for name in names
            ]
            for frames in self._frames(target, drawn, first):
                for writer, frame in zip(writers, frames, strict=False):
                    writer.write(frame)
                self.progress.count()
        return tuple(drawn.find_collisions(target.name))

    def _frames(
        self, target: Target, drawn: Drawn, first: bool
    ) -> Iterator[tuple[VideoFrame, VideoFrame]]:
        """Each frame with captions and without."""
        made, timeline = self.composition, self.timeline
        posters: dict[int, str] = {}
        if first and "poster" in made.extras:
            chosen = poster_frames(timeline, drawn.appearances, made.posters)
            posters = dict(zip(chosen, poster_names(made.posters), strict=False))
        plain = None
        for index, frame in enumerate(picture_frames(made, timeline, target.size)):
            lower, upper = list(drawn.overlays.stamps(index)), list(drawn.captions.stamps(index))
            full = plain = draw_stamps(frame, [*lower, *upper])
            if upper and (self.clean or index in posters):
                plain = draw_stamps(frame, lower)
            if index in posters:
                write_poster(plain, self.work / posters[index])
            yield full, plain
        if made.end_card is not None and plain is not None:
            end = frame_of_image(end_card_picture(made.end_card, target.frame, made.look))
            yield from ((one, one) for one in card(timeline, end, plain))
