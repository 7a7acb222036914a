"""The footprint: where an organisation was used, as a polygon."""

from django.contrib.gis.db.models import MultiPolygonField, PointField, PolygonField
from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.db.models import Q

from imports.models import Import

# What heat and tiles are usually filtered by, and show.
FILTERED = ("org_id", "source_event_timestamp", "area_m2")
PIECE_VERTICES = 256  # at most in each; what has twice as many is cut into pieces
HUGE_VERTICES = 2 * PIECE_VERTICES


class Footprint(models.Model):
    """One usage event's polygon. All geometries are EPSG:4326; areas are m² in EPSG:6933."""

    org_id = models.BigIntegerField()
    source_event_timestamp = models.DateTimeField()
    original = models.TextField(help_text="the polygon's text exactly as received")
    original_sha256 = models.BinaryField(max_length=32)
    geometry = MultiPolygonField(help_text="valid, split at the antimeridian", spatial_index=False)
    simplified = MultiPolygonField(help_text="for drawing", spatial_index=False)
    point = PointField(help_text="on the surface", spatial_index=False)
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
            # All that heat and tiles need, in a tenth of the pages that the rows themselves fill.
            models.Index(name="footprint_heat", fields=["id"], include=[*FILTERED, "point"]),
            # The key itself is a box of rounded numbers: the point is included to be read.
            # The outlines of a tile are the largest in it, of which alone the rows are read.
            GistIndex(name="footprint_where", fields=["geometry"], include=["id", "area_m2"]),
            GistIndex(name="footprint_point", fields=["point"], include=["id", *FILTERED, "point"]),
        )

    def __str__(self) -> str:
        return f"footprint {self.pk} of organisation {self.org_id}"


class FootprintPiece(models.Model):
    """A piece of a huge footprint's polygon (EPSG:4326), for spatial queries: to look at all of its
    vertices again and again would take long."""

    footprint = models.ForeignKey(
        Footprint,
        on_delete=models.DO_NOTHING,  # they go together, in one statement for a whole import
        db_constraint=False,  # no key of footprints is unique without org_id
        related_name="pieces",
    )
    org_id = models.BigIntegerField()
    geometry = PolygonField()
    # Edges are straight in degrees: those that were cut bend a little when they are projected.
    whole_m2 = models.FloatField(help_text="m² of all pieces together, in EPSG:6933")

    def __str__(self) -> str:
        return f"piece {self.pk} of footprint {self.footprint_id}"
