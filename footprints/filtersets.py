"""Filters of footprints."""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.gis.geos import GEOSGeometry
from django.db.models import Exists, OuterRef, Q

from config.api.filtersets import (
    BBOX,
    BOOLEAN,
    IDENTIFIER,
    STRING,
    ColumnFilterSet,
    Lookup,
    parse_bbox,
    parse_boolean,
)
from footprints.models import HUGE_VERTICES, Footprint, FootprintPiece


def match_repaired(name: str, is_repaired: Any) -> Q:
    return ~Q(**{name: []}) if is_repaired else Q(**{name: []})


def match_reach(name: str, boxes: tuple[GEOSGeometry, ...]) -> Q:
    """Footprints that reach into any of the boxes; of the huge ones a piece does."""
    return reduce(or_, (_match_box(name, box) for box in boxes))


def _match_box(name: str, box: GEOSGeometry) -> Q:
    pieces = FootprintPiece.objects.filter(footprint=OuterRef("pk"), geometry__intersects=box)
    is_small = Q(vertex_count__lte=HUGE_VERTICES, **{f"{name}__intersects": box})
    return Q(**{f"{name}__bboverlaps": box}) & (is_small | Q(Exists(pieces)))


class FootprintFilterSet(ColumnFilterSet):
    """`in_bbox` finds the footprints that reach into the box."""

    columns = {
        "id": IDENTIFIER,
        "org_id": IDENTIFIER,
        "import_id": IDENTIFIER,
        "in_bbox": (Lookup("", parse_bbox, match_reach, STRING),),
        "repaired": (Lookup("", parse_boolean, match_repaired, BOOLEAN),),
    }
    sources = {"import_id": "import_record", "in_bbox": "geometry", "repaired": "repairs"}
    exempt = frozenset({"original_sha256", "simplified", "point"})

    class Meta:
        model = Footprint
        fields: tuple[str, ...] = ()


class HeatFilterSet(FootprintFilterSet):
    """`in_bbox` finds the points that lie in the box."""

    columns = FootprintFilterSet.columns | {"in_bbox": BBOX}
    sources = FootprintFilterSet.sources | {"in_bbox": "point"}
    exempt = frozenset({"original_sha256", "simplified", "geometry"})


def match_all(name: str, boxes: tuple[GEOSGeometry, ...]) -> Q:
    """Cells at a box's edge are weighed whole: which footprints they need depends on their size."""
    return Q()


class GridFilterSet(FootprintFilterSet):
    """`in_bbox` is checked here, and clips the cells when they are made."""

    columns = FootprintFilterSet.columns | {"in_bbox": (Lookup("", parse_bbox, match_all, STRING),)}


def read_boxes(texts: Iterable[str]) -> list[tuple[float, float, float, float]]:
    """West, south, east and north of each box, each once; one that crosses ±180° is two."""
    return list({box.extent: None for text in texts for box in parse_bbox(text)})
