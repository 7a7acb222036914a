"""The explorer's tables over the API."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.viewsets import ReadOnlyModelViewSet

from config.api.exports import CsvExportView
from explorer.filtersets import TripFilterSet
from explorer.models import Trip
from explorer.serializers import TRIP_COLUMNS, TripSerializer


class TripViewSet(ReadOnlyModelViewSet[Trip]):
    """For-hire-vehicle trips: times are instants, money US dollars, distances miles."""

    queryset = Trip.objects.all()
    serializer_class = TripSerializer
    filterset_class = TripFilterSet
    ordering = "id"
    lookup_value_regex = "[0-9]+"
    ordering_fields = ("id", "import_id", *TRIP_COLUMNS)
    ordering_aliases = {"import_id": "id"}  # an import's ids are a range


@extend_schema_view(get=extend_schema(operation_id="v1_trips_export"))
class TripExportView(CsvExportView):
    queryset = Trip.objects.order_by("id")
    serializer_class = TripSerializer
    filterset_class = TripFilterSet
    filename = "trips.csv"
