"""The map: heat of footprints and of locations, and the same in words."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Max, Min, Model
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from config.api.filtersets import PAGE_PARAMETERS
from config.api.pages import ask, needs
from config.api.permissions import has_access
from config.api.timestamps import parse_timestamp, show_timestamp
from explorer.models import TaxiZone
from footprints.heatmap import list_org_ids
from footprints.models import Footprint
from footprints.pages import describe_footprint, write_area
from footprints.views import FootprintViewSet
from locations.models import MinuteAverage
from locations.pages import describe_average
from locations.views import LocationViewSet

SHOWN_ROWS = 10
# What the page's address holds beside filters of the API, and what would change the list's form.
TIMES = {"from": "gte", "to": "lt"}
METHODS = ("", "point", "grid")
ROW_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
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
    describe: Callable[[int], dict[str, Any]]  # a row that is chosen, for its template
    template: str
    noun: str


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
            describe=describe_footprint,
            template="footprints/on_map.html",
            noun="footprint",
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
            describe=describe_average,
            template="locations/on_map.html",
            noun="minute",
        ),
    )
}


@require_safe
@needs("read")
def show_map(request: HttpRequest) -> HttpResponse:
    layer = choose_layer(request)
    span = layer.model._default_manager.aggregate(first=Min(layer.time), last=Max(layer.time))
    orgs = list_org_ids(Footprint.objects.all())["org_ids"] if layer.who == "org_id" else []
    fields = fill_fields(request.GET, layer, orgs)
    context: dict[str, Any] = {
        "layer": layer,
        "layers": LAYERS.values(),
        "span": span,
        "orgs": orgs,
        "fields": fields,
        "others": list_others(request.GET, layer, fields),
        "style_url": settings.MAP_STYLE_URL,
        "has_zones": TaxiZone.objects.exists(),
        "may_import": has_access(request, "import"),
        **choose_row(request.GET.get("selected", ""), layer),
        **describe_view(request, layer),
    }
    context["notes"] = [*find_notes(request.GET, layer), *context["notes"]]
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
        return {"faults": name_faults(answer.faults, request.GET, layer)}
    features = answer.data["features"]
    return {
        "count": answer.data["count"],
        "is_estimated": answer.data["count_is"] == "estimated",
        "rows": [write_row(feature, layer, request.GET) for feature in features],
        "is_reversed": is_reversed(request.GET),
        "list_url": f"/api/v1/{layer.name}/?{query}",
        "export_url": f"/api/v1/{layer.name}/export.csv?{query}",
    }


def name_faults(faults: dict[str, str], parameters: QueryDict, layer: Layer) -> dict[str, str]:
    """By the names that the page's address has for what is at fault."""
    given = [(name, lookup) for name, lookup in TIMES.items() if find_time(parameters, name)]
    names = {f"{layer.time}__{lookup}": name for name, lookup in given}
    return {names.get(name, name): fault for name, fault in faults.items()}


def write_row(feature: dict[str, Any], layer: Layer, parameters: QueryDict) -> dict[str, Any]:
    """A feature of the API as a row of the table, which leads to the page on which it is chosen."""
    page = parameters.copy()
    page["layer"], page["selected"] = layer.name, str(feature["id"])
    properties = feature["properties"]
    values = dict(properties)
    values[layer.time] = show_timestamp(properties[layer.time])[:16]
    if "area_m2" in values:
        values["area_m2"] = write_area(values["area_m2"])
    return {
        "page": f"{reverse('map-page')}?{page.urlencode()}",
        "part": reverse(f"map-{layer.name}", args=[feature["id"]]),
        "cells": [values[name] for _, name in layer.columns],
        "is_repaired": bool(properties.get("repairs")),
    }


def read_filters(parameters: QueryDict, layer: Layer) -> QueryDict:
    """The filters of the API that the page's address means."""
    filters = QueryDict(mutable=True)
    for name, values in parameters.lists():
        if name not in OWN and any(values):
            filters.setlist(name, [value for value in values if value])
    for name, lookup in TIMES.items():
        if text := find_time(parameters, name):
            filters[f"{layer.time}__{lookup}"] = complete_time(text)
    return filters


def find_time(parameters: QueryDict, name: str) -> str:
    """The page's field comes first in its form; what it cannot hold comes behind it."""
    return next(filter(None, parameters.getlist(name)), "")


def complete_time(text: str) -> str:
    """A browser writes no second that is 0; whatever else is left to the API, where a time without
    an offset is UTC."""
    return f"{text}:00" if len(text) == len("2024-07-01T04:00") else text


def is_reversed(parameters: QueryDict) -> bool:
    """Whether no time can lie between the two that are given."""
    start, end = (read_time(find_time(parameters, name)) for name in TIMES)
    return start is not None and end is not None and start >= end


def read_time(text: str) -> datetime | None:
    """None for what the API refuses; a bare date is its midnight there, as it is here."""
    text = f"{text}T00:00:00" if len(text) == len("2024-07-01") else complete_time(text)
    try:
        return parse_timestamp(text, assume_utc=True)
    except ValueError:
        return None


def fill_fields(parameters: QueryDict, layer: Layer, orgs: list[int]) -> dict[str, list[str]]:
    """What the page's fields can hold of the address, and of each time how they write it."""
    given, known = parameters.getlist(layer.who), {str(org) for org in orgs}
    is_choice = layer.who == "org_id"
    fields = {layer.who: [one for one in given if one in known] if is_choice else given[:1]}
    for name in TIMES:
        time = read_time(find_time(parameters, name))
        is_whole = time is not None and not time.microsecond
        fields[name] = [f"{time:%Y-%m-%dT%H:%M:%S}"] if time and is_whole else []
    return fields


def list_others(
    parameters: QueryDict, layer: Layer, fields: dict[str, list[str]]
) -> list[tuple[str, str]]:
    """Filters that no field of the page can hold, such as faulty ones: it keeps them all the same,
    or it would show what nobody asked for."""
    others = [
        (name, value)
        for name, values in parameters.lists()
        for value in values
        if name not in OWN | {"in_bbox"} and value not in ["", *fields.get(name, [])]
    ]
    times = [(name, find_time(parameters, name)) for name in TIMES if not fields[name]]
    return others + [(name, value) for name, value in times if value]


def choose_row(text: str, layer: Layer) -> dict[str, Any]:
    """The row that the address chooses, or a note that it is not there."""
    if not text:
        return {"notes": []}
    try:
        if ROW_NUMBER.fullmatch(text) is None:
            raise Http404(f"There is no {layer.noun} “{text[:40]}” here.")
        return {"notes": [], "row_template": layer.template, **layer.describe(int(text))}
    except Http404 as error:
        return {"notes": [("selected", str(error))]}


def find_notes(parameters: QueryDict, layer: Layer) -> list[tuple[str, str]]:
    """What the address says of the page's own settings that the page cannot do, and of which."""
    notes = []
    if (name := parameters.get("layer", layer.name)) not in {"", *LAYERS}:
        known = " or ".join(LAYERS)
        notes.append(("layer", f"There is no layer “{name[:40]}”, but {known}."))
    if (method := parameters.get("method", "")) not in METHODS:
        notes.append(("method", f"There is no method “{method[:40]}”, but point or grid."))
    if (cell := parameters.get("cell", "")) and not is_length(cell):
        notes.append(("cell", f"“{cell[:40]}” is no length of a cell's side in metres."))
    return notes


def is_length(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False
