"""The real usage events, and one very complex polygon, through the real engine and the API."""

import json
from pathlib import Path

import pytest
import shapely
from django.core.management import call_command
from django.db import connection
from rest_framework.test import APIClient

from footprints.models import Footprint
from imports.models import Import
from tests.files import write_file, write_row

pytestmark = pytest.mark.django_db(transaction=True)

SELF_INTERSECTING_ROWS = (36, 54, 64, 81, 97)
FIRST_LINE = 2


@pytest.fixture
def sample(real_data: Path) -> str:
    return str(real_data / "footprints" / "sample-usage-events.csv")


def test_real_file_is_loaded_whole(sample: str, api: APIClient) -> None:
    call_command("ingest_footprints", sample)

    record = Import.objects.get()
    assert (record.rows_loaded, record.rows_rejected) == (100, 0)
    org_ids = api.get("/api/v1/footprints/org-ids/").json()
    assert org_ids["count"] == 66
    repaired = Footprint.objects.exclude(repairs=[]).order_by("line")
    assert [f.line - FIRST_LINE for f in repaired] == list(SELF_INTERSECTING_ROWS)
    assert all(f.repairs[0]["code"] == "self_intersection" for f in repaired)
    assert all(f.area_change is not None for f in repaired)
    assert not any(f.area_change for f in Footprint.objects.filter(repairs=[]))


def test_every_point_lies_inside_its_valid_polygon(sample: str, api: APIClient) -> None:
    call_command("ingest_footprints", sample)

    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), bool_and(ST_IsValid(geometry)), bool_and(ST_IsValid(simplified)),
                   bool_and(ST_Contains(geometry, point)), min(ST_GeometryType(geometry)),
                   count(*) FILTER (WHERE NOT ST_Contains(geometry, ST_Centroid(geometry)))
              FROM footprints_footprint
            """
        )
        assert cursor.fetchone() == (100, True, True, True, "ST_MultiPolygon", 41)
    body = b"".join(api.get("/api/v1/footprints/heatmap/").streaming_content)  # type: ignore[attr-defined]
    shapes = {f.pk: shapely.from_wkt(f.geometry.wkt) for f in Footprint.objects.all()}
    features = json.loads(body)["features"]
    assert len(features) == 100
    for feature in features:
        assert shapes[feature["id"]].contains(shapely.Point(feature["geometry"]["coordinates"]))


def test_area_agrees_with_the_geodesic_one(sample: str) -> None:
    # Not to the last digit: their edges are straight in degrees, the others on the ground.
    call_command("ingest_footprints", sample)

    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT max(abs(area_m2 / ST_Area(geometry::geography) - 1)) FROM footprints_footprint
            """
        )
        [worst] = cursor.fetchone() or (1.0,)
    assert worst < 2e-4


def test_real_file_twice_changes_nothing(sample: str) -> None:
    call_command("ingest_footprints", sample)
    before = list(Footprint.objects.order_by("pk").values())

    call_command("ingest_footprints", sample)

    assert list(Footprint.objects.order_by("pk").values()) == before


def test_original_is_kept_as_it_came(sample: str) -> None:
    call_command("ingest_footprints", sample)

    text = Path(sample).read_bytes().decode()
    for original in Footprint.objects.values_list("original", flat=True):
        assert f'"{original.replace(chr(34), chr(34) * 2)}"' in text


def test_town_of_thirty_seven_thousand_vertices(
    real_data: Path, tmp_path: Path, api: APIClient
) -> None:
    town = (real_data / "footprints" / "znz001_buildings.geojson").read_text()
    file = tmp_path / "town.csv"
    file.write_bytes(write_file([write_row(1, town)]))

    call_command("ingest_footprints", str(file))

    footprint = Footprint.objects.get()
    assert footprint.original_vertex_count == 37_467
    assert footprint.repairs
    [listed] = api.get("/api/v1/footprints/").json()["features"]
    drawn = shapely.from_geojson(json.dumps(listed["geometry"]))
    assert shapely.get_num_coordinates(drawn) <= 0.05 * 37_467
    original = api.get(f"/api/v1/footprints/{footprint.pk}/?geometry=original").json()
    assert original["geometry"] == json.loads(town)["geometry"]
    assert original["properties"]["original"] == town
