"""Footprints over the API."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.gzip import gzip_page
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ReadOnlyModelViewSet

from config.api.caching import answer_unless_known
from config.api.exports import ExportView, FixedNegotiation
from config.api.filtersets import parse_number
from config.api.pagination import GeoJsonPagination
from config.api.renderers import GeoJsonRenderer
from config.api.tiles import TILE_TYPE, Tile, describe_tiles
from footprints.filtersets import FootprintFilterSet, GridFilterSet, HeatFilterSet, read_boxes
from footprints.grid import (
    LARGEST_CELL_METRES,
    SMALLEST_CELL_METRES,
    Box,
    CellTooSmall,
    stream_cells,
)
from footprints.heatmap import list_org_ids, stream_points
from footprints.models import Footprint
from footprints.serializers import (
    SERIALIZERS,
    FeatureSerializer,
    FootprintExportSerializer,
    FootprintSerializer,
    OrgIdsSerializer,
)
from footprints.tiles import LAYERS, make_tile
from imports.models import Import

GEOJSON_TYPE = "application/geo+json"
MAX_GRID_BOXES = 10
TILE_SECONDS = 60  # for which a map need not ask again

GEOMETRY = OpenApiParameter(
    "geometry",
    description="which form of the polygon: for drawing, whole and repaired, or as received",
    enum=list(SERIALIZERS),
    default="simplified",
)
METHOD = OpenApiParameter(
    "method",
    description="a point for each footprint, or cells",
    enum=["point", "grid"],
    default="point",
)
CELL = OpenApiParameter(
    "cell", OpenApiTypes.NUMBER, description="with method=grid: the side of a cell in metres"
)


@extend_schema_view(
    list=extend_schema(parameters=[GEOMETRY], responses=FeatureSerializer(many=True)),
    retrieve=extend_schema(parameters=[GEOMETRY], responses=FeatureSerializer),
)
class FootprintViewSet(ReadOnlyModelViewSet[Footprint]):
    """Usage polygons of organisations, repaired, as GeoJSON."""

    queryset = Footprint.objects.all()
    serializer_class = FootprintSerializer
    filterset_class = FootprintFilterSet
    pagination_class = GeoJsonPagination
    renderer_classes = (JSONRenderer, GeoJsonRenderer, BrowsableAPIRenderer)
    extra_parameters = frozenset({"geometry"})
    ordering = "id"
    lookup_value_regex = "[0-9]+"
    ordering_fields = ("id", "org_id", "source_event_timestamp", "area_m2", "vertex_count")

    def get_queryset(self) -> QuerySet[Footprint]:
        _, unneeded = self._choose_geometry()
        return super().get_queryset().defer("original_sha256", *unneeded)

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        serializer, _ = self._choose_geometry()
        return serializer

    def _choose_geometry(self) -> tuple[type[BaseSerializer[Any]], tuple[str, ...]]:
        name = self.request.query_params.get("geometry", "simplified")
        if name in SERIALIZERS:
            return SERIALIZERS[name]
        raise ValidationError({"geometry": f"one of {', '.join(SERIALIZERS)}"})

    @extend_schema(
        filters=True,
        parameters=[METHOD, CELL],
        responses={(200, "application/geo+json"): OpenApiTypes.OBJECT},
        description="Heat as Points with a `weight`, all of them in one answer, and what a legend "
        "needs in `metadata`. `point`: one on each matching footprint's surface. `grid`: one in "
        "the middle of each cell that footprints cover; each spreads a weight of 1 by area.",
    )
    @action(
        detail=False,
        pagination_class=None,
        filterset_class=HeatFilterSet,
        extra_parameters=frozenset({"method", "cell"}),
    )
    @method_decorator(gzip_page)
    def heatmap(self, request: Request) -> HttpResponseBase:
        cell = read_cell(request.query_params)
        if cell is not None:
            self.filterset_class = GridFilterSet
        footprints = self.filter_queryset(Footprint.objects.all())
        return answer_unless_known(
            request,
            Import.objects.tell_version("footprints"),
            lambda: self._stream_heat(footprints, cell),
            content_type=GEOJSON_TYPE,
        )

    def _stream_heat(
        self, footprints: QuerySet[Footprint], cell: float | None
    ) -> StreamingHttpResponse:
        try:
            if cell is None:
                blocks = stream_points(footprints)
            else:
                blocks = stream_cells(footprints, cell, self._read_grid_boxes())
        except CellTooSmall as error:
            raise ValidationError({"cell": str(error)}, code="too_small") from error
        return StreamingHttpResponse(blocks, content_type=GEOJSON_TYPE)

    def _read_grid_boxes(self) -> list[Box]:
        boxes = read_boxes(self.request.query_params.getlist("in_bbox"))
        if len(boxes) > MAX_GRID_BOXES:
            detail = f"at most {MAX_GRID_BOXES} boxes for a grid; one across ±180° counts twice"
            raise ValidationError({"in_bbox": detail})
        return boxes

    @extend_schema(filters=True, responses=OrgIdsSerializer)
    @action(
        detail=False,
        url_path="org-ids",
        pagination_class=None,
        filterset_class=HeatFilterSet,
        extra_parameters=frozenset(),
    )
    def org_ids(self, request: Request) -> Response:
        """The organisations that have matching footprints."""
        return Response(list_org_ids(self.filter_queryset(Footprint.objects.all())))


def read_cell(parameters: QueryDict) -> float | None:
    """The side of the grid's cells in metres; None where no grid is asked for. Raises
    ValidationError."""
    if repeated := [name for name in ("method", "cell") if len(parameters.getlist(name)) > 1]:
        raise ValidationError(dict.fromkeys(repeated, "one value only"))
    method, text = parameters.get("method", "point"), parameters.get("cell")
    if method not in {"point", "grid"}:
        raise ValidationError({"method": "point or grid"})
    if method == "point":
        if text is not None:
            raise ValidationError({"cell": "goes with method=grid only"})
        return None
    if text is None:
        raise ValidationError({"cell": "needed with method=grid: metres"})
    return parse_cell(text)


def parse_cell(text: str) -> float:
    """Raises ValidationError for what is no size of a cell."""
    try:
        cell = float(parse_number(text))
    except ValueError as error:
        raise ValidationError({"cell": str(error)}) from error
    if not SMALLEST_CELL_METRES <= cell <= LARGEST_CELL_METRES:
        detail = f"from {SMALLEST_CELL_METRES:.0f} to {LARGEST_CELL_METRES:.0f} metres"
        raise ValidationError({"cell": detail})
    return cell


class FootprintExportView(ExportView):
    queryset = Footprint.objects.order_by("id")
    serializer_class = FootprintExportSerializer
    filterset_class = FootprintFilterSet
    stem = "footprints"


class FootprintTileView(GenericAPIView[Footprint]):
    """A vector tile of the matching footprints' points, from zoom 10 on with outlines."""

    queryset = Footprint.objects.all()
    filterset_class = HeatFilterSet
    pagination_class = None
    content_negotiation_class = FixedNegotiation

    @extend_schema(
        operation_id="footprints_tile",
        filters=True,
        responses={(200, TILE_TYPE): OpenApiTypes.BINARY},
    )
    @method_decorator(gzip_page)
    def get(self, request: Request, z: int, x: int, y: int) -> HttpResponseBase:
        try:
            tile = Tile(z, x, y)
        except ValueError as error:
            raise NotFound(str(error)) from error
        footprints = self.filter_queryset(self.get_queryset())
        return answer_unless_known(
            request,
            Import.objects.tell_version("footprints"),
            lambda: HttpResponse(make_tile(footprints, tile), content_type=TILE_TYPE),
            content_type=TILE_TYPE,
            max_age=TILE_SECONDS,
        )


class FootprintTileJsonView(GenericAPIView[Footprint]):
    """TileJSON of the tiles, for the same filters."""

    queryset = Footprint.objects.all()
    filterset_class = HeatFilterSet
    pagination_class = None
    content_negotiation_class = FixedNegotiation

    @extend_schema(operation_id="footprints_tiles", filters=True, responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        footprints = self.filter_queryset(self.get_queryset())
        return Response(describe_tiles("footprints", footprints, request, LAYERS))
