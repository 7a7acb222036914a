"""The explorer's tables in the admin."""

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from config.api.admin import ReadOnlyAdmin
from config.api.pagination import count_rows
from explorer.models import Game, TaxiZone, Trip


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


@admin.register(Game)
class GameAdmin(ReadOnlyAdmin):
    list_display = ("app_id", "name", "release_date", "price", "developers", "import_record")
    list_select_related = ("import_record",)
    search_fields = ("name",)
    sortable_by = ("app_id", "release_date", "price")
    ordering = ("app_id",)
    paginator = EstimatingPaginator


@admin.register(TaxiZone)
class TaxiZoneAdmin(ReadOnlyAdmin):
    list_display = ("location_id", "zone", "borough", "service_zone", "has_shape")
    list_filter = ("borough", "service_zone")
    search_fields = ("zone",)
    ordering = ("location_id",)
    fields = list_display  # the shape would be thousands of numbers

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).defer("geometry")
        return rows.annotate(has_shape=Q(geometry__isnull=False))

    @admin.display(boolean=True, ordering="has_shape")
    def has_shape(self, row: Any) -> bool:
        return bool(row.has_shape)
