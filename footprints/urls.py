"""Addresses of footprints, below `/api/v1/`."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from config.api.exports import list_export_paths
from footprints.views import (
    FootprintExportView,
    FootprintTileJsonView,
    FootprintTileView,
    FootprintViewSet,
)

router = SimpleRouter()
router.register("footprints", FootprintViewSet, basename="footprint")

urlpatterns = [
    *list_export_paths("footprints", FootprintExportView),
    path("footprints/tiles.json", FootprintTileJsonView.as_view(), name="footprint-tiles"),
    path(
        "footprints/tiles/<int:z>/<int:x>/<int:y>.mvt",
        FootprintTileView.as_view(),
        name="footprint-tile",
    ),
    *router.urls,
]
