"""Footprints over the API."""

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ReadOnlyModelViewSet

from config.api.pagination import GeoJsonPagination
from config.api.renderers import GeoJsonRenderer
from footprints.filtersets import FootprintFilterSet, HeatFilterSet
from footprints.heatmap import list_org_ids, stream_points
from footprints.models import Footprint
from footprints.serializers import SERIALIZERS, FootprintSerializer, OrgIdsSerializer

GEOMETRY = OpenApiParameter(
    "geometry",
    description="which form of the polygon: for drawing, whole and repaired, or as received",
    enum=list(SERIALIZERS),
    default="simplified",
)


@extend_schema_view(
    list=extend_schema(parameters=[GEOMETRY]), retrieve=extend_schema(parameters=[GEOMETRY])
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
        responses={(200, "application/geo+json"): OpenApiTypes.OBJECT},
        description="One Point on each matching footprint's surface, all of them in one answer.",
    )
    @action(
        detail=False,
        pagination_class=None,
        filterset_class=HeatFilterSet,
        extra_parameters=frozenset(),
    )
    def heatmap(self, request: Request) -> StreamingHttpResponse:
        footprints = self.filter_queryset(Footprint.objects.all())
        return StreamingHttpResponse(stream_points(footprints), content_type="application/geo+json")

    @extend_schema(responses=OrgIdsSerializer)
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
