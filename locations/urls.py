"""Addresses of locations, below `/api/v1/`; the door of phones is at `/location`."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from locations.views import (
    LocationExportView,
    LocationTileJsonView,
    LocationTileView,
    LocationViewSet,
)

router = SimpleRouter()
router.register("locations", LocationViewSet, basename="location")

urlpatterns = [
    path("locations/export.csv", LocationExportView.as_view(), name="location-export"),
    path("locations/tiles.json", LocationTileJsonView.as_view(), name="location-tiles"),
    path(
        "locations/tiles/<int:z>/<int:x>/<int:y>.mvt",
        LocationTileView.as_view(),
        name="location-tile",
    ),
    *router.urls,
]
