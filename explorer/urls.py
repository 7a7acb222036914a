"""Addresses of the explorer's tables, below `/api/v1/`."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from explorer.views import TripExportView, TripViewSet

router = SimpleRouter()
router.register("trips", TripViewSet, basename="trip")

urlpatterns = [
    path("trips/export.csv", TripExportView.as_view(), name="trip-export"),
    *router.urls,
]
