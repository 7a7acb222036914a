"""What the API tells of the explorer's tables. PostgreSQL writes the rows; this describes them."""

from typing import Any

from rest_framework import serializers
from rest_framework.serializers import Serializer

from explorer.tables import GAMES, TRIPS, ZONES, Table


def describe_rows(name: str, table: Table, *, required: bool) -> type[Serializer[Any]]:
    """Not all columns are required where `fields` may choose some."""
    fields = {
        column.name: column.kind.api_field(
            allow_null=True, required=required, help_text=column.kind.name
        )
        for column in table.columns
    }
    return type(name, (Serializer,), fields)


GameSerializer = describe_rows("GameSerializer", GAMES, required=False)
TripSerializer = describe_rows("TripSerializer", TRIPS, required=False)


class AggregateSerializer(Serializer[Any]):
    results = serializers.ListField(child=serializers.DictField())
    has_more = serializers.BooleanField(help_text="whether there are more groups than `limit`")


class FacetValueSerializer(Serializer[Any]):
    value = serializers.JSONField()
    count = serializers.IntegerField()


class FacetsSerializer(Serializer[Any]):
    results = serializers.DictField(child=FacetValueSerializer(many=True))
    has_more = serializers.ListField(
        child=serializers.CharField(), help_text="columns with more values than `limit`"
    )


class BinSerializer(Serializer[Any]):
    count = serializers.IntegerField()

    def get_fields(self) -> dict[str, Any]:
        edge = serializers.JSONField
        return {"from": edge(), "to": edge(), **super().get_fields()}


class HistogramSerializer(Serializer[Any]):
    field = serializers.CharField()
    results = BinSerializer(many=True)
    missing = serializers.IntegerField(help_text="rows without a value")


ZoneColumnsSerializer: Any = describe_rows("ZoneColumnsSerializer", ZONES, required=True)


class ZonePropertiesSerializer(ZoneColumnsSerializer):  # type: ignore[misc]
    pickup_count = serializers.IntegerField(help_text="trips that begin here")
    dropoff_count = serializers.IntegerField(help_text="trips that end here")


class ZoneSerializer(Serializer[Any]):
    type = serializers.ChoiceField(["Feature"])
    id = serializers.IntegerField()
    geometry = serializers.JSONField(allow_null=True, help_text="a MultiPolygon; EPSG:4326")
    properties = ZonePropertiesSerializer()
