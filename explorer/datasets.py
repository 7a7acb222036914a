"""The datasets `trips` (for-hire-vehicle records as they are, one partition for each import) and
`games` (merged by `app_id`)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from psycopg import Cursor

from explorer.game_samples import write_games
from explorer.games import GAME_COLUMNS, create_staging, discard_games, publish_games
from explorer.models import AMOUNT_BOUNDS, EARLIEST, LATEST
from explorer.partitions import (
    attach_partition,
    create_partition,
    drop_partition,
    index_partition,
)
from explorer.samples import write_trips
from imports.datasets import register
from imports.engine.records import Column, Dataset, Staging

GAMES = "explorer_game"
TRIPS = "explorer_trip"
TIME_BOUNDS = f"from {EARLIEST:%Y} on, and before {LATEST:%Y}"


def publish_trips(cursor: Cursor[Any], staging: Staging, replaced: Sequence[Staging]) -> None:
    attach_partition(cursor, staging, TRIPS, replaced)


register(
    Dataset(
        name="trips",
        table=TRIPS,
        columns=(
            Column("hvfhs_license_num", "text", is_required=True),
            Column("dispatching_base_num", "text"),
            Column("originating_base_num", "text"),
            Column("request_datetime", "timestamptz", bounds=TIME_BOUNDS),
            Column("on_scene_datetime", "timestamptz", bounds=TIME_BOUNDS),
            Column("pickup_datetime", "timestamptz", is_required=True, bounds=TIME_BOUNDS),
            Column("dropoff_datetime", "timestamptz", is_required=True, bounds=TIME_BOUNDS),
            Column("PULocationID", "integer", field="pu_location_id"),
            Column("DOLocationID", "integer", field="do_location_id"),
            Column("trip_miles", "numeric", bounds=AMOUNT_BOUNDS),
            Column("trip_time", "integer"),
            Column("base_passenger_fare", "numeric", bounds=AMOUNT_BOUNDS),
            Column("tolls", "numeric", bounds=AMOUNT_BOUNDS),
            Column("bcf", "numeric", bounds=AMOUNT_BOUNDS),
            Column("sales_tax", "numeric", bounds=AMOUNT_BOUNDS),
            Column("congestion_surcharge", "numeric", bounds=AMOUNT_BOUNDS),
            Column("airport_fee", "numeric", bounds=AMOUNT_BOUNDS),
            Column("tips", "numeric", bounds=AMOUNT_BOUNDS),
            Column("driver_pay", "numeric", bounds=AMOUNT_BOUNDS),
            Column("shared_request_flag", "text"),
            Column("shared_match_flag", "text"),
            Column("access_a_ride_flag", "text"),
            Column("wav_request_flag", "text"),
            Column("wav_match_flag", "text"),
            Column("cbd_congestion_fee", "numeric", is_optional=True, bounds=AMOUNT_BOUNDS),
        ),
        create_staging=partial(create_partition, parent=TRIPS),
        finish=partial(index_partition, parent=TRIPS),
        publish=publish_trips,
        discard=drop_partition,
        write_sample=write_trips,
        time_zone="America/New_York",
    )
)

register(
    Dataset(
        name="games",
        table=GAMES,
        columns=GAME_COLUMNS,
        create_staging=create_staging,
        publish=publish_games,
        discard=discard_games,
        write_sample=write_games,
        is_merged=True,
        is_upserted=True,
        is_ordered=True,
    )
)
