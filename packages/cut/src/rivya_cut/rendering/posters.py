"""Which frames of a film become its posters."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

from rivya_cut.rendering.overlays import Appearance
from rivya_cut.rendering.timeline import Timeline

_POSITION = 0.4  # of the picture, as of the small picture of a film
_SAMPLES = 200  # an overlay changes nothing between its ends, so a few frames stand for all of them


def poster_frames(
    timeline: Timeline, overlays: Sequence[Appearance], count: int
) -> tuple[int, ...]:
    """The frames for so many posters, the best first and the others in order: fewer of a shorter film.

    The best is in no transition, has as many overlays as can be, and of the frames that are as good it
    is that nearest to 0.4 of the picture. The others are of other shots, as long as there are any, where
    no overlay comes or goes, and as far from each other as can be.
    """
    begins = timeline.begins()
    joins = [
        range(begin, begin + overlap)
        for begin, overlap in zip(begins[1:], timeline.overlaps, strict=True)
    ]
    every = range(timeline.picture_frames)
    step = max(1, min(timeline.picture_frames // _SAMPLES, timeline.picture_frames // count))
    frames = [at for at in every[::step] if not any(at in join for join in joins)]
    if len(frames) < count:
        frames = [*every]
    wanted = timeline.picture_frames * _POSITION

    def shares(frame: int) -> list[float]:
        return [one.share(frame) * one.progress(frame) for one in overlays if one.start <= frame]

    def worth(frame: int) -> tuple[float, float]:
        return sum(shares(frame)), -abs(frame - wanted)

    def shot(frame: int) -> int:
        return bisect_right(begins, frame) - 1

    def is_at_rest(frame: int) -> bool:
        return all(one in (0.0, 1.0) for one in shares(frame))

    def distance(frame: int) -> int:
        at = shot(frame)
        end = begins[at + 1] if at + 1 < len(begins) else timeline.picture_frames
        start = begins[at] + (timeline.overlaps[at - 1] if at else 0)
        return min(frame - start, end - 1 - frame, *(abs(frame - one) for one in found))

    found = [max(frames, key=worth)]
    used = Counter(map(shot, found))
    while len(found) < count and (rest := [one for one in frames if one not in found]):
        best = max(rest, key=lambda one: (-used[shot(one)], is_at_rest(one), distance(one)))
        found.append(best)
        used[shot(best)] += 1
    return found[0], *sorted(found[1:])
