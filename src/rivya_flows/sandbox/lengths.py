"""How long a video or a sound is."""

from __future__ import annotations

from pathlib import Path


def duration_seconds(path: Path) -> float | None:
    """Seconds with three decimals, or None where the file does not tell."""
    # Imported when first used: it is large, and most servers never get a film.
    import av

    try:
        with av.open(str(path)) as container:
            if container.duration is not None:
                return round(container.duration / av.time_base, 3)
            # Bare frames have no header that tells; their packets do.
            ends = [
                float((packet.pts + packet.duration) * packet.time_base)
                for packet in container.demux()
                if packet.pts is not None and packet.duration is not None and packet.time_base
            ]
    except (av.FFmpegError, ValueError):
        return None
    return round(max(ends), 3) if ends else None
