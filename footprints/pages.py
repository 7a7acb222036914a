"""A footprint as a part of the map's page."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
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
    footprints = Footprint.objects.select_related("import_record").defer("original", "geometry")
    footprint = get_object_or_404(footprints, pk=pk)
    context = {
        "footprint": footprint,
        "extent": ",".join(map(repr, footprint.simplified.extent)),
        "area": write_area(footprint.area_m2),
        "area_percent": None if footprint.area_change is None else footprint.area_change * 100,
    }
    return render(request, "footprints/on_map.html", context)
