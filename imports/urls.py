"""Addresses of imports, below `/api/v1/`."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from imports.views import ImportViewSet, RejectViewSet

router = SimpleRouter()
router.register("imports", ImportViewSet, basename="import")

urlpatterns = [
    *router.urls,
    path(
        "imports/<int:import_id>/rejects/",
        RejectViewSet.as_view({"get": "list"}),
        name="import-rejects",
    ),
]
