"""The dropzone: its door, and what became of what came in."""

import json
import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    JsonResponse,
    QueryDict,
    RawPostDataException,
)
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from config.api.errors import Conflict, show_name, show_text
from config.api.exports import ExportView, FixedNegotiation
from config.api.parsers import BoundedJSONParser, OpaqueParser
from config.api.schema import ErrorSerializer
from config.api.timestamps import parse_timestamp
from dropzone.choices import State
from dropzone.filtersets import MeasurementFilterSet, PayloadFilterSet
from dropzone.jobs import kicker
from dropzone.models import (
    MAX_ENCODING_CHARACTERS,
    MAX_KEY_CHARACTERS,
    MAX_TYPE_CHARACTERS,
    Lineage,
    Measurement,
    Payload,
)
from dropzone.raw import RawUnreachable, read_one
from dropzone.receiving import Envelope, KeyReused, Receipt, receive_payload
from dropzone.replaying import RawGone, count_passing, list_lineage, replay, retry, verify
from dropzone.serializers import (
    LineageListSerializer,
    MeasurementSerializer,
    PayloadDetailSerializer,
    PayloadSerializer,
    ReceiptSerializer,
    ReplayedSerializer,
    ReplaySerializer,
    VerificationSerializer,
)
from dropzone.summarising import PayloadRefused, Reason, is_json, unpack

logger = logging.getLogger(__name__)

NOTHING_TO_RETRY = "It is processed already, or is about to be."
KEY = OpenApiParameter(
    "Idempotency-Key",
    location=OpenApiParameter.HEADER,
    description="the same key with the same body is the same payload",
)


class DropzoneView(APIView):
    """The door for payloads: what comes in is kept as it is, before anything is known of it."""

    access = "ingest"
    parser_classes = (OpaqueParser,)

    @extend_schema(
        operation_id="dropzone",
        parameters=[KEY],
        request={"*/*": OpenApiTypes.BINARY},
        responses={202: ReceiptSerializer, **dict.fromkeys((409, 411, 413, 500), ErrorSerializer)},
    )
    def post(self, request: Request) -> HttpResponse:
        return take_payload(request._request, str(request.user.get_username() or ""))


def take_payload(request: HttpRequest, user_name: str = "") -> HttpResponse:
    """202 once the bytes are committed; 400 with the id where they are no JSON, 409 for a key that
    came with other bytes, 413 beyond DROPZONE_MAX_BYTES, 500 where they cannot be stored."""
    try:
        body = request.body
        if len(body) != int(request.META.get("CONTENT_LENGTH") or 0):
            return answer_error(400, "incomplete", "it ended before its Content-Length")
        if len(body) > settings.DROPZONE_MAX_BYTES:
            return answer_error(413, "too_large", TOO_LARGE)
        envelope = read_envelope(request, user_name)
        receipt = receive_payload(body, envelope)
    except RequestDataTooBig:
        return answer_error(413, "too_large", TOO_LARGE)
    except RawPostDataException:
        return answer_error(400, "read_as_form", "send it under another Content-Type")
    except BadKey as error:
        return answer_error(400, "invalid", str(error), attr="Idempotency-Key")
    except KeyReused:
        detail = "this key came with other bytes before"
        return answer_error(409, "key_reused", detail, attr="Idempotency-Key")
    except Exception:
        logger.exception("A payload could not be stored.")
        return answer_error(500, "error", "it could not be stored")
    kicker.kick()
    return answer_receipt(request, receipt, find_fault(body, envelope.content_encoding))


TOO_LARGE = f"more than {settings.DROPZONE_MAX_BYTES:,} bytes"


class BadKey(Exception):
    """An idempotency key that cannot be one."""


def read_envelope(request: HttpRequest, user_name: str) -> Envelope:
    """Raises BadKey."""
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > MAX_KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        raise BadKey(f"up to {MAX_KEY_CHARACTERS} printable characters of ASCII")
    return Envelope(
        content_type=read_header(request, "Content-Type", MAX_TYPE_CHARACTERS),
        content_encoding=read_header(request, "Content-Encoding", MAX_ENCODING_CHARACTERS),
        sender=user_name or str(request.META.get("REMOTE_ADDR", "")),
        key=key,
    )


def read_header(request: HttpRequest, name: str, most: int) -> str:
    """As much of it as is kept."""
    return show_text(request.headers.get(name, ""))[:most]


def find_fault(body: bytes, content_encoding: str) -> Reason | None:
    """Of the syntax alone: all else is looked at when the payload is processed."""
    try:
        content = unpack(body, content_encoding)
    except PayloadRefused as refusal:
        return refusal.reasons[0]
    return None if is_json(content) else Reason("not_json", "it is not JSON in UTF-8")


def answer_receipt(request: HttpRequest, receipt: Receipt, fault: Reason | None) -> JsonResponse:
    path = reverse("payload-detail", args=[receipt.payload_id])
    answer: dict[str, Any] = {
        "id": receipt.payload_id,
        "sha256": receipt.sha256,
        "status_url": request.build_absolute_uri(path),
    }
    if fault is None:
        return JsonResponse(answer, status=202)
    return JsonResponse(answer | describe(fault.code, fault.reason), status=400)


def answer_error(code: int, name: str, detail: str, attr: str | None = None) -> JsonResponse:
    kind = "server_error" if code >= 500 else "client_error"
    return JsonResponse(describe(name, detail, attr, kind), status=code)


def describe(
    code: str, detail: str, attr: str | None = None, kind: str = "client_error"
) -> dict[str, Any]:
    return {"type": kind, "errors": [{"code": code, "detail": show_text(detail), "attr": attr}]}


class RawIsGone(APIException):
    status_code = status.HTTP_410_GONE
    default_detail = "Its bytes are not kept any more."
    default_code = "raw_gone"


class RawIsUnreachable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Its bytes cannot be had now."
    default_code = "raw_unreachable"


class RawMixin(APIView):
    """What reads bytes, which may be in a bucket that does not answer."""

    def handle_exception(self, exc: Exception) -> Response:
        known = RawIsUnreachable() if isinstance(exc, RawUnreachable) else exc
        return super().handle_exception(known)


class PayloadViewSet(RawMixin, ReadOnlyModelViewSet[Payload]):
    """What was received, what became of it, and why."""

    queryset = Payload.objects.all()
    filterset_class = PayloadFilterSet
    ordering = "-id"
    lookup_value_regex = "[0-9]+"
    ordering_fields = ("id", "received_at", "size_bytes", "state", "ended_at", "timestamp")

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        if self.action == "replay":
            return ReplaySerializer
        return PayloadDetailSerializer if self.action == "retrieve" else PayloadSerializer

    @property
    def access(self) -> str:
        return "read" if self.request.method in SAFE_METHODS else "replay"

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, content_negotiation_class=FixedNegotiation)
    def raw(self, request: Request, pk: str) -> HttpResponse:
        """The very bytes that were received."""
        payload = self.get_object()
        body = read_one(payload)
        if body is None:
            raise RawIsGone
        # Never as what the sender called it: a browser would run a page.
        response = HttpResponse(body, content_type="application/octet-stream")
        response.headers["Content-Disposition"] = f'attachment; filename="payload-{payload.pk}"'
        response.headers["X-Sha256"] = bytes(payload.sha256).hex()
        return response

    @extend_schema(
        request=None,
        responses={202: PayloadSerializer, 409: ErrorSerializer, 410: ErrorSerializer},
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Lets a payload that was rejected, or waits for another attempt, be processed now."""
        payload = self.get_object()
        try:
            if not retry(payload):
                raise Conflict(NOTHING_TO_RETRY)
        except RawGone as error:
            raise RawIsGone from error
        kicker.kick()
        payload.refresh_from_db()
        return Response(self.get_serializer(payload).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        request=ReplaySerializer, responses={200: ReplayedSerializer, 202: ReplayedSerializer}
    )
    @action(
        detail=False,
        methods=["post"],
        pagination_class=None,
        filterset_class=None,
        parser_classes=(BoundedJSONParser,),
    )
    def replay(self, request: Request) -> Response:
        """Lets all rejected payloads that match be processed anew; with `dry_run` tells how many of
        them would pass now, of as many as can be examined in some seconds."""
        order = ReplaySerializer(data=request.data)
        order.is_valid(raise_exception=True)
        payloads = filter_payloads(order.validated_data["filter"])
        rejected = payloads.filter(state=State.REJECTED)
        answer = {"matching": rejected.count()}
        if order.validated_data["dry_run"]:
            examined, passing = count_passing(rejected)
            return Response(answer | {"examined": examined, "would_pass": passing})
        answer["replayed"] = replay(rejected, order.validated_data["filter"])
        kicker.kick()
        return Response(answer, status=status.HTTP_202_ACCEPTED)


def filter_payloads(parameters: dict[str, Any]) -> QuerySet[Payload]:
    """Those that match the parameters of the list of payloads. Raises ValidationError."""
    data = QueryDict(mutable=True)
    for name, value in parameters.items():
        values = value if isinstance(value, list) else [value]
        data.setlist(name, [item if isinstance(item, str) else json.dumps(item) for item in values])
    empty = {name: ["no value"] for name in parameters if not data.getlist(name)}
    if empty:
        raise ValidationError({"filter": empty})
    if unknown := sorted(parameters.keys() - PayloadFilterSet.base_filters.keys()):
        faults = {show_name(name): ["unknown parameter"] for name in unknown}
        raise ValidationError({"filter": faults}, code="unknown_parameter")
    found = PayloadFilterSet(data, queryset=Payload.objects.all())
    if not found.is_valid():
        raise ValidationError({"filter": {name: list(e) for name, e in found.errors.items()}})
    return found.qs


@extend_schema_view(retrieve=extend_schema(parameters=[OpenApiParameter("timestamp", str, "path")]))
class MeasurementViewSet(RawMixin, ReadOnlyModelViewSet[Measurement]):
    """What stands for each instant: that of the payload for it which was received last."""

    queryset = Measurement.objects.all()
    serializer_class = MeasurementSerializer
    filterset_class = MeasurementFilterSet
    access = "read"
    ordering = "timestamp"
    lookup_field = "timestamp"
    lookup_value_regex = "[^/]+"
    ordering_fields = ("timestamp", "mean", "std", "count")

    def get_object(self) -> Measurement:
        """By any way to write its instant."""
        try:
            timestamp = parse_timestamp(self.kwargs["timestamp"], assume_utc=True)
        except ValueError as error:
            raise NotFound(str(error)) from error
        return get_object_or_404(self.filter_queryset(self.get_queryset()), timestamp=timestamp)

    @extend_schema(responses=LineageListSerializer)
    @action(detail=True)
    def lineage(self, request: Request, timestamp: str) -> Response:
        """Every payload that says something of this instant, in the order of their receipt; `count`
        is how many there are, of which the last 1,000 are listed."""
        measurement = self.get_object()
        found = {
            "timestamp": measurement.timestamp,
            "count": Lineage.objects.filter(timestamp=measurement.timestamp).count(),
            "lineage": list_lineage(measurement),
        }
        return Response(LineageListSerializer(found).data)

    @extend_schema(request=None, responses=VerificationSerializer)
    @action(detail=True, methods=["post"])
    def verify(self, request: Request, timestamp: str) -> Response:
        """Recomputes it from the bytes that were received, and compares every bit."""
        try:
            found = verify(self.get_object())
        except RawGone as error:
            raise RawIsGone from error
        return Response(VerificationSerializer(found).data)


class MeasurementExportView(ExportView):
    queryset = Measurement.objects.order_by("timestamp")
    serializer_class = MeasurementSerializer
    filterset_class = MeasurementFilterSet
    stem = "measurements"
