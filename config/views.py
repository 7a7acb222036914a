"""The overview page, and the page that is not there."""

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.defaults import page_not_found

from config.api.errors import answer_not_found
from config.api.permissions import has_access
from footprints.models import Footprint
from imports.models import Import

SHOWN_IMPORTS = 10


def show_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A page for people, the one shape of errors for programs."""
    if request.path.startswith("/api/"):
        return answer_not_found(request)
    return page_not_found(request, exception)


def show_overview(request: HttpRequest) -> HttpResponse:
    """What is loaded, what was imported last, and where to look."""
    if not has_access(request, "read"):
        return redirect_to_login(request.get_full_path())
    context = {
        "footprint_count": Footprint.objects.count(),
        "org_count": Footprint.objects.values("org_id").distinct().count(),
        "import_count": Import.objects.count(),
        "imports": Import.objects.order_by("-pk")[:SHOWN_IMPORTS],
    }
    return render(request, "overview.html", context)
