"""Tables for analysts: each trip comes from an import, the zones from the city's files."""

# An empty field of a file is NULL, in columns of text too: analysts ask for what is missing.
# ruff: noqa: DJ001

from datetime import UTC, datetime
from decimal import Decimal

from django.contrib.gis.db.models import MultiPolygonField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.lookups import LessThanOrEqual

from config.api.fields import NumericField
from explorer.partitions import match_import
from imports.models import Import

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
AMOUNT_DIGITS = 100  # before and behind the point
AMOUNT_LIMIT = Decimal(10) ** AMOUNT_DIGITS
TIMES = ("request_datetime", "on_scene_datetime", "pickup_datetime", "dropoff_datetime")
AMOUNTS = (
    "trip_miles",
    "base_passenger_fare",
    "tolls",
    "bcf",
    "sales_tax",
    "congestion_surcharge",
    "airport_fee",
    "tips",
    "driver_pay",
    "cbd_congestion_fee",
)


def _limit_time(name: str) -> models.CheckConstraint:
    """PostgreSQL reads `infinity` and years that Python has no datetime for."""
    return models.CheckConstraint(
        name=f"trip_{name}_in_range",
        condition=Q(**{f"{name}__gte": EARLIEST}) & Q(**{f"{name}__lt": LATEST}),
    )


def _limit_amount(name: str) -> models.CheckConstraint:
    """PostgreSQL reads `NaN`, which it takes for the largest number, `Infinity`, and `1e131000`, of
    which a few bytes in a file would be 131,000 digits in each answer."""
    scale = Func(F(name), function="scale", output_field=models.IntegerField())
    return models.CheckConstraint(
        name=f"trip_{name}_in_range",
        condition=Q(**{f"{name}__gt": -AMOUNT_LIMIT, f"{name}__lt": AMOUNT_LIMIT})
        & Q(LessThanOrEqual(scale, AMOUNT_DIGITS)),
    )


class TripQuerySet(models.QuerySet["Trip"]):
    def of_import(self, import_id: int) -> "TripQuerySet":
        return self.filter(match_import(import_id))


class Trip(models.Model):
    """One for-hire-vehicle trip; the columns are named as in the file, in snake case.

    The table is partitioned by range of id, one partition for each import: `id` is
    `import_id << 32 | n`. Times are New York local time in the file, instants here; money is US
    dollars, `trip_miles` miles, `trip_time` seconds.
    """

    id = models.BigIntegerField(primary_key=True)
    import_record = models.ForeignKey(
        Import,
        on_delete=models.DO_NOTHING,  # an import goes together with its partition
        db_column="import_id",
        db_constraint=False,  # the partition's own check holds it, at no cost for each row
        db_index=False,
    )
    hvfhs_license_num = models.TextField()
    dispatching_base_num = models.TextField(null=True)
    originating_base_num = models.TextField(null=True)
    request_datetime = models.DateTimeField(null=True)
    on_scene_datetime = models.DateTimeField(null=True)
    pickup_datetime = models.DateTimeField()
    dropoff_datetime = models.DateTimeField()
    pu_location_id = models.IntegerField(null=True)
    do_location_id = models.IntegerField(null=True)
    trip_miles = NumericField(null=True)
    trip_time = models.IntegerField(null=True)
    base_passenger_fare = NumericField(null=True)
    tolls = NumericField(null=True)
    bcf = NumericField(null=True)
    sales_tax = NumericField(null=True)
    congestion_surcharge = NumericField(null=True)
    airport_fee = NumericField(null=True)
    tips = NumericField(null=True)
    driver_pay = NumericField(null=True)
    shared_request_flag = models.TextField(null=True)
    shared_match_flag = models.TextField(null=True)
    access_a_ride_flag = models.TextField(null=True)
    wav_request_flag = models.TextField(null=True)
    wav_match_flag = models.TextField(null=True)
    cbd_congestion_fee = NumericField(null=True)

    objects = TripQuerySet.as_manager()

    class Meta:
        constraints = (*map(_limit_time, TIMES), *map(_limit_amount, AMOUNTS))
        indexes = (BrinIndex(name="trip_times", fields=list(TIMES)),)

    def __str__(self) -> str:
        return f"trip {self.pk}"


class TaxiZone(models.Model):
    """One of the city's taxi zones, which the location ids of trips name; EPSG:4326.

    Zones outside of the city, or of no place, have no shape.
    """

    location_id = models.IntegerField(primary_key=True)
    zone = models.TextField()
    borough = models.TextField()
    service_zone = models.TextField(null=True)
    geometry = MultiPolygonField(null=True)

    def __str__(self) -> str:
        return f"{self.zone}, {self.borough}"
