"""Locations over the API, and the door of phones."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_cache_control
from django.utils.decorators import method_decorator
from django.views.decorators.gzip import gzip_page
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from config.api.errors import show_name
from config.api.exports import ExportView, FixedNegotiation
from config.api.filtersets import PAGE_PARAMETERS, refuse_unknown
from config.api.pagination import GeoJsonPagination
from config.api.parsers import OpaqueParser
from config.api.renderers import GeoJsonRenderer
from config.api.tiles import PLAIN, TILE_TYPE, TIME, Tile, cluster_points, describe_tiles
from locations.averaging import store_fix, store_fixes
from locations.filtersets import LocationFilterSet
from locations.fixes import Fault, FixRefused, NewFix, read_fix, read_fixes
from locations.models import SUM_COLUMNS, MinuteAverage, select_latest, sort_out_latest
from locations.serializers import (
    BatchSerializer,
    FixSerializer,
    LocationExportSerializer,
    LocationSerializer,
    StoredSerializer,
    TrackSerializer,
)
from locations.tracks import TrackPagination, draw_track

logger = logging.getLogger(__name__)

# The answers to a fix.
STORED, DUPLICATE = b'{"status": "stored"}', b'{"status": "duplicate"}'
MOST_POINTS = 10_000  # of a batch
TILE_SECONDS = 10  # for which a map need not ask again
TILE_COLUMNS = {
    "user_id": PLAIN,
    "minute": TIME,
    "count": PLAIN,
    "accuracy": PLAIN,
    "speed": PLAIN,
}
LAYERS = (
    {
        "id": "points",
        "description": "one for each minute of a user; near ones are one with their number",
        "fields": {
            "weight": "Number of minutes",
            "user_id": "String, of a minute by itself",
            "minute": "String, of a minute by itself",
            "count": "Number of fixes, of a minute by itself",
            "accuracy": "Number of metres, of a minute by itself",
            "speed": "Number of metres a second, of a minute by itself",
        },
    },
)


class LocationView(APIView):
    """The door of phones: takes in a fix. The same fix again is a duplicate and changes nothing."""

    access = "ingest"
    parser_classes = (OpaqueParser,)

    @extend_schema(operation_id="location", request=FixSerializer, responses=StoredSerializer)
    def put(self, request: Request) -> HttpResponse:
        return take_fix(request._request)


def take_fix(request: HttpRequest) -> HttpResponse:
    """200 for what was stored or is known, 400 with every fault, 500 where it cannot be stored."""
    try:
        is_new = store_fix(read_fix(request.body))
    except FixRefused as refusal:
        return answer_errors("validation_error", refusal.faults, status=400)
    except RequestDataTooBig:
        return answer_errors("client_error", [Fault("too_large", "too large")], status=400)
    except Exception:
        logger.exception("A fix could not be stored.")
        return answer_errors("server_error", [Fault("error", "it could not be stored")], status=500)
    return HttpResponse(STORED if is_new else DUPLICATE, content_type="application/json")


def answer_errors(kind: str, faults: Iterable[Fault], status: int) -> JsonResponse:
    return JsonResponse({"type": kind, "errors": list(map(write_fault, faults))}, status=status)


def write_fault(fault: Fault) -> dict[str, Any]:
    return {**asdict(fault), "detail": show_name(fault.detail)}


@extend_schema_view(list=extend_schema(operation_id="locations_list"))
class LocationViewSet(ReadOnlyModelViewSet[MinuteAverage]):
    """Where users were, minute by minute of UTC, as GeoJSON."""

    queryset = MinuteAverage.objects.defer(*SUM_COLUMNS)
    serializer_class = LocationSerializer
    filterset_class = LocationFilterSet
    pagination_class = GeoJsonPagination
    renderer_classes = (JSONRenderer, GeoJsonRenderer, BrowsableAPIRenderer)
    ordering = "id"
    lookup_value_regex = "[0-9]+"
    ordering_fields = ("id", "user_id", "minute", "count", "accuracy", "speed")

    @property
    def access(self) -> str:
        return "read" if self.request.method in SAFE_METHODS else "ingest"

    @extend_schema(filters=True, responses=LocationSerializer(many=True))
    @action(detail=False, ordering="user_id")
    def latest(self, request: Request) -> Response:
        """The last of each user's matching minutes."""
        return super().list(request)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        matching = super().filter_queryset(queryset)
        if self.action != "latest":
            return matching
        filters = set(self.request.query_params) - PAGE_PARAMETERS - {"format"}
        # An index leads from user to user; where other columns decide, all that match are read.
        is_by_minute = all(name.startswith("minute") for name in filters)
        return select_latest(matching) if is_by_minute else sort_out_latest(matching)

    @extend_schema(filters=True, responses=TrackSerializer(many=True))
    @action(detail=False, pagination_class=TrackPagination)
    def tracks(self, request: Request) -> Response:
        """A line for each user and day of UTC through the matching minutes."""
        minutes = self.filter_queryset(MinuteAverage.objects.all())
        tracks = self.paginate_queryset(minutes)
        return self.get_paginated_response(list(map(draw_track, tracks or ())))

    @extend_schema(request=FixSerializer(many=True), responses=BatchSerializer)
    @action(
        detail=False,
        methods=["post"],
        pagination_class=None,
        filterset_class=None,
        parser_classes=(OpaqueParser,),
    )
    def batch(self, request: Request) -> Response:
        """Takes in up to 10,000 fixes: an array of them, or `{"points": […]}`. Each is answered in
        its place, and one that is refused leaves the others alone."""
        refuse_unknown(request, {"format"})
        try:
            fixes = read_fixes(request._request.body, most=MOST_POINTS)
        except FixRefused as refusal:
            details = [ErrorDetail(fault.detail, fault.code) for fault in refusal.faults]
            raise ValidationError(details) from refusal
        return Response(take_fixes(fixes))


def take_fixes(fixes: Sequence[NewFix | FixRefused]) -> dict[str, Any]:
    """Stores those that were not refused, and tells in their order what became of each."""
    stored = iter(store_fixes([fix for fix in fixes if isinstance(fix, NewFix)]))
    results: list[dict[str, Any]] = []
    for fix in fixes:
        if isinstance(fix, FixRefused):
            results.append({"status": "rejected", "errors": list(map(write_fault, fix.faults))})
        else:
            results.append({"status": "stored" if next(stored) else "duplicate"})
    counts = Counter(result["status"] for result in results)
    statuses = ("stored", "duplicate", "rejected")
    return {**{status: counts[status] for status in statuses}, "results": results}


class LocationExportView(ExportView):
    queryset = MinuteAverage.objects.order_by("id")
    serializer_class = LocationExportSerializer
    filterset_class = LocationFilterSet
    stem = "locations"


class LocationTileView(GenericAPIView[MinuteAverage]):
    """A vector tile of the matching minutes' points."""

    queryset = MinuteAverage.objects.all()
    filterset_class = LocationFilterSet
    pagination_class = None
    content_negotiation_class = FixedNegotiation

    @extend_schema(
        operation_id="locations_tile",
        filters=True,
        responses={(200, TILE_TYPE): OpenApiTypes.BINARY},
    )
    @method_decorator(gzip_page)
    def get(self, request: Request, z: int, x: int, y: int) -> HttpResponse:
        try:
            tile = Tile(z, x, y)
        except ValueError as error:
            raise NotFound(str(error)) from error
        minutes = self.filter_queryset(self.get_queryset())
        response = HttpResponse(cluster_points(minutes, tile, TILE_COLUMNS), content_type=TILE_TYPE)
        patch_cache_control(response, private=True, max_age=TILE_SECONDS)
        return response


class LocationTileJsonView(GenericAPIView[MinuteAverage]):
    """TileJSON of the tiles, for the same filters."""

    queryset = MinuteAverage.objects.all()
    filterset_class = LocationFilterSet
    pagination_class = None
    content_negotiation_class = FixedNegotiation

    @extend_schema(operation_id="locations_tiles", filters=True, responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        minutes = self.filter_queryset(self.get_queryset())
        return Response(describe_tiles("locations", minutes, request, LAYERS))
