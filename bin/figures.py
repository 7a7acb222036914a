"""Figures of measurements, and the page that tells them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import CHECKOUT
from supervisor import Refusal

PAGE = CHECKOUT / "docs/benchmarks.md"
RELIABILITY = CHECKOUT / "docs/reliability.md"


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

    `wanted` is of the ratio, `limit` of the figure itself. `is_bound`: it was ended before it was
    done, and would have taken more.
    """

    name: str
    figures: tuple[float, ...] = ()
    against: str = ""
    wanted: float | None = None
    limit: float | None = None
    note: str = ""
    is_bound: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.figures)


@dataclass(frozen=True)
class Table:
    """Lines of one quantity; a line's `against` names another of them."""

    lines: Sequence[Line]
    quantity: Quantity = SECONDS

    def find_base(self, line: Line) -> Line | None:
        """What the line is held against, where both have figures."""
        found = next((other for other in self.lines if other.name == line.against), None)
        return found if found and found.figures and line.figures else None

    def write(self) -> str:
        rows = [
            [
                line.name,
                write_rounds(line, self.quantity),
                line.against,
                write_ratio(line, self.find_base(line)),
                write_wanted(line, self.quantity),
            ]
            for line in self.lines
        ]
        header = ["what", self.quantity.name, "against", "measured ratio", "wanted"]
        return write_table(header, rows)


def write_rounds(line: Line, quantity: Quantity) -> str:
    """The median, and between which two the rounds were."""
    if not line.figures:
        return line.note
    text = write_median(line, quantity)
    if len(line.figures) > 1:
        least, most = quantity.write(min(line.figures)), quantity.write(max(line.figures))
        text += f" ({least} to {most})"
    return f"{text}{', ' if line.note else ''}{line.note}"


def write_median(line: Line, quantity: Quantity) -> str:
    return f"{'more than ' if line.is_bound else ''}{quantity.write(line.median)}"


def write_ratio(line: Line, base: Line | None) -> str:
    if base is None:
        return ""
    return f"{'less than ' if base.is_bound else ''}{line.median / base.median:.2f}"


def write_wanted(line: Line, quantity: Quantity) -> str:
    sign = "≥" if quantity.is_more_better else "≤"
    if line.limit is not None:
        return f"{sign} {quantity.write(line.limit)} {quantity.name}"
    return "" if line.wanted is None else f"{sign} {line.wanted:.2f}"


def write_memory(figures: Mapping[str, Figure]) -> str:
    rows = [
        [name, f"{figure.peak_bytes / 1e6:.0f} MB", f"{figure.idle_bytes / 1e6:.0f} MB"]
        for name, figure in figures.items()
    ]
    return write_table(["what", "importing process, at most", "idle worker"], rows)


def write_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruler = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ruler, *rows))


@dataclass(frozen=True)
class Plot:
    """A picture of figures that grow: for each name a figure at each size."""

    file: str
    title: str
    sizes_of: str
    unit: str
    sizes: Sequence[int]
    series: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Section:
    """What was measured, as Markdown; its tables, the versions of other programs, its picture, and
    what was missed that has to hold."""

    content: str
    tables: Sequence[Table] = ()
    peers: str = ""
    plot: Plot | None = None
    missed: str = ""


def make_section(what: str, tables: Sequence[Table], *rest: str, peers: str = "") -> Section:
    """What was measured, the tables, and what else there is to tell."""
    parts = (f"{what} Peers: {peers}." if peers else what, *(table.write() for table in tables))
    return Section("\n\n".join((*parts, *rest)), tables, peers)


def read_page(path: Path, own: Path = PAGE) -> str:
    """A page that does not exist yet begins as the project's own."""
    return (path if path.exists() else own).read_text()


def fill(page: str, marker: str, content: str) -> str:
    """Puts `content` between the two lines that carry the marker."""
    begin, end = f"<!-- {marker}: begin -->\n", f"<!-- {marker}: end -->"
    before, found_begin, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise Refusal(f"The page has no place for figures between {begin.strip()} and {end}.")
    return f"{before}{begin}\n{content}\n\n{end}{after}"
