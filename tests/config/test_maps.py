"""The page of the map, as it is answered."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import QueryDict
from django.test import Client
from pytest_django import Settings

from config.maps import LAYERS, fill_fields, list_others, read_filters
from tests.factories.footprints import FootprintFactory

PARTS = ("/map/", "/map/view/")


@pytest.fixture
def visitor(client: Client, settings: Settings) -> Client:
    """Somebody whom nobody knows, and who may read."""
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    return client


@pytest.mark.parametrize(
    ("address", "filters"),
    [
        ("org_id=1&org_id=2&org_id=", {"org_id": ["1", "2"]}),
        (
            "from=2024-07-01T04:00&to=2024-07-02T04:00:30",
            {
                "source_event_timestamp__gte": ["2024-07-01T04:00:00"],
                "source_event_timestamp__lt": ["2024-07-02T04:00:30"],
            },
        ),
        ("from=2024-07-01", {"source_event_timestamp__gte": ["2024-07-01"]}),
        (
            "to=2024-07-01T04:00:00-05:00",
            {"source_event_timestamp__lt": ["2024-07-01T04:00:00-05:00"]},
        ),
        ("layer=footprints&method=grid&cell=5&selected=7&zones=1", {}),
        ("count=none&page_size=3&cursor=x&ordering=id&format=csv", {}),
    ],
)
def test_address_means_filters_of_the_api(address: str, filters: dict[str, list[str]]) -> None:
    assert dict(read_filters(QueryDict(address), LAYERS["footprints"]).lists()) == filters


@pytest.mark.django_db
@pytest.mark.parametrize("path", PARTS)
@pytest.mark.parametrize(
    "query", ["count=none", "format=csv", "layer=locations&count=none", "method=point"]
)
def test_what_is_no_filter_changes_nothing(visitor: Client, path: str, query: str) -> None:
    FootprintFactory()

    response = visitor.get(f"{path}?{query}")

    assert response.status_code == 200
    assert 'class="fault">' not in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("time", ["2024-07-01", "2024-07-01T04:00:00-05:00", "2024-07-01T04:00"])
def test_list_in_words_is_that_of_the_api(visitor: Client, time: str) -> None:
    FootprintFactory(source_event_timestamp="2024-07-01T12:00Z")
    FootprintFactory(source_event_timestamp="2024-06-01T12:00Z")

    page = visitor.get(f"/map/view/?from={time}").content.decode()

    [address] = re.findall(r'href="(/api/v1/footprints/\?[^"]*)"', page)
    assert parse_qs(urlsplit(address).query)["source_event_timestamp__gte"]
    assert visitor.get(address).json()["count"] == 1
    assert page.count("2024-07-01 12:00") == 1
    assert "2024-06-01" not in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("layer", "command"),
    [
        ("footprints", "ingest_footprints PATH_OR_URL"),
        ("locations", "simulate_locations --url http://testserver"),
    ],
)
def test_map_of_nothing_tells_what_to_type(visitor: Client, layer: str, command: str) -> None:
    page = visitor.get(f"/map/?layer={layer}").content.decode()

    assert f".venv/bin/python manage.py {command}</pre>" in page


@pytest.mark.django_db
def test_fault_of_a_filter_stands_on_the_page(visitor: Client) -> None:
    assert "unknown parameter" in visitor.get("/map/?colour=red").content.decode()


@pytest.mark.parametrize("path", [*PARTS, "/map/footprints/1/", "/map/locations/1/"])
def test_page_changes_nothing(visitor: Client, path: str) -> None:
    assert visitor.post(path).status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/map/footprints/1/", "/map/locations/1/"])
def test_part_by_itself_leads_to_the_map(visitor: Client, path: str) -> None:
    assert "selected=1" in visitor.get(path)["Location"]
    assert visitor.get(path, headers={"HX-Request": "true"}).status_code == 404


@pytest.mark.parametrize(
    ("address", "fields", "others"),
    [
        ("org_id=1&org_id=abc&org_id=3", {"org_id": ["1"]}, [("org_id", "abc"), ("org_id", "3")]),
        ("from=zz&to=", {}, [("from", "zz")]),
        ("from=2024-07-01", {"from": ["2024-07-01T00:00:00"]}, []),
        ("to=2024-07-01T04:00:00-05:00", {"to": ["2024-07-01T09:00:00"]}, []),
        ("to=2024-02-31T04:00", {}, [("to", "2024-02-31T04:00")]),
        ("from=2024-07-01T04:00:00.5Z", {}, [("from", "2024-07-01T04:00:00.5Z")]),
        ("from=2024-07-01T04:00&from=zz", {"from": ["2024-07-01T04:00:00"]}, []),
        ("from=&from=zz", {}, [("from", "zz")]),
        ("repaired=true&method=grid&in_bbox=1,2,3,4", {}, [("repaired", "true")]),
    ],
)
def test_what_no_field_can_hold_is_kept_beside_them(
    address: str, fields: dict[str, list[str]], others: list[tuple[str, str]]
) -> None:
    parameters, layer = QueryDict(address), LAYERS["footprints"]

    held = fill_fields(parameters, layer, [1, 2])

    assert {name: values for name, values in held.items() if values} == fields
    assert list_others(parameters, layer, held) == others


def test_second_user_is_kept_beside_the_field() -> None:
    parameters, layer = QueryDict("user_id=ada&user_id=bob"), LAYERS["locations"]

    held = fill_fields(parameters, layer, [])

    assert held["user_id"] == ["ada"]
    assert list_others(parameters, layer, held) == [("user_id", "bob")]


@pytest.mark.django_db
@pytest.mark.parametrize("path", PARTS)
@pytest.mark.parametrize("name", ["from", "to", "source_event_timestamp__gte"])
def test_fault_has_the_name_that_the_address_has(visitor: Client, path: str, name: str) -> None:
    page = visitor.get(f"{path}?{name}=zz").content.decode()

    assert f"{name}: “zz” is not a timestamp" in " ".join(page.split())


@pytest.mark.django_db
@pytest.mark.parametrize("path", PARTS)
@pytest.mark.parametrize(
    ("times", "is_told"),
    [
        ("from=2024-07-02&to=2024-07-01", True),
        ("from=2024-07-01T04:00&to=2024-07-01T04:00", True),
        ("from=2024-07-01&to=2024-07-02", False),
        ("from=2024-07-02", False),
    ],
)
def test_times_that_are_reversed_are_told(
    visitor: Client, path: str, times: str, is_told: bool
) -> None:
    page = visitor.get(f"{path}?{times}").content.decode()

    assert ("No time lies between them" in page) is is_told


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "note"),
    [
        ("layer=zzz", "There is no layer “zzz”, but footprints or locations."),
        ("method=zzz", "There is no method “zzz”, but point or grid."),
        ("method=grid&cell=zzz", "“zzz” is no length of a cell&#x27;s side in metres."),
        ("method=grid&cell=-1", "“-1” is no length"),
        ("selected=999999", "There is no footprint 999999 here."),
        ("selected=1x", "There is no footprint “1x” here."),
        ("selected=" + "9" * 30, "There is no footprint “" + "9" * 30),
        ("selected=999999999999999999", "There is no footprint 999999999999999999 here."),
        ("layer=locations&selected=999999", "There is no minute 999999 here."),
    ],
)
def test_what_the_page_cannot_do_is_told(visitor: Client, query: str, note: str) -> None:
    assert note in visitor.get(f"/map/?{query}").content.decode()


@pytest.mark.django_db
def test_chosen_is_part_of_the_page_and_its_link_keeps_the_filters(visitor: Client) -> None:
    footprint = FootprintFactory(org_id=1, source_event_timestamp="2024-07-01T12:00Z")

    page = visitor.get("/map/?org_id=1&from=2024-07-01T04:00&selected=5").content.decode()
    [address] = re.findall(r'<a href="(/map/\?[^"]*)"\s+hx-get="/map/footprints/', page)
    chosen = visitor.get(address.replace("&amp;", "&")).content.decode()

    assert parse_qs(urlsplit(address.replace("&amp;", "&")).query) == {
        "org_id": ["1"],
        "from": ["2024-07-01T04:00"],
        "layer": ["footprints"],
        "selected": [str(footprint.pk)],
    }
    assert f'data-row="{footprint.pk}"' in chosen
    assert 'value="2024-07-01T04:00:00"' in chosen
