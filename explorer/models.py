"""Tables for analysts: each trip comes from an import, the zones from the city's files."""

# An empty field of a file is NULL, in columns of text too: analysts ask for what is missing.
# ruff: noqa: DJ001

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.contrib.gis.db.models import MultiPolygonField
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, GinIndex, OpClass
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Upper
from django.db.models.lookups import LessThanOrEqual

from config.api.fields import NumericField
from explorer.partitions import match_import
from imports.models import Import

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
AMOUNT_DIGITS = 100  # before and behind the point
AMOUNT_BOUNDS = f"a number of at most {AMOUNT_DIGITS} digits before and behind the point"
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
GAME_ORDERED = (
    "source_index",
    "required_age",
    "price",
    "dlc_count",
    "positive",
    "negative",
    "score_rank",
)
GAME_MEASURES = ("price", "positive", "negative")
GAME_SEARCHED = (
    "name",
    "about_the_game",
    "supported_languages",
    "developers",
    "publishers",
    "categories",
    "genres",
    "tags",
)


def _limit_time(name: str) -> models.CheckConstraint:
    """PostgreSQL reads `infinity` and years that Python has no datetime for."""
    return models.CheckConstraint(
        name=f"trip_{name}_in_range",
        condition=Q(**{f"{name}__gte": EARLIEST}) & Q(**{f"{name}__lt": LATEST}),
    )


def _limit_amount(name: str, model: str = "trip") -> models.CheckConstraint:
    """PostgreSQL reads `NaN`, which it takes for the largest number, `Infinity`, and `1e131000`, of
    which a few bytes in a file would be 131,000 digits in each answer."""
    scale = Func(F(name), function="scale", output_field=models.IntegerField())
    return models.CheckConstraint(
        name=f"{model}_{name}_in_range",
        condition=Q(**{f"{name}__gt": -AMOUNT_LIMIT, f"{name}__lt": AMOUNT_LIMIT})
        & Q(LessThanOrEqual(scale, AMOUNT_DIGITS)),
    )


class TripQuerySet(models.QuerySet["Trip"]):
    def of_import(self, import_id: int) -> "TripQuerySet":
        return self.filter(match_import(import_id))


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


def _refer_to_zone(column: str) -> models.ForeignObject[Any, Any]:
    """Not a foreign key: the records name zones that the city's file does not have, and after a
    filter by a key Django takes it that its row exists."""
    return models.ForeignObject(
        TaxiZone,
        on_delete=models.DO_NOTHING,
        from_fields=[column],
        to_fields=["location_id"],
        null=True,
        related_name="+",
    )


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

    pu_location = _refer_to_zone("pu_location_id")
    do_location = _refer_to_zone("do_location_id")

    objects = TripQuerySet.as_manager()

    class Meta:
        constraints = (*map(_limit_time, TIMES), *map(_limit_amount, AMOUNTS))
        indexes = (BrinIndex(name="trip_times", fields=list(TIMES)),)

    def __str__(self) -> str:
        return f"trip {self.pk}"


def _derive(source: str, function: str, output_field: models.Field[Any, Any]) -> Any:
    """A column that PostgreSQL computes from the file's text whenever that changes."""
    return models.GeneratedField(
        expression=Func(F(source), function=f"explorer_{function}", output_field=output_field),
        output_field=output_field,
        db_persist=True,
        null=True,
    )


def _split(source: str, function: str = "split_list") -> Any:
    return _derive(source, function, ArrayField(models.TextField()))


class Game(models.Model):
    """One game of a shop; the columns are named as in the file, in snake case.

    `source_index` is the file's first column, which has no name. What stands in the file as a list
    is kept as it stands there, and beside it element by element.
    """

    app_id = models.BigIntegerField(primary_key=True)
    import_record = models.ForeignKey(
        Import,
        on_delete=models.DO_NOTHING,  # an import goes together with its rows
        db_column="import_id",
        db_constraint=False,
    )
    source_index = models.BigIntegerField(null=True)
    name = models.TextField(null=True)
    release_date_text = models.TextField(null=True)
    release_date = _derive("release_date_text", "read_release", models.DateField())
    release_date_precision = _derive(
        "release_date_text", "read_release_precision", models.TextField()
    )
    required_age = models.IntegerField(null=True)
    price = NumericField(null=True)  # US dollars
    dlc_count = models.IntegerField(null=True)
    about_the_game = models.TextField(null=True)
    supported_languages = models.TextField(null=True)
    windows = models.BooleanField(null=True)
    mac = models.BooleanField(null=True)
    linux = models.BooleanField(null=True)
    positive = models.BigIntegerField(null=True)
    negative = models.BigIntegerField(null=True)
    score_rank = NumericField(null=True)
    developers = models.TextField(null=True)
    publishers = models.TextField(null=True)
    categories = models.TextField(null=True)
    genres = models.TextField(null=True)
    tags = models.TextField(null=True)

    supported_languages_list = _split("supported_languages", "read_literals")
    developers_list = _split("developers", "split_names")
    publishers_list = _split("publishers", "split_names")
    categories_list = _split("categories")
    genres_list = _split("genres")
    tags_list = _split("tags")

    class Meta:
        constraints = tuple(_limit_amount(name, "game") for name in ("price", "score_rank"))
        indexes = (
            # With the key behind each, so that pages in the order of the column read the index.
            # With the measures too, so that figures of its groups read it alone.
            *(
                models.Index(
                    name=f"game_{name}",
                    fields=[name, "app_id"],
                    include=[measure for measure in GAME_MEASURES if measure != name],
                )
                for name in GAME_ORDERED
            ),
            # All that is narrow: figures of groups need not read the descriptions beside it.
            models.Index(
                name="game_figures",
                fields=["release_date", "app_id"],
                include=[*GAME_ORDERED, "windows", "mac", "linux"],
            ),
            *(
                GinIndex(OpClass(Upper(name), name="gin_trgm_ops"), name=f"game_{name}_part")
                for name in GAME_SEARCHED
            ),
            GinIndex(name="game_languages", fields=["supported_languages_list"]),
        )

    def __str__(self) -> str:
        return self.name or f"game {self.pk}"
