"""What the API tells of the explorer's tables."""

from rest_framework import serializers

from config.api.fields import NumericField
from explorer.models import Trip

TRIP_COLUMNS = tuple(
    field.name for field in Trip._meta.concrete_fields if field.name not in {"id", "import_record"}
)


class TripSerializer(serializers.ModelSerializer[Trip]):
    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        NumericField: serializers.FloatField,
    }
    import_id = serializers.IntegerField(source="import_record_id", read_only=True)

    class Meta:
        model = Trip
        fields = ("id", "import_id", *TRIP_COLUMNS)
