"""Whatever is asked, the answer is sound: what cannot be answered is refused by its name."""

import json
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import quote

import pytest
from rest_framework.test import APIClient

from config.api.reading import READER
from tests.explorer.conftest import Commit
from tests.explorer.trips import import_trips
from tests.factories.explorer import GameFactory, TaxiZoneFactory

pytestmark = pytest.mark.django_db(databases=["default", READER])

LISTS = ["games/?", "trips/?", "zones/?"]
ADDRESSES = [
    *LISTS,
    "games/aggregate/?",
    "trips/aggregate/?",
    "games/facets/?fields=genres&",
    "trips/facets/?fields=pu_zone&",
    "games/histogram/?field=price&",
    "trips/histogram/?field=pickup_datetime&",
    "games/export.csv?",
    "trips/export.csv?",
]
AGGREGATES = ["games/aggregate/?", "trips/aggregate/?"]
FACETS = ["games/facets/?", "trips/facets/?"]
HISTOGRAMS = ["games/histogram/?", "trips/histogram/?"]
INJECTION = "1'); DROP TABLE explorer_game; --"
BOMB = "(a+)+$"
TEN_KB = "x" * 10_000


def query(name: str, value: str) -> str:
    return f"{quote(name)}={quote(value)}"


def cursor(*mark: Any) -> str:
    return "cursor=" + urlsafe_b64encode(json.dumps(mark).encode()).decode()


# Refused at every address.
REFUSED_EVERYWHERE = [
    ("_connector", "OR"),
    ("_negated", "1"),
    ("pk__in", "1"),
    ("id__in", "1"),
    ("import_record__created_by__password", "pbkdf2"),
    ("import_record__created_by__password__startswith", "p"),
    ("import_record__lease_token", "1"),
    ("pu_location__zone__regex", BOMB),
    ("pu_zone__regex", BOMB),
    ("name__iregex", BOMB),
    ("name__exact__regex", BOMB),
    ("geometry", INJECTION),
    ("geometry__dwithin", "1"),
    ("genres_list__0", "x"),
    ("name) OR 1=1 --", "x"),
    ('name" OR "1"="1', "x"),
    ("name%s", "x"),
    ("{}", "x"),
    ("__class__", "x"),
    ("\0", "x"),
    ("", "x"),
    ("🎳", "x"),
    ("x" * 5_000, "x"),
    ("page_size[]", "1"),
    ("group_by__", "name"),
]
# Refused, each by the tables that have the column.
REFUSED_VALUES = [
    ("games/", "name", TEN_KB),
    ("games/", "name", "a\0b"),
    ("games/", "genres__has", "\0"),
    ("games/", "price", "Infinity"),
    ("games/", "price__gt", "1e400"),
    ("games/", "price__lt", "-inf"),
    ("games/", "price__gte", "NaN"),
    ("games/", "price", "1_000"),
    ("games/", "price", "٣"),
    ("games/", "price", "1e-99999"),
    ("games/", "price", INJECTION),
    ("games/", "required_age", "\uff11\uff17"),
    ("games/", "required_age", "17.0"),
    ("games/", "required_age", "9" * 900),
    ("games/", "app_id", str(2**63)),
    ("games/", "windows", "yes' OR '1'='1"),
    ("games/", "windows__isnull", "2"),
    ("games/", "release_date", "0000-01-01"),
    ("games/", "release_date", "10000-01-01"),
    ("games/", "release_date", "2024-02-30"),
    ("games/", "release_date", "infinity"),
    ("games/", "release_date", "2008-10-21T00:00:00Z"),
    ("games/", "release_date__lt", "٢٠٢٤-01-01"),
    ("games/", "release_date__lt", "today"),
    ("games/", "import_id", INJECTION),
    ("trips/", "pickup_datetime", "9999-12-31"),
    ("trips/", "pickup_datetime", "9999-12-31T23:59:59-14:00"),
    ("trips/", "pickup_datetime__gte", "0001-01-01T00:00:00+14:00"),
    ("trips/", "pickup_datetime__gte", "2024-02-30T00:00:00Z"),
    ("trips/", "pickup_datetime__gte", "2024-01-01T24:00:01Z"),
    ("trips/", "pickup_datetime", "now()"),
    ("trips/", "import_id", "-1"),
    ("trips/", "import_id", str(2**63)),
    ("trips/", "id", "0x10"),
    ("trips/", "pu_location_id", "161; SELECT pg_sleep(9)"),
    ("zones/", "location_id", "1e3"),
    ("zones/", "tips", "NaN"),
]
REFUSED_PAGES = [
    *(("page_size", text) for text in ("0", "-1", "1e9", "9999999999999999999", "٣", "1 ", "")),
    *(("ordering", text) for text in (";drop table explorer_game", "--name", "?", "pk,name", "-")),
    ("ordering", "import_record__created_by__password"),
    ("ordering", "\0"),
    ("count", "exact' OR '1'='1"),
    ("cursor", "x"),
    ("cursor", "💩"),
    ("cursor", TEN_KB),
    ("cursor", urlsafe_b64encode(b"[" * 6_000).decode()),
    ("cursor", urlsafe_b64encode(b'["n",' + b"9" * 6_000 + b",1]").decode()),
]
ODD_VALUES: list[Any] = [
    *(None, [], {}, [[[1]]], "", "\0", "\ud800", "x" * 2_000, INJECTION, "t"),
    *(True, 1e308, -1, 2**31, 2**63, 10**30, 1.5),
    *("NaN", "Infinity", "1e16001", "1e-16001", "sNaN"),
    *("0001-01-01", "9999-12-31", "2024-02-30", "0000-00-00", "2024-01-01 00:00:00"),
    *("2024-01-01T00:00:00+23:59", "2024-01-01T00:00:00+00:00:01"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
]
ODD_KEYS: list[Any] = [None, "x", [], {}, 2**63, 10**30, -(2**63), 1.5, True, "\0"]
FORGED: list[tuple[Any, ...]] = [
    *((direction, value, 1) for value in ODD_VALUES for direction in "np"),
    *(("n", "1", key) for key in ODD_KEYS),
    *(("x", "1", 1), ("n",), ("n", "1"), ("n", "1", 1, 1), (None, None, None)),
]
FORGED_COLUMNS = {
    "games": ["app_id", "name", "price", "required_age", "release_date", "windows", "import_id"],
    "trips": [
        "id",
        "import_id",
        "pickup_datetime",
        "tips",
        "trip_time",
        "pu_location_id",
        "pu_zone",
    ],
    "zones": ["location_id", "zone", "service_zone"],
}
REFUSED_QUESTIONS = [
    *((AGGREGATES, "group_by", text) for text in ("password", "import_record__url", "geometry")),
    *((AGGREGATES, "group_by", text) for text in ("import_id:year", "name;--", "\0", TEN_KB)),
    (AGGREGATES, "group_by", "import_id,import_id"),
    (AGGREGATES[:1], "group_by", "release_date:century"),
    (AGGREGATES[:1], "group_by", "release_date:'||pg_sleep(9)||'"),
    (AGGREGATES[:1], "group_by", "release_date:hour"),
    (AGGREGATES[:1], "group_by", "app_id,name,price,mac"),
    (AGGREGATES[:1], "metrics", "sum:name"),
    (AGGREGATES[:1], "metrics", "avg:release_date"),
    (AGGREGATES[:1], "metrics", "pg_sleep:price"),
    (AGGREGATES[:1], "metrics", "count:"),
    (AGGREGATES[:1], "metrics", ":price"),
    (AGGREGATES[:1], "metrics", "sum:price)::text; DROP TABLE explorer_game; --"),
    (AGGREGATES, "metrics", ",".join(["count"] * 2)),
    *((AGGREGATES, "having", text) for text in ("count__gte:5 OR 1=1", "count__in:1", "1=1", "\0")),
    *(
        (AGGREGATES, "having", text)
        for text in ("count__gte:1e400", "count__gte:NaN", "count__gt:")
    ),
    *((AGGREGATES, "ordering", text) for text in (";drop table", "price", "--count", "count desc")),
    *((AGGREGATES, "limit", text) for text in ("-1", "0", "1e3", "10001", "9" * 5_000, "٣")),
    *((FACETS, "fields", text) for text in ("__class__", "password", "genres_list", "\0", "", "*")),
    (["games/facets/?fields=genres&"], "limit", "-1"),
    *((HISTOGRAMS, "field", text) for text in ("__class__", "password", "", "\0", INJECTION)),
    (HISTOGRAMS[:1], "field", "name"),
    *((["games/histogram/?field=price&"], "bins", text) for text in ("0", "-1", "201", "1e2")),
    *((["games/?", "trips/?", "games/export.csv?"], "fields", text) for text in ("*", "__class__")),
    (["zones/?"], "geometry", "original"),
]
# Odd, but questions all the same.
ANSWERED = [
    ("games/?", query("name", INJECTION)),
    ("games/?", query("name", BOMB)),
    ("games/?", query("name", "((a?){50}a{50}")),
    ("games/?", query("name", "%" * 900)),
    ("games/?", query("name", "\\" * 900)),
    ("games/?", query("genres__has", '{"a",NULL}')),
    ("games/?", query("genres__has", "\\")),
    ("games/?", "name=%ED%A0%80&name=%FF%FE"),
    ("games/?", query("name", "x" * 1_000)),
    ("games/?", "&".join(["name=a"] * 100)),
    ("games/?", f"app_id={2**63 - 1}&required_age={-(2**63)}"),
    ("games/?", "price=1e300&price__gt=1e-300"),
    ("games/?", "release_date__gte=0001-01-01&release_date__lte=9999-12-31"),
    ("games/?", "fields=app_id,app_id,,"),
    ("games/?", "format=json&ordering=&cursor=&count="),
    ("trips/?", f"pu_location_id={2**63 - 1}&import_id={2**31 - 1}"),
    ("trips/?", "pickup_datetime__gte=0001-01-01&pickup_datetime__lt=9999-12-30"),
    ("zones/?", f"location_id={2**63 - 1}&pu_location_id__lt={-(2**63)}"),
    ("games/aggregate/?", f"app_id__gt={2**63 - 1}&group_by=genres&having=count__gte:1e300"),
    ("games/aggregate/?", "metrics=min:release_date&having=min:release_date__gte:0001-01-01"),
    ("games/histogram/?", f"field=app_id&bins=200&required_age={2**63 - 1}"),
    ("trips/export.csv?", f"pu_location_id={2**63 - 1}"),
]


@pytest.fixture(scope="module", autouse=True)
def _rows(commit: Commit) -> None:
    commit(lambda: GameFactory.create_batch(3))
    commit(lambda: import_trips({"pu_location_id": 1}, {}))
    commit(lambda: TaxiZoneFactory(location_id=1))


def ask(api: APIClient, address: str) -> tuple[int, list[Any]]:
    """The status, and the parameters that are told to be at fault."""
    response = api.get(f"/api/v1/{address}")
    if response.status_code == 200 and response.headers["Content-Type"].startswith("text/csv"):
        assert b"".join(response).count(b"\n") >= 1
        return 200, []
    body = json.loads(response.content, parse_constant=pytest.fail)
    if response.status_code == 200:
        return 200, []
    assert set(body) == {"type", "errors"}
    for error in body["errors"]:
        assert set(error) == {"code", "detail", "attr"}
        assert 0 < len(error["detail"]) < 500
    return response.status_code, [error["attr"] for error in body["errors"]]


@pytest.mark.parametrize(("name", "value"), REFUSED_EVERYWHERE)
def test_parameter_that_nothing_takes_is_refused_by_name(
    api: APIClient, name: str, value: str
) -> None:
    for address in ADDRESSES:
        assert ask(api, address + query(name, value)) == (400, [name]), address


@pytest.mark.parametrize(("table", "name", "value"), REFUSED_VALUES)
def test_value_that_no_column_can_have_is_refused(
    api: APIClient, table: str, name: str, value: str
) -> None:
    for address in ADDRESSES:
        if address.startswith(table):
            assert ask(api, address + query(name, value)) == (400, [name])


@pytest.mark.parametrize(("name", "value"), REFUSED_PAGES)
def test_page_that_cannot_be_is_refused(api: APIClient, name: str, value: str) -> None:
    for address in LISTS:
        assert ask(api, address + query(name, value)) == (400, [name]), address


@pytest.mark.parametrize(
    ("table", "column"), [(name, column) for name, all in FORGED_COLUMNS.items() for column in all]
)
@pytest.mark.parametrize("sign", ["", "-"])
def test_forged_cursor_is_a_page_or_refused(
    api: APIClient, table: str, column: str, sign: str
) -> None:
    for mark in FORGED:
        answer = ask(api, f"{table}/?ordering={sign}{column}&{cursor(*mark)}")
        assert answer in [(200, []), (400, ["cursor"])], mark


@pytest.mark.parametrize(("addresses", "name", "value"), REFUSED_QUESTIONS)
def test_question_that_has_no_answer_is_refused(
    api: APIClient, addresses: list[str], name: str, value: str
) -> None:
    for address in addresses:
        assert ask(api, address + query(name, value)) == (400, [name])


@pytest.mark.parametrize(("address", "asked"), ANSWERED)
def test_odd_question_is_answered(api: APIClient, address: str, asked: str) -> None:
    assert ask(api, address + asked) == (200, [])


@pytest.mark.parametrize("address", ADDRESSES)
def test_thousands_of_parameters_are_refused(api: APIClient, address: str) -> None:
    assert ask(api, address + "&".join(f"a{n}=1" for n in range(3_000))) == (400, [None])


@pytest.mark.parametrize("address", ADDRESSES)
def test_more_values_than_can_be_asked_at_once_are_refused(api: APIClient, address: str) -> None:
    name = "name" if address.startswith("games") else "pu_zone"

    assert ask(api, address + "&".join([f"{name}=a"] * 101)) == (400, [name])
