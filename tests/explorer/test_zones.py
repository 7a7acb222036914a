"""Taxi zones: the city's two files, in any order, and files that are something else."""

import json
from threading import Thread
from typing import Any

import pytest
from django.contrib.gis.geos import MultiPolygon
from django.db import connection, transaction

from explorer.models import TaxiZone
from explorer.zones import Outcome, ZonesError, read_zones, store_zones
from tests.explorer.zones import HEADER, LOOKUP, NEWARK, SHAPE, write_feature, write_map
from tests.factories.explorer import TaxiZoneFactory
from tests.files import draw_ring


def draw(*ring: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [ring]}


# Reading


def test_geojson_tells_names_and_a_shape() -> None:
    [zone] = read_zones(write_map(write_feature()))

    assert (zone.location_id, zone.zone, zone.borough) == (1, "Newark Airport", "EWR")
    assert zone.service_zone is None
    assert zone.geometry is not None
    assert (zone.geometry.geom_type, zone.geometry.bounds) == (
        "MultiPolygon",
        (-74, 40, -73.99, 40.01),
    )


def test_lookup_tells_names_and_service_zones() -> None:
    newark, unknown = read_zones(LOOKUP)

    assert (newark.location_id, newark.zone, newark.borough) == (1, "Newark Airport", "EWR")
    assert (newark.service_zone, newark.geometry) == ("EWR", None)
    assert (unknown.location_id, unknown.zone, unknown.borough) == (264, "N/A", "Unknown")


@pytest.mark.parametrize("name", ["LocationID", "location_id", "LOCATION_ID", "locationId"])
@pytest.mark.parametrize("value", [7, "7", " 07 "])
def test_location_id_is_taken_by_any_of_its_names(name: str, value: object) -> None:
    properties = {"OBJECTID": 3, name: value, "Zone": "Astoria", "BOROUGH": "Queens"}

    [zone] = read_zones(
        write_map({"type": "Feature", "properties": properties, "geometry": None}).replace(
            b"\n", b"\r\n"
        )
    )

    assert (zone.location_id, zone.zone, zone.borough) == (7, "Astoria", "Queens")
    assert zone.geometry is None


@pytest.mark.parametrize("body", [LOOKUP, write_map(write_feature(), write_feature())])
def test_byte_order_mark_and_other_line_ends_change_nothing(body: bytes) -> None:
    other = b"\xef\xbb\xbf" + body.replace(b"\n", b"\r\n").replace(b", ", b",\r\n")

    assert read_zones(other) == read_zones(body)


def test_columns_may_come_in_another_order_and_without_service_zones() -> None:
    [zone] = read_zones(b"zone,borough,shape_area,location_id\n\nAstoria,Queens,1.5,7\n\n")

    assert (zone.location_id, zone.zone, zone.service_zone) == (7, "Astoria", None)


def test_parts_of_a_zone_are_united() -> None:
    east, far = (
        {"type": "Polygon", "coordinates": [draw_ring(lon, 40)]} for lon in (-73.99, -73.9)
    )

    [zone] = read_zones(write_map(write_feature(), write_feature(east), write_feature(far)))

    assert zone.geometry is not None
    assert len(zone.geometry.geoms) == 2  # two of the three touch
    assert zone.geometry.area == pytest.approx(3e-4)


def test_part_without_a_shape_takes_none_away() -> None:
    [zone] = read_zones(write_map(write_feature(None), write_feature(), write_feature(None)))

    assert zone.geometry is not None
    assert zone.geometry.area == pytest.approx(1e-4)


def test_valid_shape_stays_as_it_is_drawn() -> None:
    ring = [[-74, 40], [-74.0000001234567, 40.5], [-73.5, 40.3], [-74, 40]]

    [zone] = read_zones(write_map(write_feature({"type": "Polygon", "coordinates": [ring]})))

    assert zone.geometry is not None
    assert [list(position) for position in zone.geometry.geoms[0].exterior.coords] == ring


@pytest.mark.parametrize(
    ("geometry", "area"),
    [
        (draw((0, 0), (2, 2), (2, 0), (0, 2), (0, 0)), 2),  # a bow-tie
        (draw((0, 0), (1, 0), (1, 5), (1, 1), (0, 1), (0, 0)), 1),  # with a spike
        (draw((0, 0, 9), (1, 0, 9), (1, 1, 9), (0, 0, 9)), 0.5),  # type: ignore[arg-type]
    ],
)
def test_shape_is_made_valid_and_flat(geometry: object, area: float) -> None:
    [zone] = read_zones(write_map(write_feature(geometry)))

    assert zone.geometry is not None
    assert (zone.geometry.geom_type, zone.geometry.is_valid) == ("MultiPolygon", True)
    assert (zone.geometry.area, zone.geometry.has_z) == (pytest.approx(area), False)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (write_feature(locationid=None), "feature 2: location_id is missing"),
        (write_feature(locationid=""), "feature 2: location_id is missing"),
        (write_feature(locationid="7b"), "feature 2: location_id: '7b' is no integer"),
        (write_feature(locationid="٣"), "feature 2: location_id: '٣' is no integer"),
        (write_feature(locationid=1.5), "feature 2: location_id: 1.5 is no integer"),
        (write_feature(locationid=True), "feature 2: location_id: True is no integer"),
        (write_feature(locationid=0), "feature 2: location_id: 0 is no integer"),
        (write_feature(locationid=-1), "feature 2: location_id: -1 is no integer"),
        (write_feature(locationid=2**31), "feature 2: location_id: 2147483648 is no integer"),
        (write_feature(locationid=10**4000), "feature 2: location_id: 1"),
        (write_feature(locationid=[1]), r"feature 2: location_id: \[1\] is no integer"),
        (write_feature(zone=""), "feature 2: zone is missing"),
        (write_feature(borough=None), "feature 2: borough is missing"),
        (write_feature(borough=7), "feature 2: borough: 7 is no text"),
        (write_feature(zone="a\0b"), r"feature 2: zone: 'a\\x00b' is no text"),
        (write_feature(service_zone={}), "feature 2: service_zone: {} is no text"),
        (write_feature(zone="Astoria", locationid=9), "feature 2: location_id: 9 came before"),
        (write_feature(Zone="Astoria"), "feature 2: 'zone' and 'Zone' name the same column"),
        (write_feature(Location_ID=1), "feature 2: 'locationid' and 'Location_ID' name the same"),
        ({"properties": NEWARK}, "feature 2: .*geometry"),
        ({"properties": None, "geometry": None}, r"feature 2: .*properties"),
        ({"geometry": None}, "feature 2: .*properties"),
        ("text", "feature 2: .*object"),
        (write_feature({"type": "Point", "coordinates": [1, 2]}), "geometry: a Point is no"),
        (write_feature({"type": "Polygon"}), "feature 2: geometry: .*coordinates"),
        (write_feature(7), "feature 2: geometry: "),
        (write_feature(draw((0, 0), (1, 0), (1, 1))), "feature 2: geometry: .*closed"),
        (write_feature(draw((0, 0), (1, 0), (0, 0))), "geometry: it encloses no area"),
        (write_feature({"type": "MultiPolygon", "coordinates": []}), "it encloses no area"),
        (
            write_feature(draw((913175, 120121), (1e6, 120121), (1e6, 2e5), (913175, 120121))),
            "feature 2: geometry: 913175 is no longitude; .*EPSG:4326",
        ),
        (write_feature(draw((0, 0), (1, 0), (1, 91), (0, 0))), "91 is no latitude"),
        (write_feature(draw((0, 0), (1, 0), (1, -91), (0, 0))), "-91 is no latitude"),
        (write_feature(draw((0, 0), (1, 0), (-181, 1), (0, 0))), "-181 is no longitude"),
        (write_feature(draw((0, 0), (1, 0), (181, 1), (0, 0))), "181 is no longitude"),
    ],
)
def test_bad_feature_is_named_with_its_field(feature: object, message: str) -> None:
    with pytest.raises(ZonesError, match=message):
        read_zones(write_map(write_feature(locationid=9), feature))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (b"x,EWR,Newark,EWR\n", "line 3: location_id: 'x' is no integer"),
        (b",EWR,Newark,EWR\n", "line 3: location_id is missing"),
        (b"1,,Newark,EWR\n", "line 3: borough is missing"),
        (b"1,EWR,Newark\n", "line 3: 3 columns where the header has 4"),
        (b"1,EWR,Newark,EWR,\n", "line 3: 5 columns"),
        (b'1,EWR,"Newark,EWR\n2,EWR,Newark,EWR\n', "line 3: the quotes"),
        (b"1,EWR,New\xffark,EWR\n", "line 3: Zone: byte 10 .* not UTF-8"),
        (b"1,EWR,New\0ark,EWR\n", "line 3: Zone: .*NUL"),
        (b'1,EWR,"New\nark",EWR\n\nx,EWR,Newark,EWR\n', "line 6: location_id"),
        (b"9,EWR,Newark,EWR\n", "line 3: location_id: 9 came before"),
    ],
)
def test_bad_row_is_named_with_its_field(rows: bytes, message: str) -> None:
    with pytest.raises(ZonesError, match=message):
        read_zones(HEADER + b"9,Queens,Astoria,Boro Zone\n" + rows)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf \r\n", "the file is empty"),
        (HEADER, "the file has no zones"),
        (write_map(), "the file has no zones"),
        (b'{"features": []}', "no GeoJSON FeatureCollection: .*type"),
        (b'{"type": "FeatureCollection"}', "no GeoJSON FeatureCollection: .*features"),
        (json.dumps(write_feature()).encode(), "no GeoJSON FeatureCollection"),
        (b'{"error": "not found"}', "no GeoJSON FeatureCollection"),
        (b"[1]", "no GeoJSON FeatureCollection"),
        (write_map(write_feature())[:-9], "no GeoJSON FeatureCollection"),
        (b'{"type": ' + b"[" * 9**5, "no GeoJSON FeatureCollection"),
        (write_map(write_feature(zone="X")).replace(b"X", b"\xff"), "line 1: byte .* not UTF-8"),
        (write_map(write_feature(zone="X")).replace(b"X", rb"\ud800"), "no GeoJSON FeatureColl"),
        (b"<!DOCTYPE html>\n<html lang='en'>", "neither GeoJSON nor CSV .* '<!DOCTYPE html>"),
        (b'<html lang="en">', "neither GeoJSON nor CSV"),
        (b"OBJECTID,Zone,Borough\n1,a,b\n", "neither GeoJSON nor CSV with a column LocationID"),
        (b"\x1f\x8b\x08\x00", "neither GeoJSON nor CSV"),
        (LOOKUP.decode().encode("utf-16"), "the file is UTF-16, not UTF-8"),
        (LOOKUP.decode().encode("utf-16-le"), "the file is UTF-16, not UTF-8"),
        (write_map(write_feature()).decode().encode("utf-16-be"), "the file is UTF-16, not UTF-8"),
        (LOOKUP.replace(b"service_zone", b"ZONE"), "'Zone' and 'ZONE' name the same column"),
        (LOOKUP.replace(b"service_zone", b"Zone"), "'Zone' and 'Zone' name the same column"),
        (b'"LocationID,Zone,Borough\n1,a,b\n', "neither GeoJSON nor CSV"),
    ],
)
def test_what_is_no_file_of_zones_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(ZonesError, match=message):
        read_zones(body)


def test_columns_that_are_not_read_may_come_twice() -> None:
    [zone] = read_zones(write_map(write_feature(shape_area=1, Shape_Area=2)))

    assert zone.location_id == 1


# Storing


@pytest.mark.django_db
@pytest.mark.parametrize("order", [1, -1])
def test_one_file_completes_the_other(order: int) -> None:
    first, second = [LOOKUP, write_map(write_feature())][::order]

    store_zones(read_zones(first))
    store_zones(read_zones(second))

    newark, unknown = TaxiZone.objects.order_by("pk")
    assert (newark.zone, newark.borough, newark.service_zone) == ("Newark Airport", "EWR", "EWR")
    assert newark.geometry == SHAPE
    assert (unknown.zone, unknown.service_zone, unknown.geometry) == ("N/A", "N/A", None)


@pytest.mark.django_db
def test_outcome_tells_new_and_changed_zones_apart() -> None:
    TaxiZoneFactory(location_id=264, zone="Nowhere", borough="Unknown", service_zone="N/A")

    assert store_zones(read_zones(LOOKUP)) == Outcome(2, 1, 1)
    assert store_zones(read_zones(LOOKUP)) == Outcome(2, 0, 0)
    assert TaxiZone.objects.get(pk=264).zone == "N/A"
    assert TaxiZone.objects.get(pk=264).geometry is not None


@pytest.mark.django_db
def test_shape_that_moved_is_a_change() -> None:
    TaxiZoneFactory(location_id=1, zone="Newark Airport", borough="EWR", geometry=None)
    moved = write_map(write_feature({"type": "Polygon", "coordinates": [draw_ring(-75, 40)]}))

    assert store_zones(read_zones(write_map(write_feature()))) == Outcome(1, 0, 1)
    assert store_zones(read_zones(moved)) == Outcome(1, 0, 1)
    assert store_zones(read_zones(moved)) == Outcome(1, 0, 0)
    geometry = TaxiZone.objects.get().geometry
    assert isinstance(geometry, MultiPolygon)
    assert (geometry.srid, geometry.extent[0]) == (4326, -75)


@pytest.mark.django_db
def test_zones_that_a_file_does_not_have_stay() -> None:
    other = TaxiZoneFactory(location_id=100)

    store_zones(read_zones(LOOKUP))

    assert set(TaxiZone.objects.values_list("pk", flat=True)) == {1, 100, 264}
    assert TaxiZone.objects.get(pk=100).zone == other.zone


@pytest.mark.django_db(transaction=True)
def test_two_files_at_a_time_lose_nothing() -> None:
    def load() -> None:
        store_zones(read_zones(LOOKUP))
        connection.close()

    with transaction.atomic():
        store_zones(read_zones(write_map(write_feature())))
        other = Thread(target=load)
        other.start()
        other.join(0.5)
    other.join()

    newark = TaxiZone.objects.get(pk=1)
    assert (newark.service_zone, newark.geometry) == ("EWR", SHAPE)
