"""Draws what grows as a picture, by matplotlib, in a process of the project's Python.

    python bin/plotting.py FILE

reads a `figures.Plot` as JSON and writes FILE.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
from figures import Plot
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

mpl.use("Agg")

INCHES = (6.4, 4.0)
DOTS_PER_INCH = 100
MARKERS = "os^Dv"


def draw(plot: Plot, path: Path) -> None:
    """White behind it, so that it can be read on a dark page too."""
    figure = Figure(INCHES, DOTS_PER_INCH, facecolor="white", layout="constrained")
    axes = figure.subplots()
    for (name, figures), marker in zip(plot.series.items(), MARKERS, strict=False):
        axes.plot(plot.sizes, figures, marker=marker, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(plot.title)
    axes.set_xlabel(plot.sizes_of)
    axes.set_ylabel(plot.unit)
    axes.set_xticks(plot.sizes, [f"{size:,}" for size in plot.sizes])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(visible=True, color="0.85")
    axes.legend(fontsize="small")
    figure.savefig(path)


if __name__ == "__main__":
    draw(Plot(**json.load(sys.stdin)), Path(sys.argv[1]))
