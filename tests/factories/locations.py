"""Averages of locations: one user after the other, in the same minute."""

from datetime import UTC, datetime
from decimal import Decimal

import factory

from locations.models import Fix, MinuteAverage

MINUTE = datetime(2024, 7, 1, 10, 0, tzinfo=UTC)


class MinuteAverageFactory(factory.django.DjangoModelFactory[MinuteAverage]):
    """Of one fix, at `at_lat` and `at_long`."""

    class Meta:
        model = MinuteAverage

    class Params:
        at_lat = 52.5
        at_long = 13.4

    user_id = factory.Sequence(lambda n: f"user-{n}")
    minute = MINUTE
    count = 1
    last_fix_at = factory.SelfAttribute("minute")
    is_gap = False
    is_fold = False
    reference_long = factory.LazyAttribute(lambda o: Decimal(str(o.at_long)))
    sum_long_offset = Decimal(0)
    sum_lat = factory.LazyAttribute(lambda o: Decimal(str(o.at_lat)) * o.count)
    sum_accuracy = factory.LazyAttribute(lambda o: Decimal("12.5") * o.count)
    sum_speed = factory.LazyAttribute(lambda o: Decimal("1.25") * o.count)


class FixFactory(factory.django.DjangoModelFactory[Fix]):
    class Meta:
        model = Fix

    user_id = "ada"
    submitted = MINUTE
    has_offset = False
