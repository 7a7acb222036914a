from typing import Any

import pytest
from django.db import connection
from loading import Load
from rest_framework.test import APIClient
from trip_bench import SAMPLE_TRIPS, list_trip_queries, write_trips

from config.api.reading import READER
from explorer.models import Trip
from tests.explorer.trips import PICKUP, import_trips

through_reader = pytest.mark.django_db(transaction=True, databases=["default", READER])


@through_reader
def test_addresses_of_trips_find_what_they_are_made_of(api: APIClient) -> None:
    first, _ = import_trips(
        {"pu_location_id": 7, "trip_miles": 31, "base_passenger_fare": 12},
        {"pickup_datetime": PICKUP.replace(year=2023), "pu_location_id": 8, "trip_miles": 30.9},
    )
    sample = SAMPLE_TRIPS.format(step=1, count=1)
    with connection.cursor() as cursor:
        cursor.execute(sample)
        trips: list[dict[str, Any]] = [row for (row,) in cursor.fetchall()]

    *pages, groups = [api.get(one.ours[0]).json() for one in list_trip_queries(trips)]

    assert Trip.objects.order_by("id").first() == first
    assert [page["count"] for page in pages] == [2, 1, 1, 1, 1, 1]
    assert [group["count"] for group in groups["results"]] == [1]


def test_table_of_trips_tells_what_was_refused() -> None:
    loads = {
        "the first page, 9 trips": [Load(60, 1.0, p95_ms=12.0), Load(40, 1.0, p95_ms=14.0)],
        "a fare, 9 trips": [Load(8, 1.0, p95_ms=5100.0, refused=2)],
    }

    assert write_trips(loads).splitlines()[2:] == [
        "| the first page, 9 trips | 13.00 (12.00 to 14.00) | ≤ 100 | 100 | 0% |",
        "| a fare, 9 trips | 5100.00 | ≤ 2000 | 8 | 25% |",
    ]
