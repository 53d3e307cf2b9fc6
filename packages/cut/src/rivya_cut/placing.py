"""Where each sound of a film is heard: narrations, music, sounds at their times, and those of clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain, repeat
from pathlib import Path

from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame

from rivya_client.errors import MediaError
from rivya_cut.composition import Clip, Composition, Sound
from rivya_cut.rendering.timeline import Shot, Timeline
from rivya_cut.sound import RATE, SHAPE, Bus, Piece, apply_filters, lanes_of, mix, part, samples
from rivya_cut.speech import Intervals, find_speech, union
from rivya_cut.terms import Role

_LEVEL = -20.0  # LUFS of what does not speak
# In seconds. The sound of a file may be longer than its length says by the second.
_JOIN, _SLACK, _LOOP = 0.01, 1 / 8, 2.0
_FADES: Mapping[Role, tuple[float, float]] = {
    "speech": (0.0, 0.5),
    "music": (0.3, 1.5),
    "effect": (0.0, _JOIN),
}
"""How long a sound comes, and goes where it is cut off."""
_LEAST_LOOP = round(0.25 * RATE)  # shorter sounds are joined: each repetition costs time
_AT_ONCE = 0.5  # seconds of speech at the same time from which on one of both leads
_HELD = 150 * RATE  # samples, 58 MB: what is more is decoded each time it is needed


@dataclass(frozen=True)
class PlacedSound:
    """A sound at its place in a film.

    Attributes:
        name: Where it stands in the composition, such as ``audio[1]``, or the clip that it belongs to.
        piece: Its samples; its gain is its volume beside its level.
        level: In LUFS.
        gives_way: Whether it lies under the speech; None for speech that leads if none does already.
        clip: The video that it is the sound of.
        speech: When it speaks, in seconds of the film.
    """

    name: str
    role: Role
    piece: Piece
    level: float
    gives_way: bool | None
    clip: Path | None = None
    speech: Intervals = ()

    @property
    def speaks(self) -> bool:
        return self.role == "speech"


def sounds_of(composition: Composition) -> dict[str, Sound]:
    """Those that are given, of the film and of its clips, by where they stand: narrations first."""
    film, clips = composition.sounds, enumerate(composition.clips)
    lead = {"narration": film.pop("narration")} if "narration" in film else {}
    beats = {f"clips[{at}].narration": one.narration for at, one in clips if one.narration}
    return lead | beats | film


def heard_seconds(sound: Sound, whole: float) -> float | None:
    """How long a sound is heard whose file lasts so long; None if it repeats until the end.

    Raises:
        MediaError: It starts after the end of its file.
    """
    left = whole - sound.start
    if sound.start and left < _JOIN:
        raise MediaError(
            f"{sound.media}: lasts {whole:.2f} s; `start` is {sound.start:g} s",
            "let it start before its end",
        )
    if sound.repeat:
        return sound.seconds
    return left if sound.seconds is None else min(left, sound.seconds)


def find_unheard(
    composition: Composition, timeline: Timeline, lengths: Mapping[str, float]
) -> Iterator[str]:
    """What is not heard as it was asked for."""
    for name, sound in composition.sounds.items():
        if sound.at >= timeline.seconds:
            yield f"{name} is not heard: it begins after the end of the film"
    for name, sound in sounds_of(composition).items():
        if sound.seconds is not None and lengths[name] < sound.seconds - _SLACK:
            yield f"{name} lasts {lengths[name]:.2g} s of {sound.seconds:g} s: its medium ends"


def place(
    composition: Composition, timeline: Timeline, lengths: Mapping[str, float]
) -> tuple[PlacedSound, ...]:
    """The sounds of a film; `lengths` as `arrange` takes them.

    Where several speak at once, the first leads, and the others give way: the narration of the film,
    those of its clips, the clips themselves, then the others.
    """
    memory = _Memory()
    clips = [*zip(composition.clips, timeline.shots, timeline.begins(), strict=True)]
    found = [
        _own(index, *clip, composition.loudness, timeline, memory)
        for index, clip in enumerate(clips)
    ]
    begins = {
        f"clips[{index}].narration": _samples(begin + shot.narrated, timeline)
        for index, (_, shot, begin) in enumerate(clips)
    }
    for name, sound in sounds_of(composition).items():
        is_beat = name in begins
        begin = begins[name] if is_beat else round(sound.at * RATE)
        end = timeline.picture_frames if is_beat else timeline.frames
        piece = _cut_out(sound, begin, _samples(end, timeline), lengths.get(name), memory)
        level = composition.loudness if sound.role == "speech" else _LEVEL
        gives_way = sound.role == "music" or None if sound.duck is None else sound.duck
        found.append(
            PlacedSound(
                name, sound.role, piece, level if sound.level is None else sound.level, gives_way
            )
        )
    timed = {
        f"clips[{index}]" for index, (clip, *_) in enumerate(clips) if clip.captions is not None
    }
    spoken = [
        replace(one, speech=_find_speech(one.piece)) if one.speaks or one.name in timed else one
        for one in found
        if one.piece.count > 0 and one.piece.gain > 0
    ]
    spoken.sort(key=lambda one: (not one.name.endswith("narration"), one.clip is None))
    return tuple(_lead(spoken))


def _samples(frames: int, timeline: Timeline) -> int:
    return round(frames / timeline.rate * RATE)


def _lead(sounds: Iterable[PlacedSound]) -> Iterator[PlacedSound]:
    """The sounds, each of which leads or gives way."""
    leading: list[PlacedSound] = []
    for sound in sounds:
        gives_way = bool(sound.gives_way)
        if sound.speaks and sound.gives_way is None:
            # Clips follow each other: they overlap for a transition.
            rest = (one for one in leading if sound.clip is None or one.clip is None)
            gives_way = any(_common(sound.speech, one.speech) > _AT_ONCE for one in rest)
        if sound.speaks and not gives_way:
            leading.append(sound)
        yield replace(sound, gives_way=gives_way)


def _common(one: Intervals, other: Intervals) -> float:
    """Seconds in which both speak."""
    length = sum(end - begin for begin, end in chain(one, other))
    return length - sum(end - begin for begin, end in union((one, other)))


def _find_speech(piece: Piece) -> Intervals:
    alone = Bus(lanes_of([replace(piece, at=0)]))
    begin = piece.at / RATE
    return tuple(
        (start + begin, until + begin) for start, until in find_speech(mix([alone], piece.count))
    )


class _Memory:
    """Keeps sounds decoded while there is room."""

    def __init__(self) -> None:
        self._room = _HELD

    def hold(self, piece: Piece) -> Piece:
        """The same piece, decoded once."""
        if not 0 < piece.count <= self._room:
            return piece
        self._room -= piece.count
        return replace(piece, sound=cache(lambda: tuple(part(piece, piece.count))), skip=0)


def _own(
    index: int,
    clip: Clip,
    shot: Shot,
    begin: int,
    loudness: float,
    timeline: Timeline,
    memory: _Memory,
) -> PlacedSound:
    """The sound of a clip, which fades with its transitions; a held frame is silent."""
    path, end = shot.medium.path, min(begin + shot.frames, timeline.picture_frames)
    last = min(begin + shot.own, end)
    count = _samples(max(0, last - begin), timeline) if shot.medium.has_sound else 0
    overlaps = (0, *timeline.overlaps, 0)
    out = overlaps[index + 1] if last == begin + shot.frames else 0
    # Short fades at hard cuts, so that there is no click.
    come, go = (max(_samples(one, timeline), round(_JOIN * RATE)) for one in (overlaps[index], out))
    piece = Piece(
        partial(samples, path) if clip.speed == 1 else partial(_at_speed, path, clip.speed),
        _samples(begin, timeline),
        count,
        round(shot.start / clip.speed * RATE),
        clip.volume,
        min(come, count // 2),
        min(go, count // 2),
    )
    role: Role = "speech" if shot.speaks else "effect"
    gives_way = None if shot.speaks else True
    return PlacedSound(f"clips[{index}]", role, memory.hold(piece), loudness, gives_way, path)


def _at_speed(path: Path, speed: float) -> Iterator[AudioFrame]:
    """The sound of a file at another speed and the same pitch."""
    steps = 1 if 0.5 <= speed <= 2 else 2  # one filter beyond leaves samples out
    tempo = ("atempo", f"{speed ** (1 / steps):.9f}")
    return apply_filters(samples(path), *[tempo] * steps, SHAPE)


def _cut_out(sound: Sound, begin: int, end: int, seconds: float | None, memory: _Memory) -> Piece:
    """What is heard of a sound from a sample of the film on, until another at most."""
    count = max(0, end - begin)
    length = count if seconds is None else round(seconds * RATE)
    slack = round(_SLACK * RATE)
    ends = not sound.repeat and (sound.seconds is None or length < round(sound.seconds * RATE))
    if ends and sound.fade is None and length <= count + slack:
        count, come, go = min(count, length + slack), _FADES[sound.role][0], 0.0
    else:
        count = min(count, length)
        come, go = _FADES[sound.role] if sound.fade is None else (sound.fade, sound.fade)
    come = max(come, _JOIN) if sound.start else come
    fades = [min(round(one * RATE), count // 2) for one in (come, go)]
    source, skip = partial(samples, sound.media), round(sound.start * RATE)
    piece = Piece(source, begin, count, skip, 1.0, *fades)
    return _repeat(piece, memory) if sound.repeat and count else memory.hold(piece)


def crossfade(length: int) -> int:
    """The samples that a sound of so many shares with its repetition."""
    return min(round(_LOOP * RATE), length // 4)


def _repeat(piece: Piece, memory: _Memory) -> Piece:
    """The piece with a sound that begins again by crossfades, wherever it ends before."""
    length = sum(frame.samples for frame in part(piece, piece.count))
    if not length or length >= piece.count:
        return memory.hold(piece)
    once = memory.hold(replace(piece, count=length))
    sound, skip = once.sound, once.skip
    if length < _LEAST_LOOP:
        sound, skip, length = _join(part(once, length), -(-_LEAST_LOOP // length)), 0, _LEAST_LOOP
    cross = crossfade(length)
    period = length - cross

    def passes(first: int) -> Iterator[Piece]:
        for at in range(first * period, piece.count, 2 * period):
            yield Piece(sound, at, length, skip, 1.0, cross if at else 0, cross)

    # Every second repetition, so that neither lane overlaps itself.
    lanes = (partial(passes, 0), partial(passes, 1))
    return memory.hold(replace(piece, sound=partial(mix, (Bus(lanes),), piece.count), skip=0))


def _join(frames: Iterable[AudioFrame], times: int) -> Callable[[], Iterable[AudioFrame]]:
    """A sound of a moment, so many times in one frame."""
    fifo, held = AudioFifo(), tuple(frames)
    for frame in chain.from_iterable(repeat(held, times)):
        frame.pts = None
        fifo.write(frame)
    whole = fifo.read(fifo.samples)
    assert whole is not None
    return (whole,).__iter__
