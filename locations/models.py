"""Where users were: an average for each user and minute, and which fixes it is made of."""

from typing import Any

from django.contrib.gis.db.models import PointField
from django.contrib.postgres.indexes import BrinIndex, GistIndex
from django.db import models
from django.db.models import CompositePrimaryKey, F, Func, GeneratedField, Q, QuerySet, Subquery
from django.db.models.expressions import Combinable
from django.db.models.functions import Ceil, Now

from config.api.fields import NumericField

MAX_USER_ID_CHARACTERS = 255
# What is told of an average beside its user, and what it is computed from.
AVERAGE_COLUMNS = (
    *("minute", "count", "lat", "long", "accuracy", "speed"),
    *("is_gap", "is_fold", "last_fix_at"),
)
SUM_COLUMNS = ("reference_long", "sum_long_offset", "sum_lat", "sum_accuracy", "sum_speed")


class Fix(models.Model):
    """A fix that was taken in: whatever repeats it changes nothing. Its values are in an average.

    Two timestamps are the same where they say the same: the same local time or, with an offset,
    the same instant.
    """

    pk = CompositePrimaryKey("user_id", "submitted", "has_offset")
    user_id = models.CharField(max_length=MAX_USER_ID_CHARACTERS)
    submitted = models.DateTimeField(
        help_text="the timestamp as submitted: local time written as if it were UTC; with an "
        "offset UTC itself"
    )
    has_offset = models.BooleanField()
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = (BrinIndex(name="fix_received", fields=["received_at"], autosummarize=True),)

    def __str__(self) -> str:
        return f"fix of {self.user_id}, {self.submitted}"


def wrap_longitude(degrees: Combinable) -> Combinable:
    """The same longitude, or difference of longitudes, above -180 and up to 180 degrees."""
    return degrees - 360 * Ceil((degrees - 180) / 360)


# Sums of `numeric` lose nothing, however many they are; sums of doubles do. Longitudes are summed
# up as differences from one of them, so that those on both sides of ±180° are near each other.
AVERAGE_LAT = F("sum_lat") / F("count")
AVERAGE_LONG = wrap_longitude(F("reference_long") + F("sum_long_offset") / F("count"))


def average(expression: Any) -> GeneratedField:
    return GeneratedField(expression=expression, output_field=models.FloatField(), db_persist=True)


class LatestIds(Subquery):
    """Of rows with `id`, `user_id` and `minute` each user's last one, by a loose index scan: from
    each user to the one before, without reading the minutes between."""

    template = """(
        WITH RECURSIVE matching AS NOT MATERIALIZED (%(subquery)s), latest AS (
            (SELECT id, user_id FROM matching ORDER BY user_id DESC, minute DESC LIMIT 1)
            UNION ALL
            SELECT other.id, other.user_id FROM latest CROSS JOIN LATERAL (
                SELECT id, user_id FROM matching WHERE user_id < latest.user_id
                 ORDER BY user_id DESC, minute DESC LIMIT 1
            ) AS other
        )
        SELECT id FROM latest
    )"""


class MinuteAverage(models.Model):
    """The average of a user's fixes within a minute of UTC: degrees (EPSG:4326), metres, metres a
    second."""

    user_id = models.CharField(max_length=MAX_USER_ID_CHARACTERS)
    minute = models.DateTimeField(help_text="UTC")
    count = models.BigIntegerField(help_text="fixes, without repeats")
    last_fix_at = models.DateTimeField(help_text="the latest of the fixes, in UTC")
    is_gap = models.BooleanField(
        help_text="a fix had a local time that does not exist, since clocks were put forward, and "
        "was moved forward with them"
    )
    is_fold = models.BooleanField(
        help_text="a fix had a local time that occurs twice, since clocks were put back; it means "
        "the first unless the user's latest fix was later already"
    )
    lat = average(AVERAGE_LAT)
    long = average(AVERAGE_LONG)
    accuracy = average(F("sum_accuracy") / F("count"))
    speed = average(F("sum_speed") / F("count"))
    point = GeneratedField(
        expression=Func(
            Func(AVERAGE_LONG, AVERAGE_LAT, function="ST_MakePoint"), 4326, function="ST_SetSRID"
        ),
        output_field=PointField(spatial_index=False),
        db_persist=True,
    )
    reference_long = NumericField(help_text="longitude of the first fix")
    sum_long_offset = NumericField(help_text="of the longitudes, as differences from it")
    sum_lat = NumericField()
    sum_accuracy = NumericField()
    sum_speed = NumericField()

    class Meta:
        constraints = (
            models.UniqueConstraint(name="minute_once", fields=["user_id", "minute"]),
            models.CheckConstraint(name="minute_has_fixes", condition=Q(count__gte=1)),
        )
        indexes = (
            BrinIndex(name="minute_when", fields=["minute"], autosummarize=True),
            GistIndex(name="minute_where", fields=["point"]),
        )

    def __str__(self) -> str:
        return f"{self.user_id}, {self.minute}"


def select_latest(minutes: QuerySet[MinuteAverage]) -> QuerySet[MinuteAverage]:
    """Each user's last one of these minutes."""
    rows = minutes.order_by().values("id", "user_id", "minute")
    latest = LatestIds(rows, output_field=models.BigIntegerField())
    return MinuteAverage.objects.using(minutes.db).defer(*SUM_COLUMNS).filter(id__in=latest)


def sort_out_latest(minutes: QuerySet[MinuteAverage]) -> QuerySet[MinuteAverage]:
    """The same by reading all of these minutes."""
    latest = minutes.order_by("user_id", "-minute").distinct("user_id").values("id")
    return MinuteAverage.objects.using(minutes.db).defer(*SUM_COLUMNS).filter(id__in=latest)
