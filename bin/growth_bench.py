"""How time grows with size: of imports, the heatmap, the explorer's answers, and stored minutes."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from explorer_bench import (
    FEW,
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
    measure_alone,
    read_lines,
    settle,
)
from figures import (
    SECONDS,
    Line,
    Plot,
    Quantity,
    Section,
    Table,
    write_rounds,
    write_table,
)
from footprint_bench import FIRST, HEAT, TABLE, ingest, measure_heat
from import_bench import CLEAN, CSV_TWO, Case, make_clean_file, measure_import
from loading import CONNECTIONS, RATE, read_statement
from location_bench import (
    BARE,
    OURS,
    drive_service,
    drive_statement,
    measure_load,
    rotate,
)
from machine import step
from supervisor import say
from workbench import Bench, Options, count_rows, ensure_tool, query, run_worker

RARE_LETTERS = 6
TEXTS = 2_000  # that are looked through for rare words
# Of an answer's time, where there are ten times as many games.
RATIO_WANTED = 3.0

# Users of stored minutes, a thousand each on a way of their own, are named so that those who send
# lie among them.
STORED = """
    SELECT 'run' || left(md5((n / 1000)::text), 8) || '-stored' AS user_id,
           '2024-01-01Z'::timestamptz + n % 1000 * interval '1 minute' AS minute,
           10 + n / 1000 * 37 % 6000 * 0.001 + n % 1000 * 0.00001 AS long,
           50 + n / 1000 * 91 % 5000 * 0.001 + n % 1000 * 0.00001 AS lat
      FROM generate_series({first}, {last}) AS n
"""
FILL = """
    INSERT INTO locations_fix (user_id, submitted, has_offset)
    SELECT user_id, minute, false FROM ({stored}) AS stored;
    INSERT INTO locations_minuteaverage (
        user_id, minute, count, last_fix_at, is_gap, is_fold,
        reference_long, sum_long_offset, sum_lat, sum_accuracy, sum_speed
    )
    SELECT user_id, minute, 1, minute, false, false, long, 0, lat, 12.5, 1.25
      FROM ({stored}) AS stored
"""
# What the measurement before has left.
FORGET = """
    DELETE FROM locations_fix WHERE user_id NOT LIKE '%-stored';
    DELETE FROM locations_minuteaverage WHERE user_id NOT LIKE '%-stored'
"""

TIME_GROWS = "1 is linear, ten times as long for ten times as many; 0 the same time for any number"
RATE_FALLS = "0 is the same rate for any number, -1 a tenth of it for ten times as many"
EXPONENT = "The exponent is the slope of the straight line that fits the logarithms best"


@dataclass(frozen=True)
class Growth:
    """Figures at each of the sizes, by what was measured: those of all rounds."""

    file: str
    title: str
    sizes_of: str
    sizes: Sequence[int]
    series: Mapping[str, Sequence[tuple[float, ...]]]
    quantity: Quantity = SECONDS


# Imports


def grow_imports(bench: Bench, sizes: Sequence[int], options: Options) -> Section:
    folders = {size: make_clean_file(bench, size).name for size in sizes}
    seconds: dict[int, tuple[float, ...]] = dict.fromkeys(sizes, ())
    with run_worker(bench, loaders=2) as worker:
        for number in range(1, options.rounds + 1):
            say(f"Round {number} of {options.rounds}")
            for size, folder in folders.items():
                case = Case(f"{size:,} trips, {CSV_TWO}", CLEAN, 2, "", 0)
                figure = measure_import(bench, worker, case, f"{folder}/{CLEAN}", size)
                seconds[size] += (figure.seconds,)
    growth = Growth(
        "imports", "Imports of trips", "trips", sizes, {CSV_TWO: list(seconds.values())}
    )
    return tell(growth, f"Rounds: {options.rounds}.")


# The heatmap


def grow_heatmap(bench: Bench, sizes: Sequence[int], options: Options) -> Section:
    counts: list[int] = []
    series: dict[str, list[tuple[float, ...]]] = {HEAT: [], FIRST: []}
    for size in sizes:
        with run_worker(bench, loaders=2) as worker:
            ingest(bench, worker, "footprints", size)
        settle(bench)
        counts.append(count_rows(bench, TABLE))
        measure_heat(bench)  # the first one reads from the disk
        rounds = [measure_heat(bench) for _ in range(options.rounds)]
        series[FIRST].append(tuple(first for first, _ in rounds))
        series[HEAT].append(tuple(whole for _, whole in rounds))
    growth = Growth("heatmap", "The heatmap", "footprints", counts, series)
    return tell(growth, f"Rounds: {options.rounds}.")


# The explorer


def grow_explorer(bench: Bench, sizes: Sequence[int], options: Options) -> Section:
    """The table of the first size is what all sizes are asked for."""
    ensure_tool(bench.workshop, "wrk")
    load_games(bench, sizes[0])
    queries = list_selective(read_lines(bench, SAMPLE_GAMES.format(count=TEXTS)))
    names: list[str] = []
    p95: dict[str, tuple[float, ...]] = {}
    for place, size in enumerate(sizes):
        if place:
            load_games(bench, size)
        name, loads = measure_alone(bench, "games", queries, options)
        names.append(name)
        p95 |= list_p95(loads)
    series = {one.name: [p95[f"{one.name}, {name}"] for name in names] for one in queries}
    growth = Growth("explorer", "Answers of the explorer", "games", sizes, series, LATENCY)
    wanted = RATIO_WANTED if sizes[-1] == 10 * sizes[-2] else None
    ratios = Table(compare(queries, (names[-2], names[-1]), p95, wanted), LATENCY)
    what = f"Rounds: {options.rounds}, {options.seconds} s each; {FEW} connections."
    return tell(growth, what, ratios)


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


# Stored minutes


def grow_locations(bench: Bench, sizes: Sequence[int], options: Options) -> Section:
    ensure_tool(bench.workshop, "wrk")
    statement = read_statement(bench, "locations.averaging", "ONE")
    drivers = {
        OURS: partial(drive_service, bench, bench.web),
        BARE: partial(drive_statement, bench, statement),
    }
    series: dict[str, list[tuple[float, ...]]] = {name: [] for name in drivers}
    stored = 0
    for size in sizes:
        with step(f"{size:,} minutes"):
            query(bench, make_fill(stored + 1, size))
        stored = size
        rates: dict[str, tuple[float, ...]] = dict.fromkeys(drivers, ())
        for number in range(options.rounds):
            say(f"Round {number + 1} of {options.rounds}")
            for name in rotate(list(drivers), number):
                forget(bench)
                load = measure_load(bench, name, drivers[name], options.seconds)
                rates[name] += (load.rate,)
        for name, found in rates.items():
            series[name].append(found)
    growth = Growth(
        "locations", "Fixes, by what is stored already", "stored minutes", sizes, series, RATE
    )
    what = f"Rounds: {options.rounds}, {options.seconds} s each; {CONNECTIONS} connections."
    return tell(growth, what)


def make_fill(first: int, last: int) -> str:
    return FILL.format(stored=STORED.format(first=first, last=last))


def forget(bench: Bench) -> None:
    query(bench, FORGET)
    for table in ("locations_fix", "locations_minuteaverage"):
        query(bench, f"VACUUM ANALYZE {table}")
    query(bench, "CHECKPOINT")


# Telling


def tell(growth: Growth, what: str, *tables: Table) -> Section:
    plot = make_plot(growth)
    meaning = RATE_FALLS if growth.quantity.is_more_better else TIME_GROWS
    parts = (
        what,
        write_growth(growth),
        f"{EXPONENT}: {meaning}.",
        *(table.write() for table in tables),
        f"![{growth.title}]({plot.file})",
    )
    return Section("\n\n".join(parts), tables, plot=plot)


def write_growth(growth: Growth) -> str:
    sizes = [f"{size:,} {growth.sizes_of}" for size in growth.sizes]
    rows = [
        [
            name,
            *(write_rounds(Line(name, found), growth.quantity) for found in figures),
            f"{fit_exponent(growth.sizes, find_medians(figures)):.2f}",
        ]
        for name, figures in growth.series.items()
    ]
    return write_table([growth.quantity.name, *sizes, "exponent"], rows)


def find_medians(figures: Sequence[tuple[float, ...]]) -> list[float]:
    return [statistics.median(found) for found in figures]


def fit_exponent(sizes: Sequence[int], figures: Sequence[float]) -> float:
    """By least squares of the logarithms."""
    logarithms = [math.log(size) for size in sizes], [math.log(figure) for figure in figures]
    return statistics.linear_regression(*logarithms).slope


def make_plot(growth: Growth) -> Plot:
    series = {}
    for name, figures in growth.series.items():
        medians = find_medians(figures)
        exponent = fit_exponent(growth.sizes, medians)
        series[f"{name} (exponent {exponent:.2f})"] = medians
    return Plot(
        f"growth/{growth.file}.png",
        growth.title,
        growth.sizes_of,
        growth.quantity.name,
        growth.sizes,
        series,
    )


# What of it there is


@dataclass(frozen=True)
class Kind:
    """The sizes of the page, how often and how long it is measured, and what a row takes."""

    measure: Callable[[Bench, Sequence[int], Options], Section]
    sizes: tuple[int, ...]
    options: Options
    file_bytes: int  # of each row of each size
    table_bytes: int  # of each row of the largest, with indexes and the log

    def count_disk_bytes(self, sizes: Sequence[int]) -> int:
        return sum(sizes) * self.file_bytes + max(sizes) * self.table_bytes


KINDS = {
    "imports": Kind(
        grow_imports, (1_000_000, 3_000_000, 10_000_000, 30_000_000), Options(rounds=3), 170, 500
    ),
    "heatmap": Kind(grow_heatmap, (10_000, 100_000, 1_000_000), Options(rounds=5), 1_500, 15_000),
    "explorer": Kind(
        grow_explorer, (10_000, 100_000, 1_000_000), Options(rounds=3, seconds=5), 600, 9_000
    ),
    "locations": Kind(
        grow_locations, (1_000, 100_000, 10_000_000), Options(rounds=3, seconds=10), 0, 1_500
    ),
}
