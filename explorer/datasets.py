"""The dataset `trips`: for-hire-vehicle records as they are, one partition for each import."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from psycopg import Cursor

from explorer.partitions import (
    attach_partition,
    create_partition,
    drop_partition,
    index_partition,
)
from explorer.samples import write_trips
from imports.datasets import register
from imports.engine.records import Column, Dataset, Staging

TRIPS = "explorer_trip"


def publish(cursor: Cursor[Any], staging: Staging, replaced: Sequence[Staging]) -> None:
    attach_partition(cursor, staging, TRIPS, replaced)


register(
    Dataset(
        name="trips",
        table=TRIPS,
        columns=(
            Column("hvfhs_license_num", "text", is_required=True),
            Column("dispatching_base_num", "text"),
            Column("originating_base_num", "text"),
            Column("request_datetime", "timestamptz"),
            Column("on_scene_datetime", "timestamptz"),
            Column("pickup_datetime", "timestamptz", is_required=True),
            Column("dropoff_datetime", "timestamptz", is_required=True),
            Column("PULocationID", "integer", field="pu_location_id"),
            Column("DOLocationID", "integer", field="do_location_id"),
            Column("trip_miles", "numeric"),
            Column("trip_time", "integer"),
            Column("base_passenger_fare", "numeric"),
            Column("tolls", "numeric"),
            Column("bcf", "numeric"),
            Column("sales_tax", "numeric"),
            Column("congestion_surcharge", "numeric"),
            Column("airport_fee", "numeric"),
            Column("tips", "numeric"),
            Column("driver_pay", "numeric"),
            Column("shared_request_flag", "text"),
            Column("shared_match_flag", "text"),
            Column("access_a_ride_flag", "text"),
            Column("wav_request_flag", "text"),
            Column("wav_match_flag", "text"),
            Column("cbd_congestion_fee", "numeric", is_optional=True),
        ),
        create_staging=partial(create_partition, parent=TRIPS),
        finish=partial(index_partition, parent=TRIPS),
        publish=publish,
        discard=drop_partition,
        write_sample=write_trips,
        time_zone="America/New_York",
    )
)
