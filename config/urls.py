"""All addresses."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from config.admin import show_object
from config.api.pages import needs
from config.faults import show_bad_request, show_forbidden, show_not_found
from config.health import show_alive, show_ready
from config.login import LimitedRefreshView, LimitedTokenView, limit_login
from config.maps import show_map, show_view
from config.metrics import MetricsView
from config.overview import show_overview
from config.views import ApiKeyViewSet
from dropzone.pages import (
    open_dropzone,
    retry_payload,
    show_dropzone,
    show_measurement,
    show_payload,
    verify_measurement,
)
from explorer.pages import show_explorer
from footprints.pages import show_footprint
from imports.pages import (
    show_import,
    show_imports,
    take_cancel,
    take_delete,
    take_resume,
)
from locations.pages import show_location
from locations.views import LocationView

# Without OPTIONS, which would describe a template that cannot be rendered alone.
SWAGGER = {"url_name": "schema", "http_method_names": ["get", "head"]}

router = SimpleRouter()
router.register("keys", ApiKeyViewSet, basename="key")
SIGN_IN = limit_login(LoginView.as_view(template_name="sign_in.html"))

handler400 = show_bad_request
handler403 = show_forbidden
handler404 = show_not_found

urlpatterns: list[URLPattern | URLResolver] = [
    path("", show_overview, name="overview"),
    path("map/", show_map, name="map-page"),
    path("map/view/", show_view, name="map-view"),
    path("map/footprints/<int:pk>/", show_footprint, name="map-footprints"),
    path("map/locations/<int:pk>/", show_location, name="map-locations"),
    path("sign-in/", SIGN_IN, name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("imports/", show_imports, name="imports-page"),
    path("imports/<int:import_id>/", show_import, name="import-page"),
    path("imports/<int:import_id>/cancel/", take_cancel, name="import-cancel-page"),
    path("imports/<int:import_id>/resume/", take_resume, name="import-resume-page"),
    path("imports/<int:import_id>/delete/", take_delete, name="import-delete-page"),
    path("explorer/", show_explorer, name="explorer-page"),
    path("explorer/games/", show_explorer, {"name": "games"}, name="games-page"),
    path("explorer/trips/", show_explorer, {"name": "trips"}, name="trips-page"),
    path("healthz", show_alive, name="healthz"),
    path("readyz", show_ready, name="readyz"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("api/v1/", include("imports.urls")),
    path("api/v1/", include("footprints.urls")),
    path("api/v1/", include("locations.urls")),
    path("api/v1/", include("dropzone.urls")),
    path("api/v1/", include("explorer.urls")),
    path("api/v1/", include(router.urls)),
    # With a slash at their end or without: a redirect would lose what was sent.
    re_path(r"^location/?\Z", LocationView.as_view(), name="location"),
    re_path(r"^dropzone/?\Z", open_dropzone, name="dropzone"),
    path("dropzone/", show_dropzone, name="dropzone-page"),  # its name: the door shows it
    re_path(r"^dropzone/payloads/(?P<pk>[0-9]{1,19})/\Z", show_payload, name="payload-page"),
    re_path(
        r"^dropzone/payloads/(?P<pk>[0-9]{1,19})/retry/\Z", retry_payload, name="payload-retry-page"
    ),
    re_path(
        r"^dropzone/measurements/(?P<timestamp>[^/]+)/\Z",
        show_measurement,
        name="measurement-page",
    ),
    re_path(
        r"^dropzone/measurements/(?P<timestamp>[^/]+)/verify/\Z",
        verify_measurement,
        name="measurement-verify-page",
    ),
    path("api/v1/auth/token/", LimitedTokenView.as_view(), name="token"),
    path("api/v1/auth/token/refresh/", LimitedRefreshView.as_view(), name="token-refresh"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path(
        "api/docs/", needs("read")(SpectacularSwaggerSplitView.as_view(**SWAGGER)), name="swagger"
    ),
    path("admin/login/", limit_login(admin.site.login)),
    path("admin/r/<int:kind_id>/<path:object_id>/", show_object),
    path("admin/", admin.site.urls),
    path("rq/", include("django_rq.urls")),
]
