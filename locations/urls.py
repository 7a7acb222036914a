"""Addresses of locations, below `/api/v1/`; the door of phones is at `/location`."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from config.api.exports import list_export_paths
from locations.views import (
    LocationExportView,
    LocationTileJsonView,
    LocationTileView,
    LocationViewSet,
)

router = SimpleRouter()
router.register("locations", LocationViewSet, basename="location")

urlpatterns = [
    *list_export_paths("locations", LocationExportView),
    path("locations/tiles.json", LocationTileJsonView.as_view(), name="location-tiles"),
    path(
        "locations/tiles/<int:z>/<int:x>/<int:y>.mvt",
        LocationTileView.as_view(),
        name="location-tile",
    ),
    *router.urls,
]
