"""Addresses of imports, below `/api/v1/`."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from imports.views import DatasetsView, ImportViewSet, RejectExportView, RejectViewSet

router = SimpleRouter()
router.register("imports", ImportViewSet, basename="import")

urlpatterns = [
    *router.urls,
    path(
        "imports/<int:import_id>/rejects/",
        RejectViewSet.as_view({"get": "list"}),
        name="import-rejects",
    ),
    path(
        "imports/<int:import_id>/rejects.csv",
        RejectExportView.as_view(),
        name="import-rejects-export",
    ),
    path("datasets/", DatasetsView.as_view(), name="datasets"),
]
