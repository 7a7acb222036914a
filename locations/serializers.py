"""What the API tells of locations, and what it takes."""

from typing import Any

from django.contrib.gis.geos import Point
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from locations.fixes import MAX_ACCURACY_METRES, MAX_SPEED, RANGES
from locations.models import AVERAGE_COLUMNS, MAX_USER_ID_CHARACTERS, MinuteAverage

PROPERTIES = tuple(name for name in ("user_id", *AVERAGE_COLUMNS) if name not in {"lat", "long"})


POSITION = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}


@extend_schema_field(
    {
        "type": "object",
        "properties": {"type": {"type": "string", "enum": ["Point"]}, "coordinates": POSITION},
    }
)
class PointField(serializers.Field[Any, Any, dict[str, Any], Any]):
    """A GeoJSON Point. What there is for columns of points knows none that PostgreSQL computes."""

    def to_representation(self, value: Point) -> dict[str, Any]:
        return {"type": "Point", "coordinates": value.coords}


class PropertiesSerializer(serializers.ModelSerializer[MinuteAverage]):
    class Meta:
        model = MinuteAverage
        fields = PROPERTIES


class LocationSerializer(serializers.ModelSerializer[MinuteAverage]):
    """The average of a minute as a GeoJSON feature."""

    type = serializers.SerializerMethodField()
    geometry = PointField(source="point", read_only=True)
    properties = PropertiesSerializer(source="*", read_only=True)

    class Meta:
        model = MinuteAverage
        fields = ("id", "type", "geometry", "properties")

    @extend_schema_field({"type": "string", "enum": ["Feature"]})
    def get_type(self, average: MinuteAverage) -> str:
        return "Feature"


class LocationExportSerializer(serializers.ModelSerializer[MinuteAverage]):
    class Meta:
        model = MinuteAverage
        fields = ("id", "user_id", *AVERAGE_COLUMNS)


# These describe what `fixes` reads and what is answered: nothing is read or written by them.


class FixSerializer(serializers.Serializer[Any]):
    timestamp = serializers.CharField(
        help_text="`YYYY-MM-DD HH:MM:SS`, `T` or a space between, with a fraction or without; "
        "local time, or with an offset (`Z`, `+02:00`)"
    )
    lat = serializers.FloatField(min_value=RANGES["lat"][0], max_value=RANGES["lat"][1])
    long = serializers.FloatField(min_value=RANGES["long"][0], max_value=RANGES["long"][1])
    accuracy = serializers.FloatField(
        min_value=0, max_value=MAX_ACCURACY_METRES, help_text="metres"
    )
    speed = serializers.FloatField(min_value=0, max_value=MAX_SPEED, help_text="metres a second")
    user_id = serializers.CharField(max_length=MAX_USER_ID_CHARACTERS)


class StoredSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["stored", "duplicate"])


class FaultSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()
    attr = serializers.CharField(allow_null=True)


class PointResultSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["stored", "duplicate", "rejected"])
    errors = FaultSerializer(  # type: ignore[assignment] # a field, no attribute
        many=True, required=False
    )


class BatchSerializer(serializers.Serializer[Any]):
    stored = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = PointResultSerializer(many=True)


class TrackSerializer(serializers.Serializer[Any]):
    """A GeoJSON feature: a LineString, or a MultiLineString where it crosses ±180°."""

    type = serializers.ChoiceField(["Feature"])
    id = serializers.CharField()
    geometry = serializers.JSONField()
    properties = serializers.JSONField()
