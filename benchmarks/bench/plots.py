"""Draws the plots of docs/performance.md; runs in the environment of the bench.

``python -m benchmarks.bench.plots FOLDER < figures.json``, see `figures`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt  # only after the backend is chosen

INK = "#7a828e"
"""Readable on white and on black."""

COLOURS = {"rivya-flows": "#d9480f", "prefect": "#3b82f6", "dbos": "#2f9e44", "script": "#8b8f98"}
PARTS = (
    *("#d9480f", "#f59f00", "#3b82f6", "#2f9e44", "#9c36b5"),
    *("#8b8f98", "#0ca678", "#e64980", "#74b816", "#22b8cf"),
)
STYLE = {
    "figure.figsize": (8, 3.6),
    "font.size": 10,
    "svg.hashsalt": "bench",  # the same figures give the same file
    "svg.fonttype": "none",
    "savefig.transparent": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    ),
    "grid.color": INK,
}


def lines(figure: dict[str, Any], file: Path) -> None:
    """One line for each contender over the number of jobs, both axes logarithmic."""
    drawing, axes = plt.subplots()
    for name, points in figure["lines"].items():
        colour = COLOURS.get(name, INK)
        axes.plot(*zip(*points, strict=True), marker="o", color=colour, label=name)
    if floor := figure.get("floor"):
        axes.plot(*zip(*floor, strict=True), ls="--", color=INK, label="the jobs themselves")
    axes.set(xscale="log", yscale="log", xlabel=figure["x"], ylabel=figure["y"])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.legend()
    _save(drawing, file)


def bars(figure: dict[str, Any], file: Path) -> None:
    """A horizontal bar for each row, made of parts."""
    drawing, axes = plt.subplots(figsize=(8, 0.8 + 0.5 * len(figure["rows"])))
    names = list(figure["rows"])
    starts = [0.0] * len(names)
    for part, colour in zip(figure["parts"], PARTS, strict=False):
        widths = [figure["rows"][name].get(part, 0) for name in names]
        axes.barh(names, widths, left=starts, color=colour, label=part)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel=figure["x"])
    axes.grid(axis="y", visible=False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=4)
    _save(drawing, file)


def _save(drawing: Any, file: Path) -> None:
    drawing.savefig(file, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(drawing)
    # Matplotlib ends lines with blanks.
    file.write_text("\n".join(line.rstrip() for line in file.read_text().splitlines()) + "\n")


def main() -> None:
    """Draw every figure."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, figure in json.load(sys.stdin).items():
            draw = lines if figure["kind"] == "lines" else bars
            draw(figure, folder / f"{name}.svg")


if __name__ == "__main__":
    main()
