"""Filters of locations."""

from config.api.filtersets import BBOX, IDENTIFIER, INTEGER, TEXT_IDENTIFIER, ColumnFilterSet
from locations.models import MinuteAverage


class LocationFilterSet(ColumnFilterSet):
    """`in_bbox` finds the averages that lie in the box. `count` by itself says how the rows of a
    list are counted: the column is filtered by range."""

    columns = {
        "id": IDENTIFIER,
        "user_id": TEXT_IDENTIFIER,
        "count": INTEGER[1:],
        "in_bbox": BBOX,
    }
    sources = {"in_bbox": "point"}
    exempt = frozenset(
        {"reference_long", "sum_long_offset", "sum_lat", "sum_accuracy", "sum_speed"}
    )

    class Meta:
        model = MinuteAverage
        fields: tuple[str, ...] = ()
