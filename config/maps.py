"""The map: heat of footprints and of locations, and the same in words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Max, Min, Model
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from config.api.filtersets import PAGE_PARAMETERS
from config.api.pages import ask, needs
from config.api.permissions import has_access
from config.api.timestamps import show_timestamp
from explorer.models import TaxiZone
from footprints.heatmap import list_org_ids
from footprints.models import Footprint
from footprints.pages import write_area
from footprints.views import FootprintViewSet
from locations.models import MinuteAverage
from locations.views import LocationViewSet

SHOWN_ROWS = 10
# What the page's address holds beside filters of the API, and what would change the list's form.
OWN = PAGE_PARAMETERS | {"format", "layer", "method", "cell", "from", "to", "selected", "zones"}


@dataclass(frozen=True)
class Layer:
    """A kind of heat: its rows, the list of the API that tells of them, and the API's names."""

    name: str
    title: str
    model: type[Model]
    show_list: Callable[..., HttpResponseBase]
    time: str
    who: str
    ordering: str  # by an index, or every move of the map would sort all rows
    columns: tuple[tuple[str, str], ...]  # their headings, and what they show of a row


LAYERS = {
    layer.name: layer
    for layer in (
        Layer(
            name="footprints",
            title="Footprints",
            model=Footprint,
            show_list=FootprintViewSet.as_view({"get": "list"}),
            time="source_event_timestamp",
            who="org_id",
            ordering="-source_event_timestamp",
            columns=(
                ("Time (UTC)", "source_event_timestamp"),
                ("Organisation", "org_id"),
                ("Area", "area_m2"),
            ),
        ),
        Layer(
            name="locations",
            title="Locations",
            model=MinuteAverage,
            show_list=LocationViewSet.as_view({"get": "list"}),
            time="minute",
            who="user_id",
            ordering="-id",
            columns=(("Minute (UTC)", "minute"), ("User", "user_id"), ("Fixes", "count")),
        ),
    )
}


@require_safe
@needs("read")
def show_map(request: HttpRequest) -> HttpResponse:
    layer = choose_layer(request)
    span = layer.model._default_manager.aggregate(first=Min(layer.time), last=Max(layer.time))
    orgs = list_org_ids(Footprint.objects.all())["org_ids"] if layer.who == "org_id" else []
    context = {
        "layer": layer,
        "layers": LAYERS.values(),
        "span": span,
        "orgs": orgs,
        "chosen": request.GET.getlist(layer.who),
        "others": list_others(request.GET, layer),
        "style_url": settings.MAP_STYLE_URL,
        "has_zones": TaxiZone.objects.exists(),
        "may_import": has_access(request, "import"),
        **describe_view(request, layer),
    }
    return render(request, "map/map.html", context)


@require_safe
@needs("read")
def show_view(request: HttpRequest) -> HttpResponse:
    """What lies in the part of the map that is looked at, in words; a part of the page."""
    layer = choose_layer(request)
    return render(request, "map/view.html", {"layer": layer, **describe_view(request, layer)})


def choose_layer(request: HttpRequest) -> Layer:
    return LAYERS.get(request.GET.get("layer", ""), LAYERS["footprints"])


def describe_view(request: HttpRequest, layer: Layer) -> dict[str, Any]:
    filters = read_filters(request.GET, layer)
    parameters = filters.copy()
    parameters["ordering"] = layer.ordering
    parameters["page_size"] = str(SHOWN_ROWS)
    answer = ask(layer.show_list, request, parameters)
    query = filters.urlencode()
    if not answer.is_good:
        return {"faults": answer.faults}
    features = answer.data["features"]
    return {
        "count": answer.data["count"],
        "is_estimated": answer.data["count_is"] == "estimated",
        "rows": [write_row(feature, layer) for feature in features],
        "list_url": f"/api/v1/{layer.name}/?{query}",
        "export_url": f"/api/v1/{layer.name}/export.csv?{query}",
    }


def write_row(feature: dict[str, Any], layer: Layer) -> dict[str, Any]:
    """A feature of the API as a row of the table."""
    properties = feature["properties"]
    values = dict(properties)
    values[layer.time] = show_timestamp(properties[layer.time])[:16]
    if "area_m2" in values:
        values["area_m2"] = write_area(values["area_m2"])
    return {
        "url": reverse(f"map-{layer.name}", args=[feature["id"]]),
        "cells": [values[name] for _, name in layer.columns],
        "is_repaired": bool(properties.get("repairs")),
    }


def read_filters(parameters: QueryDict, layer: Layer) -> QueryDict:
    """The filters of the API that the page's address means."""
    filters = QueryDict(mutable=True)
    for name, values in parameters.lists():
        if name not in OWN and any(values):
            filters.setlist(name, [value for value in values if value])
    for name, lookup in (("from", "gte"), ("to", "lt")):
        if text := parameters.get(name):
            filters[f"{layer.time}__{lookup}"] = complete_time(text)
    return filters


def complete_time(text: str) -> str:
    """A browser writes no second that is 0; whatever else is left to the API, where a time without
    an offset is UTC."""
    return f"{text}:00" if len(text) == len("2024-07-01T04:00") else text


def list_others(parameters: QueryDict, layer: Layer) -> list[tuple[str, str]]:
    """Filters that the page has no field for, and keeps."""
    known = OWN | {layer.who, "in_bbox"}
    return [
        (name, value)
        for name, values in parameters.lists()
        for value in values
        if name not in known and value
    ]
