"""The explorer's tables over the API."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from django.db.models import Model, QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from config.api.exports import ExportView
from config.api.filtersets import PAGE_PARAMETERS, filter_rows, get_single, refuse_unknown
from config.api.pagination import MAX_PAGE_SIZE, GeoJsonPagination
from config.api.reading import READER
from config.api.renderers import RawJSONRenderer
from config.api.rows import JsonRowPagination, write_rows
from explorer.aggregates import PARAMETERS as AGGREGATE_PARAMETERS
from explorer.aggregates import aggregate, read_question
from explorer.facets import (
    FACET_PARAMETERS,
    HISTOGRAM_PARAMETERS,
    count_bins,
    count_values,
    read_facets,
    read_histogram,
)
from explorer.filtersets import (
    GameFilterSet,
    TripFilterSet,
    ZoneFilterSet,
    ZoneTripsFilterSet,
)
from explorer.models import Game, TaxiZone, Trip
from explorer.querying import find_column, read_words
from explorer.serializers import (
    AggregateSerializer,
    FacetsSerializer,
    GameSerializer,
    HistogramSerializer,
    TripSerializer,
    ZoneSerializer,
)
from explorer.tables import GAMES, TRIPS, ZONES, Table
from explorer.zone_trips import FORMS, count_trips, draw, make_features


def describe(name: str, description: str, *, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, description=description, required=required)


FIELDS = describe("fields", "columns to show, with commas; default: all")
GEOMETRY = OpenApiParameter(
    "geometry", description="for drawing, whole, or none", enum=FORMS, default=FORMS[0]
)
LIMIT = OpenApiParameter("limit", OpenApiTypes.INT, description="how many at most")


def choose_columns(request: Request, table: Table) -> Mapping[str, str]:
    """The columns that `fields` asks for with their paths; all where it does not."""
    names = read_words(request, "fields")
    return {n: find_column(table, n, "fields").path for n in names} if names else table.paths


class TableViewSet(GenericViewSet[Model]):
    """A table to filter, to group and to count."""

    table: ClassVar[Table]
    pagination_class = JsonRowPagination
    renderer_classes = (RawJSONRenderer, BrowsableAPIRenderer)
    lookup_value_regex = "-?[0-9]{1,19}"
    advice = (
        "Ask of fewer rows: of one import (import_id), of fewer days or with one more filter; ask"
        " for count=none, or for fewer columns to group by."
    )

    @property
    def extra_parameters(self) -> frozenset[str]:
        asked = {
            "aggregate": AGGREGATE_PARAMETERS,
            "facets": FACET_PARAMETERS,
            "histogram": HISTOGRAM_PARAMETERS,
        }
        return frozenset(asked.get(self.action, ("fields",)))

    def list_columns(self) -> Mapping[str, str]:
        return choose_columns(self.request, self.table)

    def find_rows(self) -> QuerySet[Any]:
        """The rows that match the filters."""
        return self.filter_queryset(self.get_queryset())

    @extend_schema(parameters=[FIELDS])
    def list(self, request: Request) -> Response:
        """The rows that match, in pages."""
        return self.get_paginated_response(self.paginate_queryset(self.find_rows()))

    @extend_schema(parameters=[FIELDS], filters=False)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One row."""
        refuse_unknown(request, {"fields", "format"})
        if abs(int(pk)) >= 2**63:
            raise Http404
        rows = write_rows(self.get_queryset().filter(pk=int(pk)), self.list_columns())
        row = rows.values_list("as_json", flat=True).first()
        if row is None:
            raise Http404
        return Response(msgspec.Raw(row.encode()))

    @extend_schema(
        filters=True,
        responses=AggregateSerializer,
        parameters=[
            describe("group_by", "up to three columns; of a time `release_date:year`"),
            describe("metrics", "`count`, or such as `avg:price`; default `count`"),
            describe("having", "such as `count__gte:5`"),
            describe("ordering", "groups and metrics, - for descending; default: the groups"),
            LIMIT,
        ],
    )
    @action(detail=False, pagination_class=None)
    def aggregate(self, request: Request) -> Response:
        """Figures of groups of the rows that match; without `group_by`, of all of them. A list is
        grouped by its elements."""
        question = read_question(request, self.table)
        return Response(aggregate(self.find_rows(), question))

    @extend_schema(
        filters=True,
        responses=FacetsSerializer,
        parameters=[describe("fields", "columns, with commas", required=True), LIMIT],
    )
    @action(detail=False, pagination_class=None)
    def facets(self, request: Request) -> Response:
        """The most frequent values of columns among the rows that match, a list's by element."""
        columns, limit = read_facets(request, self.table)
        return Response(count_values(self.find_rows(), columns, limit))

    @extend_schema(
        filters=True,
        responses=HistogramSerializer,
        parameters=[
            describe("field", "a column of numbers or of times", required=True),
            OpenApiParameter("bins", OpenApiTypes.INT, description="at most so many (default 20)"),
        ],
    )
    @action(detail=False, pagination_class=None)
    def histogram(self, request: Request) -> Response:
        """How many of the rows that match lie in each of some bins of equal width."""
        column, bins = read_histogram(request, self.table)
        return Response(count_bins(self.find_rows(), column, bins))


class TableExportView(ExportView):
    """All rows of a table that match, in one file."""

    table: ClassVar[Table]
    extra_parameters = frozenset({"fields"})

    def list_columns(self) -> dict[str, str]:
        return dict(choose_columns(self.request, self.table))


class GameViewSet(TableViewSet):
    """Games of a shop: prices in US dollars, lists as they stand in the file."""

    table = GAMES
    queryset = Game.objects.using(READER)
    serializer_class = GameSerializer
    filterset_class = GameFilterSet
    ordering = "app_id"
    ordering_fields = tuple(GAMES.paths)
    ordering_aliases = GAMES.paths


class TripViewSet(TableViewSet):
    """For-hire-vehicle trips: times are instants, money US dollars, distances miles."""

    table = TRIPS
    queryset = Trip.objects.using(READER)
    serializer_class = TripSerializer
    filterset_class = TripFilterSet
    ordering = "id"
    ordering_fields = tuple(TRIPS.paths)
    ordering_aliases = {**TRIPS.paths, "import_id": "id"}  # an import's ids are a range


class GameExportView(TableExportView):
    table = GAMES
    queryset = Game.objects.using(READER).order_by("app_id")
    serializer_class = GameSerializer
    filterset_class = GameFilterSet
    stem = "games"


class TripExportView(TableExportView):
    table = TRIPS
    queryset = Trip.objects.using(READER).order_by("id")
    serializer_class = TripSerializer
    filterset_class = TripFilterSet
    stem = "trips"


@extend_schema_view(list=extend_schema(parameters=[GEOMETRY]))
class ZoneViewSet(GenericViewSet[TaxiZone]):
    """The city's taxi zones as GeoJSON, with the trips that match the trips' filters: how many
    begin and how many end in each."""

    queryset = TaxiZone.objects.using(READER)
    serializer_class = ZoneSerializer
    filterset_class = ZoneTripsFilterSet
    pagination_class = GeoJsonPagination
    renderer_classes = (RawJSONRenderer, BrowsableAPIRenderer)
    extra_parameters = frozenset({"geometry"})
    ordering = "location_id"
    ordering_fields = tuple(ZONES.paths)
    page_size = MAX_PAGE_SIZE  # the city has fewer
    advice = TableViewSet.advice

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        known = self.filterset_class.base_filters.keys() | self.extra_parameters
        refuse_unknown(self.request, known | PAGE_PARAMETERS | {"format"})
        return filter_rows(ZoneFilterSet, self.request, queryset)

    def list(self, request: Request) -> Response:
        form = get_single(request, "geometry", FORMS[0])
        if form not in FORMS:
            raise ValidationError({"geometry": f"one of {', '.join(FORMS)}"})
        zones = self.filter_queryset(self.get_queryset())
        trips = filter_rows(TripFilterSet, request, Trip.objects.using(READER))
        page = self.paginate_queryset(draw(zones, form))
        return self.get_paginated_response(make_features(page or [], count_trips(trips)))
