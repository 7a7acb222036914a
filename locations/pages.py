"""An average of locations as a part of the map's page."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from config.api.pages import PageRequest, needs
from locations.models import MinuteAverage


@require_safe
@needs("read")
def show_location(request: PageRequest, pk: int) -> HttpResponse:
    """By itself it leads to the map on which it is chosen."""
    if not request.htmx:
        return redirect(f"{reverse('map-page')}?layer=locations&selected={pk}")
    average = get_object_or_404(MinuteAverage, pk=pk)
    extent = ",".join(map(repr, average.point.extent))
    return render(request, "locations/on_map.html", {"average": average, "extent": extent})
