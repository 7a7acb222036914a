"""What the API answers, as the explorer's page shows it: cells of tables, and bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.urls import reverse

from config.api.filtersets import MAX_VALUE_CHARACTERS
from config.api.pages import find_cursor
from config.api.timestamps import show_timestamp
from explorer.page_address import Address
from explorer.page_filters import NUMBERS, TIMES, show_title, show_words
from explorer.tables import Column

DRAWN_GROUPS = 50
LONG_CHARACTERS = 40
LONG_DIGITS = 10  # a figure with more of them is shown rounded
METRIC_WORDS = {
    "count": "count of",
    "distinct": "distinct values of",
    "sum": "sum of",
    "avg": "average of",
    "min": "least",
    "max": "greatest",
    "median": "median of",
    "stddev": "standard deviation of",
}


@dataclass(frozen=True)
class Header:
    """The head of a column that can be sorted by, and where that leads."""

    name: str
    title: str
    href: str
    sorted: str
    is_number: bool

    @property
    def arrow(self) -> str:
        return {"ascending": "▲", "descending": "▼"}.get(self.sorted, "")


@dataclass(frozen=True)
class Cell:
    text: str
    tone: str = ""
    href: str = ""
    whole: str = ""


@dataclass(frozen=True)
class Bar:
    """A figure as a bar: its text, where the bar begins and how long it is, as percentages."""

    label: str
    text: str
    start: str
    length: str
    href: str = ""
    is_set: bool = False


def show_value(value: Any, kind: str) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if kind == "timestamp":
        return show_timestamp(str(value))
    return write_value(value) or "“”"


def write_value(value: Any) -> str:
    """A value as a filter takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def round_figure(value: Any) -> str:
    """A number that nobody would read whole with fewer digits."""
    if isinstance(value, Decimal) and len(write_value(value)) > LONG_DIGITS:
        return f"{value:.6g}" if abs(value) < 1 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int | Decimal) else str(value)


# Rows


def present_rows(address: Address, data: Mapping[str, Any]) -> dict[str, Any]:
    dataset = address.dataset
    names = address.read_words("fields") or list(dataset.table.by_name)
    columns = [dataset.table.by_name[name] for name in names]
    ordering = address.query.get("ordering", dataset.key)
    return {
        "headers": [
            Header(
                column.name,
                show_heading(column),
                address.sort("ordering", column.name, ordering),
                tell_direction(column.name, ordering),
                is_number=column.kind.name in NUMBERS,
            )
            for column in columns
        ],
        "rows": [[make_cell(each, row[each.name]) for each in columns] for row in data["results"]],
        "count": data["count"],
        "count_is": data["count_is"],
        "next": link_page(address, data["next"]),
        "previous": link_page(address, data["previous"]),
        "is_nothing": not data["results"],
    }


def show_heading(column: Column) -> str:
    title = show_title(column.name)
    return f"{title} (UTC)" if column.kind.name == "timestamp" else title


def tell_direction(name: str, ordering: str) -> str:
    if ordering.removeprefix("-") != name:
        return ""
    return "descending" if ordering.startswith("-") else "ascending"


def make_cell(column: Column, value: Any) -> Cell:
    is_number = column.kind.name in NUMBERS
    text = show_value(value, column.kind.name)
    if value is None or value == "":
        return Cell(text, "faint number" if is_number else "faint")
    if column.name == "import_id":
        return Cell(text, "number", reverse("import-page", args=[value]))
    if is_number:
        return Cell(text, "number")
    return Cell(text, "long" if len(text) > LONG_CHARACTERS else "short")


def link_page(address: Address, url: str | None) -> str:
    """The page that the API's own link leads to."""
    return address.link({"cursor": find_cursor(url)}) if url else ""


# Facets


@dataclass(frozen=True)
class Facet:
    """The most frequent values of a column, as bars."""

    name: str
    title: str
    bars: Sequence[Bar]
    has_more: bool


def present_facets(address: Address, data: Mapping[str, Any]) -> dict[str, Any]:
    table = address.dataset.table
    facets = [
        Facet(
            name,
            show_title(name),
            [make_value(address, table.by_name[name], value, values) for value in values],
            name in data["has_more"],
        )
        for name, values in data["results"].items()
    ]
    return {"facets": facets, "is_nothing": not any(facet.bars for facet in facets)}


def make_value(
    address: Address, column: Column, value: Mapping[str, Any], values: Sequence[Mapping[str, Any]]
) -> Bar:
    """One value: its count beside the largest, and the address that filters by it, or no longer."""
    parameter, text = name_filter(column, value["value"])
    is_set = text in address.filters.getlist(parameter)
    href = (address.remove if is_set else address.add)(parameter, text) if parameter else ""
    label = show_value(value["value"], column.kind.name)
    if value["value"] is None:
        label = "none" if column.elements else "empty"
    length = write_percent(value["count"], values[0]["count"])
    return Bar(label, f"{value['count']:,}", "0", length, href, is_set)


def name_filter(column: Column, value: Any) -> tuple[str, str]:
    """The parameter and its text that find just these rows; none where there is no such filter."""
    if value is None:
        return f"{column.name}__isnull", "true"
    text = write_value(value)
    if not 0 < len(text) <= MAX_VALUE_CHARACTERS:
        return "", ""
    known = {lookup.suffix for lookup in column.lookups}
    suffix = next((each for each in ("__has", "__exact") if each in known), "")
    return column.name + suffix, text


def write_percent(part: Any, whole: Any) -> str:
    return f"{100 * float(part) / float(whole):.2f}" if whole else "0"


# Groups


def present_groups(address: Address, data: Mapping[str, Any]) -> dict[str, Any]:
    names = address.read_words("group_by")
    metrics = address.metrics
    columns = address.dataset.table.by_name
    ordering = address.query.get("group_ordering", names[0] if names else "")
    results = data["results"]
    kinds = {name: columns[name].kind.name for name in names if ":" not in name}
    drawn = next((m for m in metrics if any(is_figure(row[m]) for row in results)), "")
    return {
        "headers": [
            Header(
                name,
                show_group(name) if name in names else show_metric(name),
                address.sort("group_ordering", name, ordering),
                tell_direction(name, ordering),
                is_number=name in metrics,
            )
            for name in (*names, *metrics)
        ],
        "rows": [
            [
                *(Cell(show_value(row[name], kinds.get(name, "")), "short") for name in names),
                *(make_figure(row[name]) for name in metrics),
            ]
            for row in results
        ],
        "has_more": data["has_more"],
        "bars": draw_groups(results[:DRAWN_GROUPS], names, drawn) if drawn and names else [],
        "drawn": show_metric(drawn) if drawn else "",
        "is_nothing": not results,
    }


def is_figure(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def make_figure(value: Any) -> Cell:
    if not is_figure(value):
        return Cell(show_value(value, ""), "number faint" if value is None else "number")
    return Cell(round_figure(value), "number", whole=write_value(value))


def draw_groups(
    results: Sequence[Mapping[str, Any]], names: Sequence[str], metric: str
) -> list[Bar]:
    """A bar for each group that has a figure, from zero on; to the left of it where that is less
    than zero."""
    figures = [row[metric] if is_figure(row[metric]) else 0 for row in results]
    low, high = min(0, *figures), max(0, *figures)
    span = high - low
    return [
        Bar(
            ", ".join(show_value(row[name], "") for name in names),
            round_figure(row[metric]) if row[metric] is not None else "—",
            write_percent(min(figure, 0) - low, span),
            write_percent(abs(figure), span),
        )
        for row, figure in zip(results, figures, strict=True)
    ]


def show_group(word: str) -> str:
    name, _, bucket = word.partition(":")
    return f"{show_title(name)} by {bucket}" if bucket else show_title(name)


def show_metric(word: str) -> str:
    function, _, name = word.partition(":")
    if not name:
        return "Rows"
    text = f"{METRIC_WORDS[function]} {show_words(name)}"
    return text[0].upper() + text[1:]


# Histograms


def present_bins(address: Address, data: Mapping[str, Any]) -> dict[str, Any]:
    column = address.dataset.table.by_name[data["field"]]
    bins = data["results"]
    most = max((each["count"] for each in bins), default=0)
    bars = [
        Bar(
            f"{show_edge(each['from'], column)} to {show_edge(each['to'], column)}",
            f"{each['count']:,}",
            str(place),
            write_percent(each["count"], most),
            link_range(address, column, each, is_last=place == len(bins) - 1),
        )
        for place, each in enumerate(bins)
    ]
    return {
        "bars": bars,
        "field": show_heading(column),
        "low": show_edge(bins[0]["from"], column) if bins else "",
        "high": show_edge(bins[-1]["to"], column) if bins else "",
        "most": f"{most:,}",
        "missing": data["missing"],
        "missing_href": address.link({f"{column.name}__isnull": "true"}),
        "is_nothing": not bins and not data["missing"],
    }


def show_edge(value: Any, column: Column) -> str:
    """Of a time without the parts of a second, which an edge has and its bin is not about."""
    if column.kind.name in TIMES:
        return show_value(value, column.kind.name).partition(".")[0]
    return round_figure(value)


def link_range(address: Address, column: Column, each: Mapping[str, Any], *, is_last: bool) -> str:
    """The rows of a bin, where there are filters that find them. The last one of a column of
    fractions holds its end."""
    if not column.has_ranges:
        return ""
    end = "__lte" if is_last and column.kind.name == "number" else "__lt"
    cleared = {column.name + suffix: "" for suffix in ("", "__gte", "__gt", "__lte", "__lt")}
    name = column.name
    edges = {f"{name}__gte": write_value(each["from"]), name + end: write_value(each["to"])}
    return address.link({**cleared, **edges})
