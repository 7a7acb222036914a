"""The address of the explorer's page: cleaned, kept, and handed to the API."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client

from config.api.reading import READER
from explorer.page_address import DATASETS, HAVING, KEPT, NO_FILTERS
from explorer.tables import GAMES
from imports.models import Import
from tests.explorer.conftest import Commit
from tests.explorer.showing import URL, find_links, read_query, show, store_shown

pytestmark = pytest.mark.django_db(databases=["default", READER])


@pytest.fixture(scope="module", autouse=True)
def record(commit: Commit) -> Import:
    return commit(store_shown)


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_names_of_the_page_are_those_of_no_filter(dataset: Any) -> None:
    parameters = {
        column.name + lookup.suffix for column in dataset.table.columns for lookup in column.lookups
    }

    assert parameters & {*NO_FILTERS, *HAVING, KEPT} == set()


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("name=&price__gte=", ""),
        ("tab=rows&name=gal", "name=gal"),
        ("fields=app_id&fields=name", "fields=app_id,name"),
        ("fields=" + ",".join(GAMES.by_name), ""),
        (
            "tab=aggregate&group_by=genres&group_by=&group_by=genres",
            "tab=aggregate&group_by=genres",
        ),
        (
            "tab=aggregate&having_metric=count&having_is=gte&having_value=2&having=count__lt:9",
            "tab=aggregate&having=count__lt:9,count__gte:2",
        ),
        ("tab=aggregate&having_metric=count&having_is=gte&having_value=", "tab=aggregate"),
        ("tab=aggregate&group_by=name&group_ordering=-genres", "tab=aggregate&group_by=name"),
        ("format=csv", ""),
        ("name=a&name=b&name=a", "name=a&name=b"),
        ("kept=name%3Da%26kept%3Db", "name=a"),
    ],
)
def test_address_is_cleaned(visitor: Client, given: str, clean: str) -> None:
    response = visitor.get(f"{URL}?{given}")

    location = response["Location"]
    assert response.status_code == 302
    assert parse_qs(urlsplit(location).query) == parse_qs(clean)
    assert show(visitor, location)


def test_clean_address_is_told_to_htmx(visitor: Client) -> None:
    here = f"http://testserver{URL}?name=gal"
    headers = {"HX-Request": "true", "HX-Target": "view"}

    new = visitor.get(f"{URL}?name=gal&price=", headers=headers)
    same = visitor.get(f"{URL}?name=gal", headers={**headers, "HX-Current-URL": here})

    assert new["HX-Push-Url"] == same["HX-Replace-Url"] == f"{URL}?name=gal"
    assert "<html" not in new.content.decode()


def test_curl_asks_the_same_of_the_api(visitor: Client) -> None:
    query = "name=gal&price__gte=5&genres__has=Indie&ordering=-price&fields=app_id,name"

    curl = show(visitor, f"{URL}?{query}").context["curl"]

    assert curl == f"curl 'http://testserver/api/v1/games/?{query}'".replace(
        "&ordering=-price&fields=app_id,name", "&fields=app_id,name&ordering=-price"
    )


def test_curl_is_safe_in_a_shell(visitor: Client) -> None:
    curl = show(visitor, f"{URL}?name=%27;%20rm%20-rf").context["curl"]

    assert curl.endswith("?name=%27%3B%20rm%20-rf'")


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("tab=facets&facet=genres&limit=3&name=a", "facets/?name=a&fields=genres&limit=3"),
        (
            "tab=aggregate&group_by=release_date:year&metrics=count&group_ordering=-count",
            "aggregate/?group_by=release_date:year&metrics=count&ordering=-count",
        ),
        ("tab=histogram&field=price&bins=3&fields=name", "histogram/?field=price&bins=3"),
    ],
)
def test_tab_asks_the_api_in_its_words(visitor: Client, query: str, path: str) -> None:
    curl = show(visitor, f"{URL}?{query}").context["curl"]

    assert curl.endswith(f"/api/v1/games/{path}'")


def test_tabs_keep_filters_and_what_was_asked_of_them(visitor: Client) -> None:
    address = f"{URL}?name=a&ordering=-price&cursor=x&tab=facets&facet=tags&limit=7"

    tabs = {tab.name: read_query(href) for tab, href in show(visitor, address).context["tabs"]}

    assert tabs["rows"] == {"name": ["a"], "ordering": ["-price"], "facet": ["tags"]}
    assert tabs["facets"]["limit"] == ["7"]
    assert tabs["histogram"]["field"] == ["price"]
    assert all(query["name"] == ["a"] for query in tabs.values())


def test_filter_without_a_control_is_kept(visitor: Client) -> None:
    address = f"{URL}?name__exact=x&genres__has=Indie&genres__has=Action&price__gte=1&ordering=name"

    kept = show(visitor, address).context["kept"]

    assert parse_qs(kept) == {
        "name__exact": ["x"],
        "genres__has": ["Indie", "Action"],
        "ordering": ["name"],
    }


def test_control_takes_the_place_of_its_own_value_alone(visitor: Client) -> None:
    kept = show(visitor, f"{URL}?name=a&name=b").context["kept"]

    for typed in ("b", "xxx", "yyy"):
        view = visitor.get(
            URL,
            {"name": typed, KEPT: kept, "price__gte": "1"},
            headers={"HX-Request": "true", "HX-Target": "view"},
        )
        assert view.context["kept"] == kept == "name=a&name=b"

    assert read_query(view["HX-Push-Url"])["name"] == ["yyy", "a", "b"]
    assert visitor.get(URL, {"name": "b", KEPT: kept})["Location"] == f"{URL}?name=b&name=a"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("genres__has", "line1\nline2"),
        ("genres__has", "line1\rline2"),
        ("name", "a\0b"),
        ("name", "x" * 1_001),
        ("windows", "perhaps"),
    ],
)
def test_value_that_no_control_can_hold_is_kept(visitor: Client, name: str, value: str) -> None:
    query = {name: value}

    page = show(visitor, f"{URL}?{urlencode(query)}")
    view = visitor.get(
        URL,
        {KEPT: page.context["kept"], "price__gte": "1"},
        headers={"HX-Request": "true", "HX-Target": "view"},
    )

    controls = {c.name: c for column in page.context["columns"] for c in column.controls}
    assert controls[name].value == ""
    assert read_query(view["HX-Push-Url"]) == {name: [value], "price__gte": ["1"]}


@pytest.mark.parametrize(
    ("query", "type_"),
    [
        ("release_date__gte=2010-01-01", "date"),
        ("release_date__gte=2010", "text"),
        ("release_date__gte=2010-02-31", "text"),
    ],
)
def test_date_input_never_hides_what_it_cannot_hold(
    visitor: Client, query: str, type_: str
) -> None:
    columns = {c.name: c for c in show(visitor, f"{URL}?{query}").context["columns"]}

    [control] = [c for c in columns["release_date"].controls if c.name == "release_date__gte"]
    assert (control.type, control.value) == (type_, query.partition("=")[2])
    assert columns["release_date"].is_active
    assert not columns["price"].is_active


# Filters that are set


def test_chips_name_filters_and_remove_them(visitor: Client) -> None:
    address = (
        f"{URL}?price__gte=0.5&windows=1&genres__isnull=false&genres__has=Indie&genres__has=RPG"
        "&release_date__lte=2018-01-01&tab=facets&facet=tags"
    )

    response = show(visitor, address)

    chips = response.context["chips"]
    assert [(c.title, c.words, c.value, c.is_alternative) for c in chips] == [
        ("Price", "at least", "0.5", False),
        ("Windows", "is", "yes", False),
        ("Genres", "is", "not empty", False),
        ("Genres", "has", "Indie", False),
        ("Genres", "has", "RPG", True),
        ("Release date", "to", "2018-01-01", False),
    ]
    assert read_query(chips[3].href)["genres__has"] == ["RPG"]
    assert "price__gte" not in read_query(chips[0].href)
    assert find_links(response, "Clear all") == [f"{URL}?tab=facets&facet=tags"]
