"""Trips for analysts: how long this server takes for pages and figures of a large table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from explorer_bench import (
    FEW,
    LATENCY,
    VALUES,
    Query,
    ask_ours,
    measure_alone,
    read_lines,
    settle,
)
from figures import Line, Section, make_section, write_rounds, write_table
from footprint_bench import ingest
from loading import Load
from workbench import Bench, Options, ensure_tool, run_worker

FIRST_PAGE = "the first page"
FIRST_PAGE_MS, FILTERED_MS = 100, 2_000
PATIENCE = 4  # times as long as games are measured: an answer may take seconds
SAMPLE_TRIPS = """
    SELECT json_build_object('hour', date_trunc('hour', pickup_datetime),
                             'zone', pu_location_id, 'fare', base_passenger_fare)
      FROM explorer_trip WHERE id % {step} = 0 ORDER BY id LIMIT {count}
"""


def measure_trips(bench: Bench, options: Options) -> Section:
    ensure_tool(bench.workshop, "wrk")
    with run_worker(bench, loaders=2) as worker:
        ingest(bench, worker, "trips", options.rows)
    settle(bench)
    sample = SAMPLE_TRIPS.format(step=max(options.rows // VALUES, 1), count=VALUES)
    queries = list_trip_queries(read_lines(bench, sample))
    patient = replace(options, seconds=options.seconds * PATIENCE)
    _, loads = measure_alone(bench, "trips", queries, patient)
    what = f"Rounds: {patient.rounds}, {patient.seconds} s each; {FEW} connections."
    return make_section(what, [], write_trips(loads))


def list_trip_queries(trips: Sequence[Mapping[str, Any]]) -> list[Query]:
    hours = [ask_times(trip["hour"], timedelta(hours=1)) for trip in trips]
    days = [ask_times(trip["hour"], timedelta(days=1)) for trip in trips]
    zones = [{"pu_location_id": trip["zone"]} for trip in trips]
    asked: dict[str, list[dict[str, Any]]] = {
        FIRST_PAGE: [{}],
        "an hour": hours,
        "a zone": zones,
        "31 miles and more": [{"trip_miles__gte": 31 + place / 100} for place in range(VALUES)],
        "a fare": [{"base_passenger_fare": trip["fare"]} for trip in trips],
        "an hour and a zone": [{**hour, **zone} for hour, zone in zip(hours, zones, strict=True)],
    }
    pages = [
        Query(name, tuple(ask_ours(values, "trips") for values in found))
        for name, found in asked.items()
    ]
    return [*pages, Query("figures of a day's hours", tuple(map(group_trips, days)))]


def ask_times(first: str, length: timedelta) -> dict[str, Any]:
    last = datetime.fromisoformat(first) + length
    return {"pickup_datetime__gte": first, "pickup_datetime__lt": last.isoformat()}


def group_trips(asked: Mapping[str, Any]) -> str:
    grouped = {**asked, "group_by": "pickup_datetime:hour", "metrics": "count"}
    return f"/api/v1/trips/aggregate/?{urlencode(grouped)}"


def write_trips(loads: Mapping[str, Sequence[Load]]) -> str:
    """Beside the time how many of the answers said that the query takes too long."""
    rows = []
    for name, found in loads.items():
        count = sum(load.count for load in found)
        wanted = FIRST_PAGE_MS if name.startswith(FIRST_PAGE) else FILTERED_MS
        figures = Line(name, tuple(load.p95_ms for load in found))
        share = sum(load.refused for load in found) / count
        rows.append(
            [name, write_rounds(figures, LATENCY), f"≤ {wanted}", f"{count:,}", f"{share:.0%}"]
        )
    return write_table(["what", LATENCY.name, "wanted", "answers", "of these 503"], rows)
