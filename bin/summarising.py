"""One table of all that was measured side by side, and what is met of what is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from figures import Line, Section, Table, write_median, write_ratio, write_table, write_wanted

HEADER = ("what", "ours", "peer", "ratio", "wanted", "result")


def write_summary(sections: Mapping[str, Section], failures: Mapping[str, str]) -> str:
    """With the sections by their commands, and why the others failed."""
    rows = [
        [f"{command}: {what}", *rest]
        for command, section in sections.items()
        for what, *rest in summarise(section.tables)
    ]
    for command, reason in failures.items():
        # A table's cell has one line, and a bar would end it.
        told = " ".join(reason.split()).replace("|", "\\|")
        rows.append([f"`bin/bench {command}`", f"not measured: {told}", "", "", "", "failed"])
    return write_table(HEADER, rows)


def summarise(tables: Iterable[Table]) -> list[list[str]]:
    """A row for each line that is held against another, or has a limit."""
    return [
        summarise_line(table, line)
        for table in tables
        for line in table.lines
        if table.find_base(line) or (line.figures and line.limit is not None)
    ]


def summarise_line(table: Table, line: Line) -> list[str]:
    base, quantity = table.find_base(line), table.quantity
    return [
        f"{line.name} ({quantity.name})",
        write_median(line, quantity),
        f"{write_median(base, quantity)}, {base.name}" if base else "",
        write_ratio(line, base),
        write_wanted(line, quantity),
        judge(table, line),
    ]


def judge(table: Table, line: Line) -> str:
    """By what was measured, whatever the rounding of what is written."""
    base = table.find_base(line)
    if line.limit is not None:
        found, wanted = line.median, line.limit
    elif base and line.wanted is not None:
        found, wanted = line.median / base.median, line.wanted
    else:
        return ""
    is_met = found >= wanted if table.quantity.is_more_better else found <= wanted
    return "met" if is_met else "falls short"
