"""The explorer's answers as its tables grow: of ten times as many games, and of trips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from explorer_bench import (
    LATENCY,
    SAMPLE_GAMES,
    VALUES,
    WORD,
    Query,
    ask_days,
    ask_ours,
    compare,
    list_p95,
    load_games,
    measure_queries,
    read_lines,
    settle,
)
from figures import Line, write_figures, write_rounds, write_table
from footprint_bench import ingest
from loading import Load, fetch_paths
from workbench import (
    Bench,
    Options,
    count_rows,
    describe_machine,
    ensure_tool,
    run_worker,
)

CONNECTIONS = 2  # an answer's time is asked for, not how many there are
GROWTH = 10
GROWTH_WANTED = 3.0
RARE_LETTERS = 6
TEXTS = 2_000  # that are looked through for rare words
TABLES = {"games": "explorer_game", "trips": "explorer_trip"}

FIRST_PAGE = "the first page"
FIRST_PAGE_MS, FILTERED_MS = 100, 2_000
TRIP_PATIENCE = 4  # times as long as games are measured: an answer may take seconds
SAMPLE_TRIPS = """
    SELECT json_build_object('hour', date_trunc('hour', pickup_datetime),
                             'zone', pu_location_id, 'fare', base_passenger_fare)
      FROM explorer_trip WHERE id % {step} = 0 ORDER BY id LIMIT {count}
"""


# Games


def measure_growth(bench: Bench, options: Options) -> str:
    """The measured part of the page, as Markdown."""
    ensure_tool(bench.workshop, "wrk")
    load_games(bench, options.rows)
    queries = list_selective(read_lines(bench, SAMPLE_GAMES.format(count=TEXTS)))
    few, before = measure_table(bench, "games", queries, options)
    load_games(bench, GROWTH * options.rows)
    many, after = measure_table(bench, "games", queries, options)
    lines = compare(queries, (few, many), list_p95({**before, **after}), GROWTH_WANTED)
    what = f"Rounds: {options.rounds}, {options.seconds} s each; {CONNECTIONS} connections."
    return "\n\n".join([describe_machine(bench), what, write_figures(lines, LATENCY)])


def measure_table(
    bench: Bench, dataset: str, queries: Sequence[Query], options: Options
) -> tuple[str, dict[str, list[Load]]]:
    """How many rows there are, and the loads of each query on them."""
    name = f"{count_rows(bench, TABLES[dataset]):,} {dataset}"
    return name, measure_queries(partial(drive, bench), [name], queries, options)


def list_selective(games: Sequence[Mapping[str, Any]]) -> list[Query]:
    """Queries that few rows answer."""
    words = find_rare_words([game["text"] for game in games])[:VALUES]
    games = games[:VALUES]
    days = [date.fromisoformat(game["day"]) for game in games]
    asked: dict[str, list[dict[str, Any]]] = {
        "a whole name": [{"name": game["name"]} for game in games],
        "a rare word of the description": [{"about_the_game": word} for word in words],
        "a number that is rare": [{"positive": game["positive"]} for game in games],
        "a week, in its order": [ask_days(day, 7) for day in days],
    }
    return [Query(name, tuple(map(ask_ours, found))) for name, found in asked.items()]


def find_rare_words(texts: Sequence[str]) -> list[str]:
    """Those that one of the texts has alone."""
    counts = Counter(word for text in texts for word in sorted(set(WORD.findall(text))))
    return [word for word, count in counts.items() if count == 1 and len(word) >= RARE_LETTERS]


def drive(bench: Bench, one: Query, name: str, seconds: int) -> Load:
    return fetch_paths(bench, bench.web, one.ours, connections=CONNECTIONS, seconds=seconds)


# Trips


def measure_trips(bench: Bench, options: Options) -> str:
    """The measured part of the page, as Markdown."""
    ensure_tool(bench.workshop, "wrk")
    with run_worker(bench, loaders=2) as worker:
        ingest(bench, worker, "trips", options.trips)
    settle(bench)
    sample = SAMPLE_TRIPS.format(step=max(options.trips // VALUES, 1), count=VALUES)
    queries = list_trip_queries(read_lines(bench, sample))
    patient = replace(options, seconds=options.seconds * TRIP_PATIENCE)
    _, loads = measure_table(bench, "trips", queries, patient)
    what = f"Rounds: {patient.rounds}, {patient.seconds} s each; {CONNECTIONS} connections."
    return "\n\n".join([describe_machine(bench), what, write_trips(loads)])


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
