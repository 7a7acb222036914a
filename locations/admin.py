"""Locations in the admin, each on a map, with the track of its day."""

from datetime import UTC
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.forms.widgets import Script
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.api.admin import ReadOnlyAdmin
from locations.models import AVERAGE_COLUMNS, MinuteAverage


@admin.register(MinuteAverage)
class MinuteAverageAdmin(ReadOnlyAdmin):
    list_display = ("id", "user_id", *AVERAGE_COLUMNS)
    list_filter = ("minute", "is_gap", "is_fold")
    search_fields = ("=user_id",)
    ordering = ("-id",)
    fields = ("map", "user_id", *AVERAGE_COLUMNS)
    readonly_fields = ("map",)

    class Media:
        css = {"all": ("maplibre-gl/maplibre-gl.css", "catchment/map.css")}
        js = (Script("catchment/feature-map.js", type="module"),)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("point")

    @admin.display(description="map")
    def map(self, average: MinuteAverage) -> SafeString:
        day = average.minute.astimezone(UTC).date()
        query = {"user_id": average.user_id, "minute": day}
        return format_html(
            '<div class="feature-map" data-source="{}" data-context="{}?{}"></div>',
            reverse("location-detail", args=[average.pk]),
            reverse("location-tracks"),
            urlencode(query),
        )
