"""The pages of the dropzone: what came in, what became of it, and what stands."""

from codecs import getincrementaldecoder
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

from django.http import Http404, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django_htmx.http import trigger_client_event

from config.api.pages import Answer, PageRequest, ask, find_cursor, needs, needs_token
from config.api.pagination import count_rows
from config.api.permissions import has_access
from config.api.timestamps import parse_timestamp, show_timestamp, write_timestamp
from dropzone.choices import State
from dropzone.jobs import kicker
from dropzone.models import Lineage, Measurement, Payload
from dropzone.raw import RawUnreachable, read_one
from dropzone.replaying import RawGone, list_lineage, retry, verify
from dropzone.summarising import PayloadRefused, unpack
from dropzone.views import (
    NOTHING_TO_RETRY,
    DropzoneView,
    MeasurementViewSet,
    PayloadViewSet,
    RawIsGone,
    RawIsUnreachable,
)

SHOWN_BYTES = 4096
SHOWN_PAYLOADS = 10
SHOWN_MEASUREMENTS = 10
DRAWN_MEASUREMENTS = 1_000
# Of the measurements; all other parameters are those of the list of payloads.
RANGE = {"from": "timestamp__gte", "until": "timestamp__lte"}
MEASUREMENT_CURSOR = "page"
# What a control character would do to a page, or hide of the bytes.
VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}

take = DropzoneView.as_view()
list_payloads = PayloadViewSet.as_view({"get": "list"})
list_measurements = MeasurementViewSet.as_view({"get": "list"})


@wraps(take)  # whose description is the API's, and who looks himself whether it was sent by a page
def open_dropzone(request: PageRequest) -> HttpResponseBase:
    """One address for who looks and for who sends: a page, and the door."""
    if request.method not in {"GET", "HEAD"}:
        return take(request)
    if not request.path_info.endswith("/"):
        return redirect("dropzone-page")
    return show_dropzone(request)


@needs("read")
def show_dropzone(request: PageRequest) -> HttpResponse:
    """The page, or the part of it that is asked for."""
    match request.htmx.target:
        case "payloads":
            response = render(request, "dropzone/_payloads.html", find_payloads(request))
            if request.htmx.trigger == "payload-news":  # of those that waited
                trigger_client_event(response, "measured")
            return response
        case "measurement-rows":
            return render(request, "dropzone/_measurement_rows.html", find_measurements(request))
        case "measurements":
            return render(request, "dropzone/_measurements.html", find_measurements(request))
    context = {
        **find_payloads(request),
        **find_measurements(request),
        "door": request.build_absolute_uri(reverse("dropzone")),
        "may_send": has_access(request, "ingest"),
        "needs_token": needs_token("ingest"),
    }
    return render(request, "dropzone/dropzone.html", context)


vars(open_dropzone)["accesses"] = vars(show_dropzone)["accesses"]


def find_payloads(request: PageRequest) -> dict[str, Any]:
    parameters = request.GET.copy()
    for name in (*RANGE, MEASUREMENT_CURSOR):
        parameters.pop(name, None)
    chosen = [Chosen(name, str(value), parameters) for name, value in parameters.items() if value]
    parameters = parameters.copy()
    parameters.setlistdefault("page_size", [str(SHOWN_PAYLOADS)])
    answer = ask(list_payloads, request, parameters)
    states = count_states()
    return {
        "states": states,
        "is_waiting": any(state.name == State.RECEIVED and state.count for state in states),
        "payloads": read_page(answer),
        "payload_faults": answer.faults,
        "chosen": [one for one in chosen if one.name != "cursor"],
        "chosen_state": request.GET.get("state", ""),
    }


@dataclass(frozen=True)
class Chosen:
    """A filter of payloads, among all that are set."""

    name: str
    value: str
    parameters: QueryDict

    @property
    def rest(self) -> str:
        """The address's query without it."""
        rest = self.parameters.copy()
        for name in (self.name, "cursor"):
            rest.pop(name, None)
        return f"?{rest.urlencode()}"


@dataclass(frozen=True)
class StateCount:
    name: str
    count: int
    is_exact: bool


def count_states() -> list[StateCount]:
    """Of very many it is the planner's estimate."""
    counts = [(state, count_rows(Payload.objects.filter(state=state), "")) for state in State]
    return [StateCount(state, count or 0, how == "exact") for state, (count, how) in counts]


def find_measurements(request: PageRequest) -> dict[str, Any]:
    chosen = {name: request.GET.get(name, "") for name in RANGE}
    parameters = QueryDict(mutable=True)
    for name, value in chosen.items():
        if value:
            parameters[RANGE[name]] = value
    matching = parameters.urlencode()
    parameters["ordering"] = "-timestamp"
    drawn = parameters.copy()
    drawn.update({"page_size": str(DRAWN_MEASUREMENTS), "count": "none"})
    parameters["page_size"] = str(SHOWN_MEASUREMENTS)
    if cursor := request.GET.get(MEASUREMENT_CURSOR):
        parameters["cursor"] = cursor
    answer = ask(list_measurements, request, parameters)
    return {
        "range": chosen,
        "measurements": read_page(answer),
        "measurement_faults": answer.faults,
        "drawn_count": DRAWN_MEASUREMENTS,
        "export": f"?{matching}",
        "source": f"{reverse('measurement-list')}?{drawn.urlencode()}",
    }


def read_page(answer: Answer) -> dict[str, Any]:
    """A page of a list, with cursors in the place of links, and times in that of their texts."""
    if not answer.is_good:
        return {"rows": [], "count": 0}
    page = {name: find_cursor(answer.data[name]) for name in ("next", "previous")}
    names = {"received_at", "timestamp"}
    rows = [
        row | {f"{name}_text": show_timestamp(row[name]) for name in names & {*row} if row[name]}
        for row in answer.data["results"]
    ]
    return {**answer.data, **page, "rows": rows}


def show_instant(instant: datetime) -> str:
    return show_timestamp(write_timestamp(instant))


@needs("read")
def show_payload(request: PageRequest, pk: str) -> HttpResponse:
    payload = get_object_or_404(Payload, pk=pk)
    return render_payload(request, payload)


@needs(post="replay")
def retry_payload(request: PageRequest, pk: str) -> HttpResponseBase:
    payload = get_object_or_404(Payload, pk=pk)
    try:
        fault = "" if retry(payload) else NOTHING_TO_RETRY
    except RawGone:
        fault = RawIsGone.default_detail
    except RawUnreachable:
        fault = RawIsUnreachable.default_detail
    if fault:
        return render_payload(request, payload, fault)
    kicker.kick()
    return redirect(payload)


def render_payload(request: PageRequest, payload: Payload, fault: str = "") -> HttpResponse:
    produced = measurement = None
    if payload.timestamp is not None:
        rows = Lineage.objects.filter(timestamp=payload.timestamp, payload_id=payload.pk)
        produced = rows.first()
        measurement = Measurement.objects.filter(timestamp=payload.timestamp).first()
    raw = read_beginning(payload)
    waits = payload.state == State.RECEIVED and payload.attempts > 0
    may_retry = payload.state == State.REJECTED or waits
    context = {
        "payload": payload,
        "sha256": bytes(payload.sha256).hex(),
        "produced": produced,
        "instant": payload.timestamp and show_instant(payload.timestamp),
        "measurement": measurement,
        "raw": raw,
        "shown_bytes": SHOWN_BYTES,
        "may_retry": may_retry and not raw.is_gone and has_access(request, "replay"),
        "fault": fault,
    }
    part = "_payload" if request.htmx else "payload"
    status = 409 if fault else 200
    return render(request, f"dropzone/{part}.html", context, status=status)


@dataclass(frozen=True)
class Beginning:
    """The first bytes of a payload as text, or why there are none."""

    text: str = ""
    size: int = 0
    is_unpacked: bool = False
    fault: str = ""
    is_gone: bool = False

    @property
    def is_whole(self) -> bool:
        return self.size <= SHOWN_BYTES


def read_beginning(payload: Payload) -> Beginning:
    """Of what is packed and cannot be unpacked, its bytes as they are."""
    try:
        body = read_one(payload)
    except RawUnreachable:
        return Beginning(fault=RawIsUnreachable.default_detail)
    if body is None:
        return Beginning(fault=RawIsGone.default_detail, is_gone=True)
    try:
        content = unpack(body, payload.content_encoding)
    except PayloadRefused:
        content = body
    # Where it is cut within a character, that is left out.
    decoder = getincrementaldecoder("utf-8")("backslashreplace")
    text = decoder.decode(content[:SHOWN_BYTES], final=len(content) <= SHOWN_BYTES)
    return Beginning(text.translate(VISIBLE), len(content), is_unpacked=content is not body)


@needs("read")
def show_measurement(request: PageRequest, timestamp: str) -> HttpResponse:
    return render_measurement(request, find_measurement(timestamp))


@needs(post="read")
def verify_measurement(request: PageRequest, timestamp: str) -> HttpResponse:
    measurement = find_measurement(timestamp)
    try:
        found = verify(measurement)
        context: dict[str, Any] = {
            "verification": found,
            "verified_sha256": bytes(found.payload.sha256).hex(),
        }
    except RawGone:
        context = {"verify_fault": RawIsGone.default_detail}
    except RawUnreachable:
        context = {"verify_fault": RawIsUnreachable.default_detail}
    if request.htmx:
        return render(request, "dropzone/_verified.html", context)
    return render_measurement(request, measurement, context)


def find_measurement(timestamp: str) -> Measurement:
    """By any way to write its instant."""
    try:
        instant = parse_timestamp(timestamp, assume_utc=True)
    except ValueError as error:
        raise Http404(str(error)) from error
    return get_object_or_404(Measurement, timestamp=instant)


def render_measurement(
    request: PageRequest, measurement: Measurement, more: dict[str, Any] | None = None
) -> HttpResponse:
    context = {
        "measurement": measurement,
        "address": write_timestamp(measurement.timestamp),
        "instant": show_instant(measurement.timestamp),
        "lineage": list_lineage(measurement),
        "lineage_count": Lineage.objects.filter(timestamp=measurement.timestamp).count(),
        **(more or {}),
    }
    return render(request, "dropzone/measurement.html", context)
