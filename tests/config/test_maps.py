"""The page of the map, as it is answered."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import QueryDict
from django.test import Client
from pytest_django import Settings

from config.maps import LAYERS, read_filters
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
    "query", ["count=none", "format=csv", "layer=locations&count=none", "layer=nothing"]
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
