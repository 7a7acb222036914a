"""Footprints in the admin, each on a map."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.api.admin import ReadOnlyAdmin
from footprints.filtersets import match_repaired
from footprints.models import Footprint


class RepairedFilter(admin.SimpleListFilter):
    """Whether anything of the polygon had to be repaired."""

    title = "repaired"
    parameter_name = "repaired"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("true", "Yes"), ("false", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Footprint]) -> QuerySet[Footprint]:
        if self.value() is None:
            return queryset
        return queryset.filter(match_repaired("repairs", self.value() == "true"))


@admin.register(Footprint)
class FootprintAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "org_id",
        "source_event_timestamp",
        "area_m2",
        "original_vertex_count",
        "vertex_count",
        "repaired",
        "area_change",
    )
    list_filter = (RepairedFilter, "source_event_timestamp")
    search_fields = ("=org_id",)
    ordering = ("-id",)
    fields = (
        "map",
        "org_id",
        "source_event_timestamp",
        "area_m2",
        "vertex_count",
        "original_vertex_count",
        "repairs",
        "area_change",
        "import_record",
        "line",
        "original",
    )
    readonly_fields = ("map",)

    class Media:
        css = {"all": ("maplibre-gl/maplibre-gl.css", "catchment/map.css")}
        js = (Script("catchment/feature-map.js", type="module"),)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("geometry", "simplified", "point")

    @admin.display(boolean=True)
    def repaired(self, footprint: Footprint) -> bool:
        return bool(footprint.repairs)

    @admin.display(description="map")
    def map(self, footprint: Footprint) -> SafeString:
        url = reverse("footprint-detail", args=[footprint.pk])
        return format_html(
            '<div class="feature-map" data-source="{}?geometry=repaired"></div>', url
        )
