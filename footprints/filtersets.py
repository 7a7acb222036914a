"""Filters of footprints."""

from typing import Any

from django.db.models import Q

from config.api.filtersets import BBOX, BOOLEAN, IDENTIFIER, ColumnFilterSet, Lookup, parse_boolean
from footprints.models import Footprint


def match_repaired(name: str, is_repaired: Any) -> Q:
    return ~Q(**{name: []}) if is_repaired else Q(**{name: []})


class FootprintFilterSet(ColumnFilterSet):
    """`in_bbox` finds the footprints that reach into the box."""

    columns = {
        "id": IDENTIFIER,
        "org_id": IDENTIFIER,
        "import_id": IDENTIFIER,
        "in_bbox": BBOX,
        "repaired": (Lookup("", parse_boolean, match_repaired, BOOLEAN),),
    }
    sources = {"import_id": "import_record", "in_bbox": "geometry", "repaired": "repairs"}
    exempt = frozenset({"original_sha256", "simplified", "point"})

    class Meta:
        model = Footprint
        fields: tuple[str, ...] = ()


class HeatFilterSet(FootprintFilterSet):
    """`in_bbox` finds the points that lie in the box."""

    sources = FootprintFilterSet.sources | {"in_bbox": "point"}
    exempt = frozenset({"original_sha256", "simplified", "geometry"})
