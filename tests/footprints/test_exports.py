"""Footprints as files: whole polygons, one row for each."""

import json

import pytest
from rest_framework.test import APIClient

from footprints.models import Footprint
from tests.exported import read_export
from tests.factories.footprints import FootprintFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/footprints/"
REPAIRS = [{"code": "dropped_z", "reason": "“heights” are dropped"}]
every_form = pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])


@pytest.fixture
def footprints() -> list[Footprint]:
    """Three squares at 13, 14 and 15 degrees east."""
    return [
        FootprintFactory(org_id=n, lon=12.0 + n, lat=52, area_change=None, repairs=REPAIRS)
        for n in (1, 2, 3)
    ]


def test_line_holds_what_the_list_tells(api: APIClient, footprints: list[Footprint]) -> None:
    [feature, *_] = api.get(f"{URL}?geometry=repaired").json()["features"]

    row, *_ = read_export(api.get(f"{URL}export.jsonl"))

    assert row == {
        "id": feature["id"],
        **feature["properties"],
        "geometry": feature["geometry"],
    }
    assert list(row)[-1] == "geometry"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_other_forms_have_the_polygon_and_its_repairs_as_text(
    api: APIClient, footprints: list[Footprint], suffix: str
) -> None:
    expected, *_ = read_export(api.get(f"{URL}export.jsonl"))

    row, *_ = read_export(api.get(f"{URL}export.{suffix}"))

    assert list(row) == list(expected)
    assert json.loads(row["geometry"]) == expected["geometry"]
    assert json.loads(row["repairs"]) == REPAIRS
    assert float(row["area_m2"]) == expected["area_m2"]
    assert row["area_change"] == ("" if suffix == "csv" else None)


@every_form
def test_export_takes_the_filters_of_the_list(
    api: APIClient, footprints: list[Footprint], suffix: str
) -> None:
    response = api.get(f"{URL}export.{suffix}?in_bbox=13.5,51,16,53&org_id=2&org_id=1")

    assert response.headers["X-Row-Count"] == "1"
    assert [int(row["id"]) for row in read_export(response)] == [footprints[1].pk]


@every_form
def test_export_knows_one_geometry_only(api: APIClient, suffix: str) -> None:
    response = api.get(f"{URL}export.{suffix}?geometry=original")

    assert response.status_code == 400
    assert [error["attr"] for error in response.json()["errors"]] == ["geometry"]
