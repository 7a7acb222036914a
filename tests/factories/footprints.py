"""Footprints: squares of 0.01° on a diagonal, one a minute."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import factory
from django.contrib.gis.geos import MultiPolygon, Point, Polygon

from footprints.models import Footprint
from tests.factories.imports import ImportFactory

FIRST_EVENT = datetime(2024, 7, 1, 4, 0, tzinfo=UTC)


def draw_square(lon: float, lat: float) -> MultiPolygon:
    return MultiPolygon(Polygon.from_bbox((lon, lat, lon + 0.01, lat + 0.01)), srid=4326)


class FootprintFactory(factory.django.DjangoModelFactory[Footprint]):
    class Meta:
        model = Footprint

    class Params:
        lon = factory.Sequence(lambda n: 13 + n * 0.02)
        lat = factory.Sequence(lambda n: 52 + n * 0.02)

    org_id = factory.Sequence(lambda n: n + 1)
    source_event_timestamp = factory.Sequence(lambda n: FIRST_EVENT + timedelta(minutes=n))
    geometry = factory.LazyAttribute(lambda o: draw_square(o.lon, o.lat))
    simplified = factory.SelfAttribute("geometry")
    point = factory.LazyAttribute(lambda o: Point(o.lon + 0.005, o.lat + 0.005, srid=4326))
    original = factory.LazyAttribute(
        lambda o: json.dumps({"coordinates": json.loads(o.geometry[0].json)["coordinates"]})
    )
    original_sha256 = factory.LazyAttribute(lambda o: hashlib.sha256(o.original.encode()).digest())
    area_m2 = 750_000.5
    vertex_count = 5
    original_vertex_count = 5
    repairs = factory.LazyFunction(list)
    area_change = 0.0
    import_record = factory.SubFactory(ImportFactory)
    line = factory.Sequence(lambda n: n + 2)
