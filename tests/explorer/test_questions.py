"""Questions that cannot be answered: each refusal names the parameter."""

import pytest
from rest_framework.test import APIClient

from config.api.reading import READER
from explorer.tables import GAMES

pytestmark = pytest.mark.django_db(databases=["default", READER])

NAMES = list(GAMES.by_name)
MANY_METRICS = ",".join(f"{name}:{column}" for name in ("count", "distinct") for column in NAMES)
AGGREGATE = [
    ("group_by", "nothing"),
    ("group_by", "genres,genres"),
    ("group_by", "genres,tags,windows,mac"),
    ("group_by", "price:year"),
    ("group_by", "release_date:hour"),
    ("group_by", "release_date:week"),
    ("group_by", "release_date:"),
    ("group_by", "windows:"),
    ("group_by", "genres_list"),
    ("metrics", "avg"),
    ("metrics", "price"),
    ("metrics", "mode:price"),
    ("metrics", "avg:nothing"),
    ("metrics", "avg:name"),
    ("metrics", "sum:release_date"),
    ("metrics", "min:windows"),
    ("metrics", "count,count"),
    ("metrics", MANY_METRICS),
    ("having", "count"),
    ("having", "count:5"),
    ("having", "count__gt"),
    ("having", "count__gt:"),
    ("having", "count__near:5"),
    ("having", "count__gt:many"),
    ("having", "count__gt:NaN"),
    ("having", "count__gt:1__lt:5"),
    ("having", "avg:name__gt:5"),
    ("having", "max:release_date__gt:soon"),
    ("having", "min:name__gt:a"),
    ("having", "genres__gt:5"),
    ("ordering", "price"),
    ("ordering", "avg:price"),
    ("ordering", "--count"),
    ("limit", "0"),
    ("limit", "-1"),
    ("limit", "10001"),
    ("limit", "1.5"),
    ("limit", "99999999999"),
    ("limit", "٣"),
    ("price__gt", "cheap"),
    ("cursor", "x"),
    ("page_size", "5"),
    ("fields", "price"),
]
FACETS = [
    ("fields", ""),
    ("fields", "nothing"),
    ("fields", "genres_list"),
    ("fields", "genres,genres"),
    ("fields", "release_date:year"),
    ("fields", ",".join(NAMES[:11])),
    ("limit", "0"),
    ("limit", "1001"),
    ("limit", "many"),
    ("bins", "5"),
    ("price", "cheap"),
    ("ordering", "genres"),
]
HISTOGRAM = [
    ("field", ""),
    ("field", "nothing"),
    ("field", "name"),
    ("field", "genres"),
    ("field", "windows"),
    ("field", "import_id"),
    ("field", "price,positive"),
    ("bins", "0"),
    ("bins", "201"),
    ("bins", "2.5"),
    ("bins", ""),
    ("limit", "5"),
    ("price__lt", "cheap"),
]
ZONES = [
    ("geometry", "round"),
    ("geometry", ""),
    ("nothing", "1"),
    ("fields", "zone"),
    ("tolls", "cheap"),
    ("import_id", "many"),
    ("location_id", "one"),
    ("ordering", "pickup_count"),
    ("page_size", "0"),
    ("cursor", "x"),
]


@pytest.mark.parametrize(
    ("path", "usual", "parameter", "value"),
    [
        *(("games/aggregate", {}, *asked) for asked in AGGREGATE),
        *(("games/facets", {"fields": "genres"}, *asked) for asked in FACETS),
        *(("games/histogram", {"field": "price"}, *asked) for asked in HISTOGRAM),
        *(("zones", {}, *asked) for asked in ZONES),
    ],
)
def test_question_that_cannot_be_answered_is_a_400_that_names_its_parameter(
    api: APIClient, path: str, usual: dict[str, str], parameter: str, value: str
) -> None:
    response = api.get(f"/api/v1/{path}/", usual | {parameter: value})

    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert error["attr"].split(".")[0] == parameter
    assert error["detail"]


@pytest.mark.parametrize(
    ("path", "parameter"), [("games/facets/", "fields"), ("games/histogram/", "field")]
)
def test_column_must_be_named(api: APIClient, path: str, parameter: str) -> None:
    response = api.get(f"/api/v1/{path}")

    assert (response.status_code, response.json()["errors"][0]["attr"]) == (400, parameter)


@pytest.mark.parametrize(
    "path",
    [
        "games/?page_size=1&page_size=2",
        "games/?count=none&count=exact",
        "games/?ordering=name&ordering=price",
        "games/?cursor=a&cursor=b",
        "games/aggregate/?limit=1&limit=2",
        "games/histogram/?field=price&field=positive",
        "games/histogram/?field=price&bins=1&bins=2",
        "zones/?geometry=none&geometry=full",
    ],
)
def test_parameter_of_one_value_is_given_once(api: APIClient, path: str) -> None:
    response = api.get(f"/api/v1/{path}")

    [error] = response.json()["errors"]
    parameter = path.rpartition("&")[2].partition("=")[0]
    assert (response.status_code, error["attr"]) == (400, parameter)
    assert error["detail"] == "given more than once"


@pytest.mark.parametrize("parameter", ["name", "price__gte", "page_size", "ordering", "count"])
def test_one_row_is_not_filtered(api: APIClient, parameter: str) -> None:
    response = api.get(f"/api/v1/games/10/?{parameter}=1")

    assert response.json()["errors"][0]["attr"] == parameter
    assert response.status_code == 400
