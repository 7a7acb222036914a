"""An average of locations as a part of the map's page."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
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
    return render(request, "locations/on_map.html", describe_average(pk))


def describe_average(pk: int) -> dict[str, Any]:
    """What its template shows. Raises Http404."""
    average = MinuteAverage.objects.filter(pk=pk).first()
    if average is None:
        raise Http404(f"There is no minute {pk} here.")
    return {"average": average, "extent": ",".join(map(repr, average.point.extent))}
