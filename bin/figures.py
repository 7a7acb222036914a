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
class Line:
    """A line of the table: the seconds of all rounds, or a `note` in their place.

    `is_bound`: it was ended before it was done, and would have taken more.
    """

    name: str
    seconds: tuple[float, ...] = ()
    against: str = ""
    wanted: float | None = None
    note: str = ""
    is_bound: bool = False


def write_times(lines: Sequence[Line]) -> str:
    medians = {line.name: statistics.median(line.seconds) for line in lines if line.seconds}
    rows = [
        [
            line.name,
            write_seconds(line),
            line.against,
            write_ratio(line, medians),
            "" if line.wanted is None else f"≤ {line.wanted:.2f}",
        ]
        for line in lines
    ]
    return write_table(["what", "seconds", "against", "measured ratio", "wanted"], rows)


def write_seconds(line: Line) -> str:
    """The median, and between which two the rounds were."""
    if not line.seconds:
        return line.note
    text = f"{statistics.median(line.seconds):.2f}"
    if len(line.seconds) > 1:
        text += f" ({min(line.seconds):.2f} to {max(line.seconds):.2f})"
    prefix = "more than " if line.is_bound else ""
    return f"{prefix}{text}{', ' if line.note else ''}{line.note}"


def write_ratio(line: Line, medians: Mapping[str, float]) -> str:
    if not (line.seconds and line.against):
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
