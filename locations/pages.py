"""An average of locations as a part of the map's page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from config.api.pages import needs
from locations.models import MinuteAverage


@needs("read")
def show_location(request: HttpRequest, pk: int) -> HttpResponse:
    """By itself it leads to the map on which it is chosen."""
    if not getattr(request, "htmx", False):
        return redirect(f"{reverse('map-page')}?layer=locations&selected={pk}")
    average = get_object_or_404(MinuteAverage, pk=pk)
    extent = ",".join(map(repr, average.point.extent))
    return render(request, "locations/on_map.html", {"average": average, "extent": extent})
