"""The overview: what is loaded, what was imported last, what went wrong, and where to go."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import pluralize
from django.urls import reverse

from config.api.pages import needs, needs_token
from config.api.pagination import MAX_EXACT_COUNT, count_few, estimate_rows
from config.api.permissions import has_access
from dropzone.choices import State
from dropzone.models import Measurement, Payload
from explorer.models import Game, TaxiZone, Trip
from footprints.models import Footprint
from imports.choices import ACTIVE, Status
from imports.datasets import datasets
from imports.models import Import
from imports.pages import ShownImport
from locations.models import Fix, MinuteAverage

SHOWN_IMPORTS = 6
SHOWN_FAULTS = 6


@dataclass(frozen=True)
class Size:
    """How many rows there are; of very many what the planner expects."""

    count: int
    is_exact: bool

    def __str__(self) -> str:
        return intcomma(self.count) if self.is_exact else f"about {intcomma(self.count)}"


@dataclass(frozen=True)
class Figure:
    """What is loaded of a kind, and where it is seen."""

    size: Size
    noun: str
    url: str
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return self.noun + pluralize(self.size.count)


@dataclass(frozen=True)
class DatasetState:
    """The imports of a dataset, and the rows that they brought and that are seen."""

    dataset: str
    imports: int
    active: int
    failed: int
    rows: int


@dataclass(frozen=True)
class Fault:
    """An import that failed, or a payload that was rejected."""

    what: str
    url: str
    code: str
    detail: str
    happened_at: datetime


@needs("read")
def show_overview(request: HttpRequest) -> HttpResponse:
    figures = list(list_figures())
    latest = Import.objects.select_related("created_by").order_by("-pk")[:SHOWN_IMPORTS]
    states = list_datasets()
    context = {
        "figures": figures,
        "is_empty": not any(figure.size.count for figure in figures) and not states,
        "datasets": states,
        "known_datasets": sorted(datasets),
        "imports": [ShownImport(record, may_change=False) for record in latest],
        "faults": list_faults(),
        "may_import": has_access(request, "import"),
        "needs_token": needs_token("ingest"),
        "site": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "overview.html", context)


def read_size(rows: QuerySet[Any]) -> Size:
    """Without reading the rows where they are many: the page must not take longer for them."""
    expected = estimate_rows(rows.order_by().values("pk"))
    if expected <= MAX_EXACT_COUNT and (count := count_few(rows)) is not None:
        return Size(count, is_exact=True)
    return Size(expected, is_exact=False)


def list_figures() -> Iterator[Figure]:
    on_map = reverse("map-page")
    fixes = read_size(Fix.objects.all())
    yield Figure(read_size(Footprint.objects.all()), "footprint", f"{on_map}?layer=footprints")
    yield Figure(
        read_size(MinuteAverage.objects.all()),
        "location",
        f"{on_map}?layer=locations",
        (f"a minute each, of {fixes} fix{pluralize(fixes.count, 'es')}",),
    )
    payloads = Payload.objects.all()
    by_state = {
        state: read_size(payloads.filter(state=state)) for state in (State.RECEIVED, State.REJECTED)
    }
    dropzone = reverse("dropzone-page")
    yield Figure(
        read_size(payloads),
        "payload",
        dropzone,
        (f"{by_state[State.RECEIVED]} waiting", f"{by_state[State.REJECTED]} rejected"),
    )
    measurements = read_size(Measurement.objects.all())
    yield Figure(measurements, "measurement", f"{dropzone}#measurements")
    yield Figure(read_size(Trip.objects.all()), "trip", reverse("trips-page"))
    yield Figure(read_size(Game.objects.all()), "game", reverse("games-page"))
    yield Figure(read_size(TaxiZone.objects.all()), "taxi zone", reverse("zone-list"))


def list_datasets() -> list[DatasetState]:
    rows = Import.objects.count_rows()
    counts = (
        Import.objects.order_by("dataset")
        .values("dataset")
        .annotate(
            imports=Count("pk"),
            active=Count("pk", filter=Q(status__in=ACTIVE)),
            failed=Count("pk", filter=Q(status=Status.FAILED)),
        )
    )
    return [DatasetState(**found, rows=rows.get(found["dataset"], 0)) for found in counts]


def list_faults() -> list[Fault]:
    """The latest of both kinds."""
    failed = Import.objects.filter(status=Status.FAILED).order_by("-ended_at")
    # By the key, which an index of the rejected has.
    rejected = Payload.objects.filter(state=State.REJECTED).order_by("-pk")
    faults = [
        *map(describe_import, failed[:SHOWN_FAULTS]),
        *map(describe_payload, rejected[:SHOWN_FAULTS]),
    ]
    return sorted(faults, key=lambda fault: fault.happened_at, reverse=True)[:SHOWN_FAULTS]


def describe_import(record: Import) -> Fault:
    return Fault(
        what=f"Import {record.pk} of {record.dataset}",
        url=reverse("import-page", args=[record.pk]),
        code=record.error_code,
        detail=record.error_detail,
        happened_at=record.ended_at or record.created_at,
    )


def describe_payload(payload: Payload) -> Fault:
    first, *others = payload.reasons
    more = f" (and {len(others)} more)" if others else ""
    return Fault(
        what=f"Payload {payload.pk}",
        url=payload.get_absolute_url(),
        code=first["code"],
        detail=first["reason"] + more,
        happened_at=payload.ended_at or payload.received_at,
    )
