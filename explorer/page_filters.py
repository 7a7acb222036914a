"""The controls that filter each column on the explorer's page, and the filters that are set."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from django.http import QueryDict

from config.api.filtersets import MAX_VALUE_CHARACTERS
from explorer.page_address import Address
from explorer.tables import Column, Table

ACRONYMS = {"id": "ID", "dlc": "DLC", "bcf": "BCF", "cbd": "CBD", "wav": "WAV", "hvfhs": "HVFHS"}
FULL = {"pu": "pick-up", "do": "drop-off", "num": "number"}
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
LOST = re.compile(r"[\0\r\n]")  # in an input of one line
TIMES = frozenset({"date", "timestamp"})
NUMBERS = frozenset({"integer", "number"})
DIGITS = {"1": "true", "0": "false"}
FLAG = (("true", "yes"), ("false", "no"))
ISNULL = {"true": "empty", "false": "not empty"}

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "": "is",
        "__exact": "is exactly",
        "__has": "has",
        "__icontains": "contains the digits",
        "__gte": "at least",
        "__gt": "more than",
        "__lte": "at most",
        "__lt": "less than",
        "__isnull": "is",
    }
)
TEXT_WORDS = {"": "contains"}
TIME_WORDS = {"": "on", "__gte": "from", "__gt": "after", "__lte": "to", "__lt": "before"}
# In this order; what else the API knows has no control, and stays as it is in the address.
CONTROLLED = ("", "__has", "__icontains", "__gte", "__lte", "__isnull")


@dataclass(frozen=True)
class Control:
    """An input for one parameter, or a choice where it has `choices`."""

    name: str
    words: str
    type: str
    value: str
    is_short: bool = False
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ColumnControls:
    """A column with all its controls."""

    name: str
    title: str
    controls: tuple[Control, ...]
    is_active: bool


@dataclass(frozen=True)
class Chip:
    """A value that a filter has, and the address without it."""

    title: str
    words: str
    value: str
    href: str
    is_alternative: bool


def show_words(name: str) -> str:
    words = [ACRONYMS.get(word, FULL.get(word, word)) for word in name.split("_")]
    return " ".join(words)


def show_title(name: str) -> str:
    """A column's name for people: `pu_zone` is `Pick-up zone`."""
    text = show_words(name)
    return text[:1].upper() + text[1:]


def choose_words(column: Column, suffix: str) -> str:
    kind = column.kind.name
    special = TEXT_WORDS if kind == "text" else TIME_WORDS if kind in TIMES else {}
    return special.get(suffix, WORDS[suffix])


def list_controls(address: Address) -> list[ColumnControls]:
    """Those of every column, in the order of the table."""
    names = set(address.filters)
    listed = []
    for column in address.dataset.table.columns:
        is_active = any(column.name + lookup.suffix in names for lookup in column.lookups)
        controls = tuple(make_controls(column, address))
        listed.append(ColumnControls(column.name, show_title(column.name), controls, is_active))
    return listed


def make_controls(column: Column, address: Address) -> Iterator[Control]:
    known = {lookup.suffix for lookup in column.lookups}
    for suffix in CONTROLLED:
        is_whole_day = suffix == "" and column.kind.name in TIMES
        if suffix in known and not is_whole_day:
            values = address.filters.getlist(column.name + suffix)
            yield make_control(column, suffix, values[0] if len(values) == 1 else "")


def make_control(column: Column, suffix: str, value: str) -> Control:
    """It holds no value that a browser would change."""
    name, kind = column.name + suffix, column.kind.name
    words = "is empty" if suffix == "__isnull" else choose_words(column, suffix)
    if suffix == "__isnull" or kind == "boolean":
        flag = DIGITS.get(value, value.lower())
        return Control(name, words, "select", flag if flag in dict(FLAG) else "", choices=FLAG)
    if LOST.search(value) or len(value) > MAX_VALUE_CHARACTERS:
        value = ""
    # What is finer than a day fits into no input of a day.
    is_date = kind in TIMES and (not value or is_day(value))
    is_short = suffix in {"__gte", "__lte"}
    return Control(name, words, "date" if is_date else "text", value, is_short)


def is_day(text: str) -> bool:
    try:
        return DAY.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def write_kept(
    address: Address,
    columns: Iterable[ColumnControls],
    shown: Iterable[str],
    sent: QueryDict | None,
) -> str:
    """The query of what the form has to send along, since no control is `shown` that holds it.

    A control holds one value: several stay as they are. Where the form stays as it is, its controls
    hold what they did beside what it `sent` along.
    """
    held = {control.name: control.value for column in columns for control in column.controls}
    left_out = {*shown, "cursor"}
    kept = QueryDict(mutable=True)
    for name, values in address.query.lists():
        if name in held and sent is not None:
            kept.setlist(name, sent.getlist(name))
        elif name not in left_out and not held.get(name):
            kept.setlist(name, values)
    return kept.urlencode()


# What is set


def index_lookups(table: Table) -> Mapping[str, tuple[Column, str]]:
    """Every filter's column and suffix, by its parameter."""
    return {
        column.name + lookup.suffix: (column, lookup.suffix)
        for column in table.columns
        for lookup in column.lookups
    }


def list_chips(address: Address) -> list[Chip]:
    lookups = index_lookups(address.dataset.table)
    chips = []
    for name, values in address.filters.lists():
        column, suffix = lookups.get(name, (None, ""))
        title = show_title(column.name) if column else name
        words = choose_words(column, suffix) if column else "is"
        shown = ISNULL if suffix == "__isnull" else dict(FLAG)
        is_flag = suffix == "__isnull" or (column is not None and column.kind.name == "boolean")
        for place, value in enumerate(values):
            flag = DIGITS.get(value, value.lower())
            text = shown.get(flag, value) if is_flag else value
            chips.append(Chip(title, words, text, address.remove(name, value), place > 0))
    return chips


def list_faults(address: Address, faults: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What is wrong with it: what of the page is at fault in its own words, its parameter, and
    why."""
    lookups = index_lookups(address.dataset.table)
    own = {inner: name for name, inner in address.tab.parameters.items()}
    listed = []
    for name, detail in faults.items():
        parameter = own.get(name, name)
        column, suffix = lookups.get(parameter, (None, ""))
        title = f"{show_title(column.name)} {choose_words(column, suffix)}" if column else parameter
        listed.append((title, parameter, detail))
    return listed
