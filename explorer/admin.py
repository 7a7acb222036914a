"""The explorer's tables in the admin."""

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet

from config.api.admin import ReadOnlyAdmin
from config.api.pagination import count_rows
from explorer.models import Trip


class EstimatingPaginator(Paginator[Any]):
    """Counts as many rows as are counted quickly; beyond them the planner's estimate will do."""

    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        count, _ = count_rows(self.object_list, "")
        return count or 0


@admin.register(Trip)
class TripAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "import_record",
        "pickup_datetime",
        "dropoff_datetime",
        "pu_location_id",
        "do_location_id",
        "trip_miles",
        "base_passenger_fare",
    )
    list_select_related = ("import_record",)
    sortable_by = ("id",)  # by any other column the whole table would be sorted
    ordering = ("-id",)
    paginator = EstimatingPaginator
