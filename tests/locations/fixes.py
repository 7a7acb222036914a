"""Fixes for tests, and what their averages must be: exact fractions, the first that arrives."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from django.db import connections

from locations.fixes import NewFix
from locations.models import MinuteAverage
from locations.zones import find_moment, read_timestamp

BERLIN = (52.5, 13.4)
NEW_YORK = (40.7, -74.0)


def make_fix(timestamp: str, user_id: str = "ada", **values: float) -> NewFix:
    found = {"lat": BERLIN[0], "long": BERLIN[1], "accuracy": 10.0, "speed": 1.0} | values
    moment = find_moment(read_timestamp(timestamp), lat=found["lat"], long=found["long"])
    return NewFix(user_id, moment, **{name: float(value) for name, value in found.items()})


@dataclass
class Expected:
    """A minute of a user as it must be."""

    count: int = 0
    longs: list[Fraction] = field(default_factory=list)
    sums: dict[str, Fraction] = field(default_factory=dict)

    def add(self, values: dict[str, float]) -> None:
        self.count += 1
        # As it is written: the shortest text that means this double.
        exact = {name: Fraction(repr(float(value))) for name, value in values.items()}
        self.longs.append(exact.pop("long"))
        for name, value in exact.items():
            self.sums[name] = self.sums.get(name, Fraction(0)) + value

    def average(self) -> dict[str, float]:
        first = self.longs[0]
        long = first + sum((wrap(long - first) for long in self.longs), Fraction(0)) / self.count
        averages = {name: float(total / self.count) for name, total in self.sums.items()}
        return {"count": self.count, "long": float(wrap(long)), **averages}


def wrap(degrees: Fraction) -> Fraction:
    while degrees > 180:
        degrees -= 360
    while degrees <= -180:
        degrees += 360
    return degrees


Key = tuple[str, datetime]


def expect(fixes: Iterable[tuple[NewFix, datetime]]) -> dict[Key, dict[str, float]]:
    """The averages by user and minute of fixes that each count at this instant."""
    minutes: dict[Key, Expected] = {}
    for fix, at in fixes:
        key = (fix.user_id, at.replace(second=0, microsecond=0))
        names = ("lat", "long", "accuracy", "speed")
        minutes.setdefault(key, Expected()).add({name: getattr(fix, name) for name in names})
    return {key: minute.average() for key, minute in minutes.items()}


def read_averages() -> dict[Key, dict[str, Any]]:
    names = ("count", "long", "lat", "accuracy", "speed")
    return {
        (average.user_id, average.minute): {name: getattr(average, name) for name in names}
        for average in MinuteAverage.objects.all()
    }


def run_at_once(*targets: Callable[[], Any]) -> list[Any]:
    """What they return, each with a connection of its own."""
    start = threading.Barrier(len(targets))

    def run(target: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return target()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(targets)) as pool:
        return list(pool.map(run, targets))
