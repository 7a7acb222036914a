"""Filters of locations."""

from django.contrib.gis.geos import GEOSGeometry
from django.db.models import Q

from config.api.filtersets import (
    IDENTIFIER,
    INTEGER,
    STRING,
    TEXT_IDENTIFIER,
    ColumnFilterSet,
    Lookup,
    draw_box,
    match_boxes,
    parse_bbox,
)
from locations.models import SUM_COLUMNS, MinuteAverage


def match_here(name: str, boxes: tuple[GEOSGeometry, ...]) -> Q:
    """Averages at ±180° are at 180: a box that begins at -180 has them too."""
    spans = [box.extent for box in boxes]
    edges = [
        draw_box(180.0, south, 180.0, north) for west, south, _, north in spans if west == -180
    ]
    return match_boxes(name, (*boxes, *edges))


class LocationFilterSet(ColumnFilterSet):
    """`in_bbox` finds the averages that lie in the box. `count` by itself says how the rows of a
    list are counted: the column is filtered by range."""

    columns = {
        "id": IDENTIFIER,
        "user_id": TEXT_IDENTIFIER,
        "count": INTEGER[1:],
        "in_bbox": (Lookup("", parse_bbox, match_here, STRING),),
    }
    sources = {"in_bbox": "point"}
    exempt = frozenset(SUM_COLUMNS)

    class Meta:
        model = MinuteAverage
        fields: tuple[str, ...] = ()
