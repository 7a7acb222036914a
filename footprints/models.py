"""The footprint: where an organisation was used, as a polygon."""

from django.contrib.gis.db.models import MultiPolygonField, PointField
from django.db import models
from django.db.models import Q

from imports.models import Import


class Footprint(models.Model):
    """One usage event's polygon. All geometries are EPSG:4326; areas are m² in EPSG:6933."""

    org_id = models.BigIntegerField()
    source_event_timestamp = models.DateTimeField()
    original = models.TextField(help_text="the polygon's text exactly as received")
    original_sha256 = models.BinaryField(max_length=32)
    geometry = MultiPolygonField(help_text="valid, split at the antimeridian")
    simplified = MultiPolygonField(help_text="for drawing", spatial_index=False)
    point = PointField(help_text="on the surface")
    area_m2 = models.FloatField()
    vertex_count = models.BigIntegerField()
    original_vertex_count = models.BigIntegerField()
    repairs = models.JSONField(help_text="what was repaired and why: code and reason of each")
    area_change = models.FloatField(
        null=True, blank=True, help_text="(after - before) / before; empty where before is 0"
    )
    import_record = models.ForeignKey(
        Import, on_delete=models.PROTECT, db_column="import_id", db_index=False
    )
    line = models.BigIntegerField(help_text="physical line of the file, header = 1")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                name="footprint_once",
                fields=["org_id", "source_event_timestamp", "original_sha256"],
            ),
            models.CheckConstraint(name="footprint_area_not_negative", condition=Q(area_m2__gte=0)),
        )
        indexes = (
            models.Index(name="footprint_when", fields=["source_event_timestamp"]),
            models.Index(name="footprint_import", fields=["import_record"]),
        )

    def __str__(self) -> str:
        return f"footprint {self.pk} of organisation {self.org_id}"
