"""Taxi zones as GeoJSON, and how many trips begin and end in each."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from django.contrib.gis.db.models import GeometryField
from django.contrib.gis.db.models.functions import AsGeoJSON
from django.db import connections
from django.db.models import F, Func, QuerySet, TextField, Value
from psycopg import sql

from explorer.models import TaxiZone
from explorer.querying import write_source
from explorer.tables import TRIPS

# About 30 m: less than a pixel where the whole city is seen.
TOLERANCE_DEGREES = 0.0003
FORMS = ("simplified", "full", "none")
DIGITS = 6  # a tenth of a metre

COUNT = sql.SQL(
    """
    SELECT GROUPING(pu_location_id) = 0, coalesce(pu_location_id, do_location_id), count(*)
      FROM {source} GROUP BY GROUPING SETS ((pu_location_id), (do_location_id))
    """
)


@dataclass(frozen=True)
class TripCounts:
    """Trips by the zone where they begin, and by the zone where they end."""

    pickups: Counter[int]
    dropoffs: Counter[int]


def count_trips(rows: QuerySet[Any]) -> TripCounts:
    """In one statement, so that both are of one moment."""
    columns = [TRIPS.by_name["pu_location_id"], TRIPS.by_name["do_location_id"]]
    counts = TripCounts(Counter(), Counter())
    with connections[rows.db].cursor() as cursor:
        cursor.execute(COUNT.format(source=write_source(cursor, rows, columns)))
        for is_pickup, location_id, count in cursor.fetchall():
            if location_id is not None:
                (counts.pickups if is_pickup else counts.dropoffs)[location_id] = count
    return counts


def draw(zones: QuerySet[TaxiZone], form: str) -> QuerySet[TaxiZone]:
    """The zones with `geojson`: their shapes `simplified` for drawing or `full`; `none` leaves them
    out."""
    shape: Any = F("geometry")
    if form == "none":
        return zones.annotate(geojson=Value(None, output_field=TextField()))
    if form == "simplified":
        # PostGIS makes a Polygon of what has one part.
        simple = Func(shape, Value(TOLERANCE_DEGREES), function="ST_SimplifyPreserveTopology")
        shape = Func(simple, function="ST_Multi", output_field=GeometryField())
    return zones.annotate(geojson=AsGeoJSON(shape, precision=DIGITS))


def make_features(zones: Iterable[Any], counts: TripCounts) -> list[dict[str, Any]]:
    return [
        {
            "type": "Feature",
            "id": zone.location_id,
            "geometry": zone.geojson and msgspec.Raw(zone.geojson.encode()),
            "properties": {
                "location_id": zone.location_id,
                "zone": zone.zone,
                "borough": zone.borough,
                "service_zone": zone.service_zone,
                "pickup_count": counts.pickups[zone.location_id],
                "dropoff_count": counts.dropoffs[zone.location_id],
            },
        }
        for zone in zones
    ]
