"""The pages of imports: to start them, to watch them, to end them, and to see what was refused."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Min, QuerySet
from django.db.models.functions import Left
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django_htmx.http import trigger_client_event

from config.api.errors import TooManyImports
from config.api.pages import PageRequest, needs
from config.api.permissions import find_person, has_access
from imports.choices import ACTIVE, ENDED, RESUMABLE, Status
from imports.completeness import check_import
from imports.datasets import datasets
from imports.engine.records import ImportFailure
from imports.engine.uploads import SCHEME
from imports.jobs import (
    NoPlace,
    RowsInUse,
    cancel_import,
    delete_import,
    kick_import,
    resume_import,
)
from imports.models import Import, Reject
from imports.permissions import NOT_YOURS, may_change
from imports.serializers import NewImportSerializer

PAGE_SIZE = 25
SHOWN_REJECTS = 50
SHOWN_GROUPS = 50
SHOWN_CHARACTERS = 200  # of a record's text, which may have 64 KiB
# Where more were refused, the first of them are grouped.
MAX_GROUPED = 100_000
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
NO_PLACE = TooManyImports.default_detail
TONES = {Status.FINISHED: "good", Status.FAILED: "bad"} | dict.fromkeys(ACTIVE, "busy")


@dataclass(frozen=True)
class ShownImport:
    """An import as people read it, and what its visitor may do with it."""

    record: Import
    may_change: bool

    @property
    def tone(self) -> str:
        return TONES.get(Status(self.record.status), "")

    @property
    def is_active(self) -> bool:
        return self.record.status in ACTIVE

    @property
    def can_cancel(self) -> bool:
        return self.may_change and self.is_active and self.record.status != Status.CANCELLING

    @property
    def can_resume(self) -> bool:
        return self.may_change and self.record.status in RESUMABLE

    @property
    def can_delete(self) -> bool:
        return self.may_change and self.record.status in ENDED

    @property
    def source(self) -> str:
        """Where it comes from: a file that was sent here has no address, but a name."""
        url = self.record.url
        return url.partition("/")[2] if url.startswith(SCHEME) else url

    @property
    def is_upload(self) -> bool:
        return self.record.url.startswith(SCHEME)

    @property
    def left(self) -> str:
        """How long it will still take, where that can be told."""
        seconds = self.record.eta_seconds
        return "" if not self.is_active or seconds is None else write_seconds(seconds)

    @property
    def took(self) -> str:
        record = self.record
        if record.started_at is None:
            return ""
        end = record.ended_at or timezone.now()
        return write_seconds((end - record.started_at).total_seconds())


def write_seconds(seconds: float) -> str:
    """With its two largest units: `2 min 5 s`, or `0.4 s`."""
    if 0 <= seconds < 10:
        return f"{seconds:.1f} s"
    left = max(0, round(seconds))
    parts: list[str] = []
    for unit, size in UNITS:
        count, left = divmod(left, size)
        if count or parts or unit == "s":
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


@needs("read", post="import")
def show_imports(request: PageRequest) -> HttpResponseBase:
    """All imports, the newest first; a form that starts another for who may."""
    if request.method == "POST":
        return take_import(request)
    return render_imports(request, {}, {})


def render_imports(
    request: PageRequest, values: dict[str, Any], faults: dict[str, str]
) -> HttpResponse:
    may_import = has_access(request, "import")
    found, unknown = filter_imports(request)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "may_import": may_import,
        "datasets": sorted(datasets),
        "statuses": Status.values,
        "values": values,
        "faults": faults,
        "unknown": unknown,
        "page": page,
        "imports": [ShownImport(record, may_change(request, record)) for record in page],
        "every": 1 if Import.objects.filter(status__in=ACTIVE).exists() else 10,
    }
    template = "imports/list.html" if request.htmx else "imports/imports.html"
    return render(request, template, context)


def filter_imports(request: HttpRequest) -> tuple[QuerySet[Import], str]:
    """What the address asks for, and what of it there is not."""
    found = Import.objects.select_related("created_by").order_by("-pk")
    for name, known in (("dataset", datasets), ("status", Status.values)):
        value = request.GET.get(name)
        if value and value not in known:
            return found.none(), f"There is no {name} “{value}”."
        if value:
            found = found.filter(**{name: value})
    return found, ""


def take_import(request: PageRequest) -> HttpResponse:
    """Starts an import and shows it, or tells which field is wrong."""
    values: dict[str, Any] = {name: text for name, text in request.POST.items() if text}
    new = NewImportSerializer(data=values | request.FILES.dict())
    if not new.is_valid():
        faults = {name: " ".join(map(str, errors)) for name, errors in new.errors.items()}
        return render_imports(request, values, faults)
    try:
        record = new.save(created_by=find_person(request))
    except NoPlace:
        response = render_imports(request, values, {"non_field_errors": NO_PLACE})
        response.status_code = TooManyImports.status_code
        response.headers["Retry-After"] = str(TooManyImports.wait)
        return response
    kick_import(record.pk)
    return redirect("import-page", record.pk)


@needs("read")
def show_import(request: PageRequest, import_id: int) -> HttpResponse:
    """One import: its figures and what it refused, each of them anew for whoever watches."""
    record = find_import(import_id)
    shown = ShownImport(record, may_change(request, record))
    context: dict[str, Any] = {"import": shown, "record": record}
    if request.htmx.target != "import-rejects":
        context["checks"] = check_import(record)
    if request.htmx.target != "import-figures":
        context |= {"rejects": list_rejects(record), "groups": group_rejects(record)}
        context["max_grouped"] = MAX_GROUPED
    parts = {"import-figures": "imports/figures.html", "import-rejects": "imports/rejects.html"}
    template = parts.get(request.htmx.target or "", "imports/import.html")
    response = render(request, template, context)
    if request.htmx.target == "import-figures" and not shown.is_active:
        trigger_client_event(response, "import-ended", after="swap")
    return response


def list_rejects(record: Import) -> QuerySet[Reject]:
    """The first of them; of their texts the beginning."""
    rejects = Reject.objects.filter(import_record=record).defer("raw")
    return rejects.annotate(start=Left("raw", SHOWN_CHARACTERS)).order_by("byte_offset")[
        :SHOWN_REJECTS
    ]


def group_rejects(record: Import) -> Iterable[Any]:
    """How many there are of each code in each column, the most frequent first."""
    rejects = Reject.objects.filter(import_record=record)
    if record.rows_rejected > MAX_GROUPED:
        first = rejects.order_by("byte_offset").values("pk")[:MAX_GROUPED]
        rejects = Reject.objects.filter(pk__in=first)
    groups = rejects.values("code", "column").annotate(count=Count("pk"), line=Min("line"))
    return groups.order_by("-count", "code", "column")[:SHOWN_GROUPS]


@needs(post="import")
def take_cancel(request: PageRequest, import_id: int) -> HttpResponse:
    record = find_own(request, import_id)
    try:
        is_cancelled = cancel_import(record.pk)
    except RowsInUse:
        return tell(request, record, "its row is in use: try again later", is_done=False)
    if not is_cancelled:
        return tell(request, record, "it has ended, or is being cancelled", is_done=False)
    return tell(request, record, "cancelled: none of its rows will be seen")


@needs(post="import")
def take_resume(request: PageRequest, import_id: int) -> HttpResponse:
    record = find_own(request, import_id)
    try:
        is_resumed = resume_import(record.pk)
    except NoPlace:
        return tell(request, record, "as many as may be are active", is_done=False)
    if not is_resumed:
        reason = "only what failed or was cancelled can be resumed"
        return tell(request, record, reason, is_done=False)
    kick_import(record.pk)
    return tell(request, record, "queued again")


@needs(post="import")
def take_delete(request: PageRequest, import_id: int) -> HttpResponse:
    record = find_own(request, import_id)
    try:
        is_deleted = delete_import(record.pk)
    except RowsInUse:
        return tell(request, record, "its rows are in use: try again later", is_done=False)
    except ImportFailure as failure:
        return tell(request, record, failure.detail, is_done=False)
    if not is_deleted:
        return tell(request, record, "it is active: cancel it first", is_done=False)
    messages.success(request, f"Import {import_id} is deleted, with its rows.")
    return redirect("imports-page")


def find_import(import_id: int) -> Import:
    try:
        return Import.objects.select_related("created_by").get(pk=import_id)
    except Import.DoesNotExist as error:
        raise Http404(f"There is no import {import_id}: it was deleted.") from error


def find_own(request: PageRequest, import_id: int) -> Import:
    """One that the visitor may change. Raises Http404 or PermissionDenied."""
    record = find_import(import_id)
    if not may_change(request, record):
        raise PermissionDenied(NOT_YOURS)
    return record


def tell(request: PageRequest, record: Import, text: str, *, is_done: bool = True) -> HttpResponse:
    """What became of an action: in a line of the page, which then looks anew, or on the next."""
    message = f"Import {record.pk}: {text}."
    if not request.htmx:
        messages.add_message(request, messages.SUCCESS if is_done else messages.ERROR, message)
        return redirect("import-page", record.pk)
    response = render(request, "imports/message.html", {"text": message, "is_done": is_done})
    return trigger_client_event(response, "imports-changed", after="swap")
