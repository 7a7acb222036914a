"""Filters of locations."""

from config.api.filtersets import BBOX, IDENTIFIER, TEXT_IDENTIFIER, ColumnFilterSet
from locations.models import MinuteAverage


class LocationFilterSet(ColumnFilterSet):
    """`in_bbox` finds the averages that lie in the box."""

    columns = {"id": IDENTIFIER, "user_id": TEXT_IDENTIFIER, "in_bbox": BBOX}
    sources = {"in_bbox": "point"}
    exempt = frozenset(
        {"reference_long", "sum_long_offset", "sum_lat", "sum_accuracy", "sum_speed"}
    )

    class Meta:
        model = MinuteAverage
        fields: tuple[str, ...] = ()
