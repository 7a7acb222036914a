"""Addresses of the explorer's tables, below `/api/v1/`."""

from django.urls import path
from rest_framework.routers import SimpleRouter

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
    path("games/export.csv", GameExportView.as_view(), name="game-export"),
    path("trips/export.csv", TripExportView.as_view(), name="trip-export"),
    *router.urls,
]
