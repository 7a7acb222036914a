"""Draws what grows as a picture, by matplotlib, in a process of the project's Python.

    python bin/plotting.py FILE

reads a `figures.Plot` as JSON and writes FILE.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
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
    axes.set_ylim(find_decades([one for figures in plot.series.values() for one in figures]))
    axes.set_title(plot.title)
    axes.set_xlabel(plot.sizes_of)
    axes.set_ylabel(plot.unit)
    axes.set_xticks(plot.sizes, [f"{size:,}" for size in plot.sizes])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(visible=True, color="0.85")
    axes.legend(fontsize="small")
    figure.savefig(path)


def find_decades(figures: Sequence[float]) -> tuple[float, float]:
    """The powers of ten around them: what grows little looks flat."""
    least, most = math.floor(math.log10(min(figures))), math.ceil(math.log10(max(figures)))
    return 10.0**least, 10.0 ** max(most, least + 1)


if __name__ == "__main__":
    draw(Plot(**json.load(sys.stdin)), Path(sys.argv[1]))
