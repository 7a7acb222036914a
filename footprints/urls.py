"""Addresses of footprints, below `/api/v1/`."""

from rest_framework.routers import SimpleRouter

from footprints.views import FootprintViewSet

router = SimpleRouter()
router.register("footprints", FootprintViewSet, basename="footprint")

urlpatterns = router.urls
