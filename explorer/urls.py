"""Addresses of the explorer's tables, below `/api/v1/`."""

from rest_framework.routers import SimpleRouter

from config.api.exports import list_export_paths
from explorer.views import (
    GameExportView,
    GameViewSet,
    TripExportView,
    TripViewSet,
    ZoneViewSet,
)

router = SimpleRouter()
router.register("games", GameViewSet, basename="game")
router.register("trips", TripViewSet, basename="trip")
router.register("zones", ZoneViewSet, basename="zone")

urlpatterns = [
    *list_export_paths("games", GameExportView),
    *list_export_paths("trips", TripExportView),
    *router.urls,
]
