"""Figures of measurements, and the page that tells them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import CHECKOUT
from supervisor import Refusal

PAGE = CHECKOUT / "docs/benchmarks.md"


@dataclass(frozen=True)
class Figure:
    """What one import, or another tool, took."""

    seconds: float
    peak_bytes: int = 0
    idle_bytes: int = 0


@dataclass(frozen=True)
class Quantity:
    """What a table's figures are: its heading, their format, and whether more of it is better."""

    name: str
    format: str = ".2f"
    is_more_better: bool = False

    def write(self, value: float) -> str:
        return f"{value:{self.format}}"


SECONDS = Quantity("seconds")


@dataclass(frozen=True)
class Line:
    """A line of the table: the figures of all rounds, or a `note` in their place.

    `is_bound`: it was ended before it was done, and would have taken more.
    """

    name: str
    figures: tuple[float, ...] = ()
    against: str = ""
    wanted: float | None = None
    note: str = ""
    is_bound: bool = False


def write_figures(lines: Sequence[Line], quantity: Quantity = SECONDS) -> str:
    medians = {line.name: statistics.median(line.figures) for line in lines if line.figures}
    sign = "≥" if quantity.is_more_better else "≤"
    rows = [
        [
            line.name,
            write_rounds(line, quantity),
            line.against,
            write_ratio(line, medians),
            "" if line.wanted is None else f"{sign} {line.wanted:.2f}",
        ]
        for line in lines
    ]
    return write_table(["what", quantity.name, "against", "measured ratio", "wanted"], rows)


def write_rounds(line: Line, quantity: Quantity) -> str:
    """The median, and between which two the rounds were."""
    if not line.figures:
        return line.note
    text = quantity.write(statistics.median(line.figures))
    if len(line.figures) > 1:
        least, most = quantity.write(min(line.figures)), quantity.write(max(line.figures))
        text += f" ({least} to {most})"
    prefix = "more than " if line.is_bound else ""
    return f"{prefix}{text}{', ' if line.note else ''}{line.note}"


def write_ratio(line: Line, medians: Mapping[str, float]) -> str:
    if not (line.figures and line.against):
        return ""
    ratio = medians[line.name] / medians[line.against]
    return f"{'more than ' if line.is_bound else ''}{ratio:.2f}"


def write_memory(figures: Mapping[str, Figure]) -> str:
    rows = [
        [name, f"{figure.peak_bytes / 1e6:.0f} MB", f"{figure.idle_bytes / 1e6:.0f} MB"]
        for name, figure in figures.items()
    ]
    return write_table(["what", "importing process, at most", "idle worker"], rows)


def write_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruler = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ruler, *rows))


def read_page(path: Path) -> str:
    """A page that does not exist yet begins as the project's own."""
    return (path if path.exists() else PAGE).read_text()


def fill(page: str, marker: str, content: str) -> str:
    """Puts `content` between the two lines that carry the marker."""
    begin, end = f"<!-- {marker}: begin -->\n", f"<!-- {marker}: end -->"
    before, found_begin, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise Refusal(f"The page has no place for figures between {begin.strip()} and {end}.")
    return f"{before}{begin}\n{content}\n\n{end}{after}"
