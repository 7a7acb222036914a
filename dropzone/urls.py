"""Addresses of payloads and measurements, below `/api/v1/`; their door is at `/dropzone`."""

from rest_framework.routers import SimpleRouter

from config.api.exports import list_export_paths
from dropzone.views import MeasurementExportView, MeasurementViewSet, PayloadViewSet

router = SimpleRouter()
router.register("payloads", PayloadViewSet, basename="payload")
router.register("measurements", MeasurementViewSet, basename="measurement")

urlpatterns = [
    *list_export_paths("measurements", MeasurementExportView),
    *router.urls,
]
