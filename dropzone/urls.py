"""Addresses of payloads and measurements, below `/api/v1/`; their door is at `/dropzone`."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from dropzone.views import MeasurementExportView, MeasurementViewSet, PayloadViewSet

router = SimpleRouter()
router.register("payloads", PayloadViewSet, basename="payload")
router.register("measurements", MeasurementViewSet, basename="measurement")

urlpatterns = [
    path("measurements/export.csv", MeasurementExportView.as_view(), name="measurement-export"),
    *router.urls,
]
