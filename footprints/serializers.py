"""Footprints as GeoJSON features."""

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework_gis.serializers import GeoFeatureModelSerializer

from footprints.geojson import read_geometry
from footprints.models import Footprint

PROPERTIES = (
    "org_id",
    "source_event_timestamp",
    "area_m2",
    "vertex_count",
    "original_vertex_count",
    "repairs",
    "area_change",
    "import_id",
    "line",
)


class FootprintSerializer(GeoFeatureModelSerializer):
    """A footprint with the copy of its polygon that is simplified for drawing."""

    import_id = serializers.IntegerField(source="import_record_id", read_only=True)

    class Meta:
        model = Footprint
        id_field = "id"
        geo_field = "simplified"
        fields: tuple[str, ...] = ("id", "simplified", *PROPERTIES)


class RepairedFootprintSerializer(FootprintSerializer):
    """A footprint with its polygon whole, repaired where it had to be."""

    class Meta(FootprintSerializer.Meta):
        geo_field = "geometry"
        fields = ("id", "geometry", *PROPERTIES)


class OriginalFootprintSerializer(FootprintSerializer):
    """A footprint as received: its geometry, and the very text as the property `original`."""

    class Meta(FootprintSerializer.Meta):
        fields = ("id", "simplified", *PROPERTIES, "original")

    def to_representation(self, instance: Footprint) -> dict[str, Any]:
        feature: dict[str, Any] = super().to_representation(instance)
        return feature | {"geometry": read_geometry(instance.original)}


class FootprintPropertiesSerializer(serializers.ModelSerializer[Footprint]):
    import_id = serializers.IntegerField(source="import_record_id", read_only=True)
    original = serializers.CharField(required=False, help_text="with `geometry=original` alone")

    class Meta:
        model = Footprint
        fields = (*PROPERTIES, "original")


@extend_schema_field({"type": "object", "additionalProperties": True, "nullable": True})
class GeometryField(serializers.JSONField):
    """Of any type of GeoJSON's: as received it may be any."""


@extend_schema_field({"type": "string", "enum": ["Feature"]})
class TypeField(serializers.CharField):
    """What GeoJSON calls it."""


@extend_schema_serializer(component_name="Footprint")
class FeatureSerializer(serializers.Serializer[Any]):
    """Describes what all of them write."""

    id = serializers.IntegerField()
    type = TypeField()
    geometry = GeometryField()
    properties = FootprintPropertiesSerializer()


class FootprintExportSerializer(serializers.ModelSerializer[Footprint]):
    """A footprint as a row, with its polygon whole."""

    import_id = serializers.IntegerField(source="import_record_id", read_only=True)

    class Meta:
        model = Footprint
        fields = ("id", *PROPERTIES, "geometry")


class OrgIdsSerializer(serializers.Serializer[dict[str, Any]]):
    count = serializers.IntegerField()
    org_ids = serializers.ListField(child=serializers.IntegerField())


# What the parameter `geometry` may say, with the columns that the answer does not need.
SERIALIZERS: dict[str, tuple[type[GeoFeatureModelSerializer], tuple[str, ...]]] = {
    "simplified": (FootprintSerializer, ("original", "geometry", "point")),
    "repaired": (RepairedFootprintSerializer, ("original", "simplified", "point")),
    "original": (OriginalFootprintSerializer, ("geometry", "point")),
}
