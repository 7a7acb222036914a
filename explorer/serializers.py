"""What the API tells of the explorer's tables."""

from decimal import Decimal
from math import isfinite

from rest_framework import serializers

from explorer.models import NumericField, Trip

TRIP_COLUMNS = tuple(
    field.name for field in Trip._meta.concrete_fields if field.name not in {"id", "import_record"}
)


class NumberField(serializers.FloatField):
    """JSON's numbers are doubles; one that is beyond their range comes as text."""

    def to_representation(self, value: Decimal) -> float | str:  # type: ignore[override]
        number = float(value)
        return number if isfinite(number) else str(value)


class TripSerializer(serializers.ModelSerializer[Trip]):
    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        NumericField: NumberField,
    }
    import_id = serializers.IntegerField(source="import_record_id", read_only=True)

    class Meta:
        model = Trip
        fields = ("id", "import_id", *TRIP_COLUMNS)
