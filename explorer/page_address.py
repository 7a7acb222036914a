"""The address of the explorer's page, which holds the whole view with the names of the API."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from django.http import HttpRequest, QueryDict
from django.urls import reverse

from explorer.tables import GAMES, TRIPS, Table

READABLE = ":,"  # may stand in an address as they are
COUNTED = ("limit", "cursor")  # of one tab: another does not go on with them
LISTS = ("fields", "facet", "group_by", "metrics", "having")
PAGE_ONLY = ("tab", "texts")
# Of the form, which has a control for each part of a condition.
HAVING = ("having_metric", "having_is", "having_value")
KEPT = "kept"  # of the form too: the query of what its controls do not hold


@dataclass(frozen=True)
class Tab:
    """A view of the rows that match: the API's action, and what the page calls its parameters
    where the API's name has another meaning in another tab. It asks nothing without `needed`."""

    name: str
    title: str
    action: str
    parameters: Mapping[str, str]
    needed: str = ""


ROWS = Tab(
    "rows",
    "Rows",
    "list",
    {name: name for name in ("fields", "ordering", "page_size", "count", "cursor")},
)
FACETS = Tab("facets", "Facets", "facets", {"facet": "fields", "limit": "limit"}, "facet")
AGGREGATE = Tab(
    "aggregate",
    "Aggregate",
    "aggregate",
    {
        **{name: name for name in ("group_by", "metrics", "having")},
        "group_ordering": "ordering",
        "limit": "limit",
    },
)
HISTOGRAM = Tab("histogram", "Histogram", "histogram", {"field": "field", "bins": "bins"}, "field")
TABS = {tab.name: tab for tab in (ROWS, FACETS, AGGREGATE, HISTOGRAM)}
NO_FILTERS = frozenset(
    {*PAGE_ONLY, *HAVING, *(name for tab in TABS.values() for name in tab.parameters)}
)


@dataclass(frozen=True)
class Dataset:
    """A table on the page: its addresses in the API, the column that tells its rows apart, and what
    a tab begins with."""

    table: Table
    stem: str
    key: str
    starts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def path(self) -> str:
        return reverse(f"{self.name}-page")

    def find_api(self, tab: Tab) -> str:
        return reverse(f"{self.stem}-{tab.action}")


DATASETS = {
    "games": Dataset(
        GAMES,
        "game",
        "app_id",
        {
            "facets": {"facet": "genres,tags,windows", "limit": "20"},
            "aggregate": {"group_by": "release_date:year", "metrics": "count,avg:price"},
            "histogram": {"field": "price"},
        },
    ),
    "trips": Dataset(
        TRIPS,
        "trip",
        "id",
        {
            "facets": {"facet": "hvfhs_license_num,pu_borough", "limit": "20"},
            "aggregate": {"group_by": "pickup_datetime:day", "metrics": "count,avg:trip_miles"},
            "histogram": {"field": "trip_miles"},
        },
    ),
}


@dataclass(frozen=True)
class Address:
    """A view of a dataset. Those next to it are made of it: `link` changes parameters."""

    dataset: Dataset
    query: QueryDict

    def __str__(self) -> str:
        return join(self.dataset.path, self.query)

    @cached_property
    def tab(self) -> Tab:
        return TABS.get(self.query.get("tab", ""), ROWS)

    @cached_property
    def filters(self) -> QueryDict:
        """What is no parameter of the page or of a tab; the API says which of it there is not."""
        return pick(self.query, (name for name in self.query if name not in NO_FILTERS))

    @cached_property
    def question(self) -> QueryDict:
        """What is asked of the API."""
        asked = self.filters.copy()
        for name, inner in self.tab.parameters.items():
            if name in self.query:
                asked.setlist(inner, self.query.getlist(name))
        return asked

    @property
    def api_path(self) -> str:
        return join(self.dataset.find_api(self.tab), self.question)

    @property
    def can_ask(self) -> bool:
        return not self.tab.needed or self.tab.needed in self.query

    def read_words(self, name: str) -> list[str]:
        return [word for word in self.query.get(name, "").split(",") if word]

    @property
    def metrics(self) -> list[str]:
        """Where none is asked for, the API counts rows."""
        return self.read_words("metrics") or ["count"]

    def link(self, changes: Mapping[str, str | list[str]]) -> str:
        """This view with other parameters, from its first page; an empty one goes."""
        dropped = dict.fromkeys(("cursor", *HAVING), "")
        return join(self.dataset.path, change(self.query, {**dropped, **changes}))

    def link_tab(self, tab: Tab) -> str:
        start = self.dataset.starts.get(tab.name, {})
        is_begun = tab.needed in self.query if tab.needed else bool({*start} & {*self.query})
        cleared = dict.fromkeys(COUNTED, "") if tab != self.tab else {}
        name = "" if tab == ROWS else tab.name
        return self.link(cleared | {"tab": name} | ({} if is_begun else dict(start)))

    def clear(self) -> str:
        """Without a filter."""
        return self.link(dict.fromkeys(self.filters, ""))

    def add(self, name: str, value: str) -> str:
        """Beside what the parameter holds: any of its values will do."""
        return self.link({name: [*self.query.getlist(name), value]})

    def remove(self, name: str, value: str) -> str:
        return self.link({name: [kept for kept in self.query.getlist(name) if kept != value]})

    def sort(self, parameter: str, name: str, ordering: str) -> str:
        """By a column; descending where it is the present `ordering`."""
        return self.link({parameter: f"-{name}" if ordering == name else name})

    def export(self, form: str) -> str:
        names = [*self.filters, "fields"]
        path = reverse(f"{self.dataset.name}-export-{form}")
        return join(path, pick(self.query, (name for name in names if name in self.query)))


def join(path: str, query: QueryDict) -> str:
    text = query.urlencode(safe=READABLE)
    return f"{path}?{text}" if text else path


def pick(query: QueryDict, names: Iterable[str]) -> QueryDict:
    picked = QueryDict(mutable=True)
    for name in names:
        picked.setlist(name, query.getlist(name))
    return picked


def change(query: QueryDict, changes: Mapping[str, str | list[str]]) -> QueryDict:
    changed = query.copy()
    for name, value in changes.items():
        if value:
            changed.setlist(name, [value] if isinstance(value, str) else value)
        else:
            changed.pop(name, None)
    return changed


# Reading and cleaning


def read_address(request: HttpRequest, dataset: Dataset) -> Address:
    """What the page was asked for, without what a form sends of controls that are not filled in."""
    query = QueryDict(mutable=True)
    given = spread_kept(request.GET)
    left_out = {KEPT, "format"} | (set() if has_comma(given) else {*HAVING})
    for name, values in given.lists():
        filled = dict.fromkeys(value for value in values if value)
        if filled and name not in left_out:
            query.setlist(name, [*filled])
    condition = join_condition(given)
    query = change(query, {"having": [*query.getlist("having"), *condition]})
    for name in LISTS:
        words = [word for text in query.getlist(name) for word in text.split(",") if word]
        query = change(query, {name: ",".join(dict.fromkeys(words))})
    defaults = {"tab": ROWS.name, "fields": ",".join(dataset.table.by_name)}
    query = change(query, {name: "" for name, text in defaults.items() if query.get(name) == text})
    return drop_ordering(Address(dataset, query))


def spread_kept(sent: QueryDict) -> QueryDict:
    """What a form holds beside what it keeps, in the place of that."""
    given = QueryDict(mutable=True)
    for name, values in sent.lists():
        if name == KEPT:
            given.update(QueryDict(values[0]))
        else:
            given.setlist(name, [*values, *given.getlist(name)])
    return given


def has_comma(given: QueryDict) -> bool:
    """Whether a condition's value would be parted: it stays in its control, and is told of."""
    return "," in given.get("having_value", "")


def join_condition(given: QueryDict) -> list[str]:
    metric, comparison, value = (given.get(name, "") for name in HAVING)
    is_usable = value.strip() and not has_comma(given)
    return [f"{metric}__{comparison}:{value.strip()}"] if is_usable else []


def drop_ordering(address: Address) -> Address:
    """Groups are no longer ordered by what is not asked for any more."""
    asked = {*address.read_words("group_by"), *address.metrics}
    ordering = address.query.get("group_ordering", "")
    is_kept = all(term.removeprefix("-") in asked for term in ordering.split(","))
    kept = ordering if is_kept else ""
    return Address(address.dataset, change(address.query, {"group_ordering": kept}))
