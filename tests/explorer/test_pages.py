"""The explorer's page without a browser: what stands on it, where it leads, what it asks."""

import re
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from config.api.filtersets import MAX_VALUE_CHARACTERS
from config.api.pages import Answer, ask
from config.api.reading import READER
from explorer import aggregates, facets
from explorer.page_address import DATASETS, TABS, Address
from explorer.page_figures import link_range
from explorer.pages import list_metrics
from explorer.tables import GAMES, TRIPS, Table
from imports.models import Import
from tests.explorer.conftest import Commit
from tests.explorer.showing import (
    DIGITS,
    GAME_ROWS,
    MARKUP,
    TRIPS_URL,
    URL,
    find_links,
    list_cells,
    read_query,
    show,
    store_shown,
)
from tests.people import make_user

pytestmark = pytest.mark.django_db(databases=["default", READER])


@pytest.fixture(scope="module", autouse=True)
def record(commit: Commit) -> Import:
    return commit(store_shown)


# The whole page


def test_explorer_begins_with_games(visitor: Client) -> None:
    response = show(visitor, "/explorer/")

    assert response.context["dataset"].name == "games"
    assert len(response.context["result"]["rows"]) == len(GAME_ROWS)


@pytest.mark.parametrize("path", ["/explorer/", URL, TRIPS_URL])
def test_sign_in_is_asked_for_where_reading_needs_it(
    client: Client, settings: Settings, path: str
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()
    assert client.get(f"{path}?name=gal")["Location"].startswith(f"/sign-in/?next={path}")

    client.force_login(make_user(group="analyst"))

    response = show(client, f"{path}?hvfhs_license_num=HV" if path == TRIPS_URL else path)
    assert "Authorization: Bearer" in response.context["curl"]


def test_page_changes_nothing(visitor: Client) -> None:
    assert visitor.post(URL).status_code == 405


@pytest.mark.parametrize("table", [GAMES, TRIPS])
def test_every_column_has_its_controls(visitor: Client, table: Table) -> None:
    response = show(visitor, reverse(f"{table.name}-page"))
    page = response.content.decode()
    named = set(re.findall(r'<(?:input|select)\b[^>]*?\bname="([^"]+)"', page, re.S))

    for column in table.columns:
        known = {lookup.suffix for lookup in column.lookups}
        kind = column.kind.name
        wanted = {"__gte", "__lte"} if kind in {"date", "timestamp"} else {""}
        wanted |= {"__gte", "__lte", "__isnull", "__has"} & known

        assert wanted <= known
        assert {column.name + suffix for suffix in wanted} <= named


# Rows


def test_rows_show_values_as_they_are(visitor: Client, record: Import) -> None:
    response = show(visitor, f"{URL}?fields=name,price,positive,windows,mac,import_id")

    assert list_cells(response) == [
        ["Galactic Bowling", "19.99", "6", "yes", "—", str(record.pk)],
        ["Train Bandit", "0.99", str(2**53 + 1), "yes", "—", str(record.pk)],
        [MARKUP, DIGITS, "—", "no", "—", str(record.pk)],
    ]
    assert MARKUP not in response.content.decode()
    assert find_links(response, str(record.pk))[0] == f"/imports/{record.pk}/"
    assert response.context["result"]["count"] == len(GAME_ROWS)


def test_headers_sort_in_both_directions(visitor: Client) -> None:
    first = show(visitor, f"{URL}?ordering=price")
    headers = {header.name: header for header in first.context["result"]["headers"]}

    assert headers["price"].sorted == "ascending"
    assert 'aria-sort="ascending"' in first.content.decode()
    assert read_query(headers["price"].href) == {"ordering": ["-price"]}
    assert read_query(headers["name"].href) == {"ordering": ["name"]}
    again = show(visitor, headers["price"].href)
    assert [row[0] for row in list_cells(again)] == ["20200", "3000000", "655370"]


def test_pages_lead_to_each_other(visitor: Client) -> None:
    address = f"{URL}?page_size=2&ordering=-app_id&fields=app_id"

    first = show(visitor, address)
    second = show(visitor, first.context["result"]["next"])
    back = show(visitor, second.context["result"]["previous"])

    assert first.context["result"]["previous"] == ""
    assert list_cells(second) == [["20200"]]
    assert second.context["result"]["next"] == ""
    assert list_cells(back) == list_cells(first)


def test_estimated_count_says_so(visitor: Client) -> None:
    exact, estimated = (
        " ".join(show(visitor, f"{URL}?count={mode}").content.decode().split())
        for mode in ("exact", "estimated")
    )

    assert '<p class="flat" role="status"> about <strong>' in estimated
    assert '<p class="flat" role="status"> <strong>' in exact


def test_exports_have_the_filters_and_the_columns(visitor: Client) -> None:
    address = f"{URL}?genres__has=Indie&fields=app_id,name&ordering=-price&tab=facets&facet=tags"

    exports = dict(show(visitor, address).context["exports"])

    assert set(exports) == {"csv", "jsonl", "parquet"}
    query = "genres__has=Indie&fields=app_id,name"
    assert exports["csv"] == f"/api/v1/games/export.csv?{query}"
    lines = b"".join(visitor.get(exports["csv"]).streaming_content)  # type: ignore[attr-defined]
    assert lines.count(b"\n") == 3


# Facets, groups, histograms


def test_facets_count_values_and_lead_to_their_rows(visitor: Client) -> None:
    response = show(visitor, f"{URL}?tab=facets&facet=genres,windows,positive,name&limit=2")

    genres, windows, positive, name = response.context["result"]["facets"]
    assert [(bar.label, bar.text, bar.length) for bar in genres.bars] == [
        ("Indie", "2", "100.00"),
        ("Action", "1", "50.00"),
    ]
    assert genres.has_more
    for bar in (*genres.bars, *windows.bars, *positive.bars, *name.bars):
        assert show(visitor, bar.href.replace("tab=facets", "")).context["result"]["count"] == int(
            bar.text
        )


def test_value_that_is_set_is_marked_and_removed(visitor: Client) -> None:
    response = show(visitor, f"{URL}?tab=facets&facet=genres&genres__has=Indie&genres__has=Casual")

    bars = {bar.label: bar for bar in response.context["result"]["facets"][0].bars}
    assert bars["Indie"].is_set
    assert read_query(bars["Indie"].href)["genres__has"] == ["Casual"]
    assert not bars["Action"].is_set
    assert read_query(bars["Action"].href)["genres__has"] == ["Indie", "Casual", "Action"]


def test_missing_values_are_a_filter(visitor: Client) -> None:
    response = show(visitor, f"{URL}?tab=facets&facet=genres,positive")

    genres, positive = response.context["result"]["facets"]
    [missing] = [bar for bar in genres.bars if bar.label == "none"]
    assert read_query(missing.href)["genres__isnull"] == ["true"]
    [empty] = [bar for bar in positive.bars if bar.label == "empty"]
    assert read_query(empty.href)["positive__isnull"] == ["true"]


def test_groups_have_figures_and_bars(visitor: Client) -> None:
    response = show(
        visitor,
        f"{URL}?tab=aggregate&group_by=windows,release_date:year&metrics=count,avg:price,min:name"
        "&having=count__gte:1&group_ordering=-avg:price",
    )

    result = response.context["result"]
    assert list_cells(response)[0] == ["yes", "2008", "1", "19.99", "Galactic Bowling"]
    assert list_cells(response)[1][3] == "4.12"
    assert result["rows"][1][3].whole == DIGITS.rstrip("0")
    assert [bar.label for bar in result["bars"]] == ["yes, 2008", "no, 2020", "yes, 2017"]
    headers = {header.title: header for header in result["headers"]}
    assert headers["Average of price"].sorted == "descending"
    assert read_query(headers["Release date by year"].href)["group_ordering"] == [
        "release_date:year"
    ]
    [(word, href)] = response.context["conditions"]
    assert word == "Rows ≥ 1"
    assert "having" not in read_query(href)


def test_groups_are_compared_by_what_can_be(visitor: Client) -> None:
    response = show(visitor, f"{URL}?tab=aggregate&metrics=min:name,max:price,avg:colour")

    assert [word for word, _ in response.context["compared"]] == ["max:price", "count"]


@pytest.mark.parametrize("table", [GAMES, TRIPS])
def test_metrics_that_cannot_be_compared_are_refused(table: Table) -> None:
    for metric in (metric for _, metrics in list_metrics(table) for metric in metrics):
        with pytest.raises(ValueError, match=r"x|cannot be compared") as refused:
            metric.parse("x")

        assert metric.is_comparable != ("cannot be compared" in str(refused.value))


def test_value_with_a_comma_stays_and_is_told_of(visitor: Client) -> None:
    query = "tab=aggregate&having_metric=count&having_is=lt&having_value=1,5"

    response = show(visitor, f"{URL}?{query}")

    assert [fault[1:] for fault in response.context["faults"]] == [
        (
            "having_value",
            "“1,5” has a comma: a number is wanted, such as 1.5, or a date, such as 2008-10-21.",
        )
    ]
    assert 'value="1,5"' in response.content.decode()
    assert list_cells(response) == [["3"]]
    assert all("having" not in href for _, href in response.context["tabs"])


@pytest.mark.parametrize(
    ("tab", "name", "most", "default"),
    [
        ("facets", "limit", facets.MOST_LIMIT, facets.DEFAULT_LIMIT),
        ("aggregate", "limit", aggregates.MOST_LIMIT, aggregates.DEFAULT_LIMIT),
        ("histogram", "bins", facets.MOST_BINS, facets.DEFAULT_BINS),
    ],
)
def test_tab_tells_the_limits_of_the_api(
    visitor: Client, tab: str, name: str, most: int, default: int
) -> None:
    page = show(visitor, f"{URL}?tab={tab}").content.decode()

    [control] = re.findall(rf'<input id="{name}".*?>', page, re.S)
    assert f'max="{most}"' in control
    assert f'placeholder="{default}"' in control


def test_texts_are_no_longer_than_a_filter_takes(visitor: Client) -> None:
    page = show(visitor, URL).content.decode()

    [control] = re.findall(r'<input id="filter-name".*?>', page, re.S)
    assert f'maxlength="{MAX_VALUE_CHARACTERS}"' in control


def test_all_rows_are_one_group(visitor: Client) -> None:
    response = show(visitor, f"{URL}?tab=aggregate")

    assert list_cells(response) == [["3"]]
    assert response.context["result"]["bars"] == []


def test_bars_below_zero_go_to_the_left(visitor: Client) -> None:
    response = show(visitor, f"{URL}?tab=aggregate&group_by=name&metrics=min:dlc_count")

    bars = {bar.label: (bar.start, bar.length) for bar in response.context["result"]["bars"]}
    assert bars["Galactic Bowling"] == ("0.00", "25.00")
    assert bars["Train Bandit"] == ("25.00", "75.00")
    assert bars[MARKUP] == ("25.00", "0.00")


def test_bins_lead_to_their_rows(visitor: Client) -> None:
    for field in ("price", "positive", "release_date"):
        response = show(visitor, f"{URL}?tab=histogram&field={field}&bins=4")

        bars = response.context["result"]["bars"]
        assert sum(int(bar.text) for bar in bars) + response.context["result"]["missing"] == 3
        for bar in bars:
            rows = show(visitor, bar.href.replace("tab=histogram", "")).context["result"]
            assert rows["count"] == int(bar.text)


def test_bin_takes_the_place_of_the_range_before(visitor: Client) -> None:
    response = show(visitor, f"{URL}?tab=histogram&field=price&price__gt=0&price__lte=30&bins=2")

    query = read_query(response.context["result"]["bars"][0].href)
    assert [name for name in query if name.startswith("price")] == ["price__gte", "price__lt"]


@pytest.mark.parametrize("table", [GAMES, TRIPS])
def test_bins_are_offered_of_what_ranges_can_be_filtered(visitor: Client, table: Table) -> None:
    response = show(visitor, f"{reverse(f'{table.name}-page')}?tab=histogram")

    offered = [name for name, _ in response.context["choices"]]
    parameters = {c.name + lookup.suffix for c in table.columns for lookup in c.lookups}
    assert offered
    assert {f"{name}__{end}" for name in offered for end in ("gte", "lt", "lte")} <= parameters


def test_bin_without_a_filter_leads_nowhere() -> None:
    address = Address(DATASETS["trips"], QueryDict())

    assert link_range(address, TRIPS.by_name["id"], {"from": 1, "to": 9}, is_last=True) == ""


@pytest.mark.parametrize("tab", ["facets", "histogram"])
def test_tab_without_a_choice_asks_nothing(
    visitor: Client, tab: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("explorer.pages.ask")

    assert "Choose" in show(visitor, f"{URL}?tab={tab}").content.decode()


# Faults, and nothing


@pytest.mark.parametrize(
    ("query", "title", "parameter", "detail"),
    [
        ("price__gte=much", "Price at least", "price__gte", "not a finite number"),
        ("colour=red", "colour", "colour", "unknown parameter"),
        ("ordering=colour", "ordering", "ordering", "not a column"),
        ("cursor=x", "cursor", "cursor", "not a cursor"),
        ("tab=facets&facet=colour", "facet", "facet", "not a column"),
        ("tab=aggregate&metrics=avg:name", "metrics", "metrics", "avg of name"),
        ("tab=histogram&field=name", "field", "field", "neither numbers nor times"),
        ("tab=histogram&field=price&bins=0", "bins", "bins", "a whole number"),
        ("tab=map", "tab", "tab", "no tab “map”"),
        ("name=%00", "Name contains", "name", "no text can hold"),
    ],
)
def test_fault_names_its_parameter(
    visitor: Client, query: str, title: str, parameter: str, detail: str
) -> None:
    for headers in ({}, {"HX-Request": "true", "HX-Target": "view"}):
        response = visitor.get(f"{URL}?{query}", headers=headers)

        [fault] = response.context["faults"]
        assert response.status_code == 200
        assert fault[:2] == (title, parameter)
        assert detail in fault[2]
        assert f'data-fault="{parameter}"' in response.content.decode()


@pytest.mark.parametrize("tab", ["", "tab=facets&facet=pu_zone", "tab=histogram&field=trip_miles"])
def test_empty_dataset_tells_how_to_load_one(visitor: Client, tab: str) -> None:
    page = show(visitor, f"{TRIPS_URL}?{tab}").content.decode()

    assert "There are no trips yet" in page
    assert "manage.py make_sample trips" in page
    assert reverse("imports-page") in page


def test_filters_that_leave_nothing_can_be_cleared(visitor: Client) -> None:
    response = show(visitor, f"{URL}?name=nowhere&ordering=name")

    assert "Nothing matches these filters" in response.content.decode()
    assert find_links(response, "Clear all") == [f"{URL}?ordering=name"] * 2


def test_each_tab_asks_once(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask_and_count(view: Any, request: Any, parameters: QueryDict) -> Answer:
        asked.append(parameters.urlencode())
        return ask(view, request, parameters)

    monkeypatch.setattr("explorer.pages.ask", ask_and_count)

    for tab in TABS:
        starts = DATASETS["games"].starts.get(tab, {})
        query = "&".join(f"{name}={value}" for name, value in starts.items())
        show(visitor, f"{URL}?{query}" if tab == "rows" else f"{URL}?tab={tab}&{query}")

    assert len(asked) == len(TABS)
