"""A footprint as a part of the map's page."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from config.api.pages import PageRequest, needs
from footprints.models import Footprint

SQUARE_KILOMETRE = 1_000_000


def write_area(area_m2: float) -> str:
    """To four digits, so that a house is told from a block."""
    if area_m2 < SQUARE_KILOMETRE / 10:
        return f"{area_m2:,.0f} m²"
    area_km2 = float(area_m2) / SQUARE_KILOMETRE
    return f"{area_km2:,.0f} km²" if area_km2 >= 1_000 else f"{area_km2:.4g} km²"


@require_safe
@needs("read")
def show_footprint(request: PageRequest, pk: int) -> HttpResponse:
    """By itself it leads to the map on which it is chosen."""
    if not request.htmx:
        return redirect(f"{reverse('map-page')}?layer=footprints&selected={pk}")
    return render(request, "footprints/on_map.html", describe_footprint(pk))


def describe_footprint(pk: int) -> dict[str, Any]:
    """What its template shows. Raises Http404."""
    footprints = Footprint.objects.select_related("import_record").defer("original", "geometry")
    footprint = footprints.filter(pk=pk).first()
    if footprint is None:
        raise Http404(f"There is no footprint {pk} here.")
    return {
        "footprint": footprint,
        "extent": ",".join(map(repr, footprint.simplified.extent)),
        "area": write_area(footprint.area_m2),
        "area_percent": None if footprint.area_change is None else footprint.area_change * 100,
    }
