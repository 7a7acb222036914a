"""Games for analysts: the answers of this server beside those of Datasette."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from figures import Line, Quantity, Section, Table, make_section
from footprint_bench import ingest
from loading import RATE, Load, fetch_paths
from location_bench import rotate
from machine import step
from running import WEB_START_SECONDS, answers_health
from supervisor import Refusal, say
from workbench import (
    FILES,
    Bench,
    Options,
    call,
    count_rows,
    end_child,
    ensure_environment,
    ensure_tool,
    find_free_port,
    query,
    read_output,
    run_worker,
)

OURS = "this server"
DATASETTE = "Datasette"
CONNECTIONS = 8
FEW = 2
TABLES = {"games": "explorer_game", "trips": "explorer_trip"}
VALUES = 50  # that a query is asked with, one after the other
PAGE_ROWS = 100
AGES = (12, 16, 17, 18)  # of the generated games that have one
RATE_WANTED, P95_WANTED = 5.0, 1.0

LATENCY = Quantity("p95 in ms")
WORD = re.compile("[A-Za-z]+")
# Datasette's names of what is asked for by ours.
THEIR_NAMES = {
    "name": "name__contains",
    "about_the_game": "about_the_game__contains",
    "ordering": "_sort",
}

SAMPLE_GAMES = """
    SELECT json_build_object('name', name, 'text', about_the_game, 'day', release_date,
                             'positive', positive)
      FROM explorer_game
     WHERE name ~ '^[A-Za-z]+ [A-Za-z]+$' AND positive > 1000
     ORDER BY md5(app_id::text) LIMIT {count}
"""
READ_GAMES = """
    SELECT json_build_array(
               app_id, source_index, name, release_date_text, release_date, release_date_precision,
               required_age, price, dlc_count, about_the_game, supported_languages, windows, mac,
               linux, positive, negative, score_rank, developers, publishers, categories, genres,
               tags)
      FROM explorer_game
"""
CREATE_GAMES = """
    CREATE TABLE games (
        app_id INTEGER PRIMARY KEY, source_index INTEGER, name TEXT, release_date_text TEXT,
        release_date TEXT, release_date_precision TEXT, required_age INTEGER, price REAL,
        dlc_count INTEGER, about_the_game TEXT, supported_languages TEXT, windows INTEGER,
        mac INTEGER, linux INTEGER, positive INTEGER, negative INTEGER, score_rank REAL,
        developers TEXT, publishers TEXT, categories TEXT, genres TEXT, tags TEXT)
"""
INSERT_GAME = "INSERT INTO games VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
INDEX_GAMES = """
    CREATE INDEX games_release_date ON games (release_date);
    CREATE INDEX games_required_age ON games (required_age);
    CREATE INDEX games_price ON games (price);
    ANALYZE;
"""
GROUP_GAMES = """
    SELECT required_age, count(*) AS count, avg(price) AS "avg:price" FROM games
     GROUP BY required_age HAVING count(*) >= CAST(:least AS INTEGER) ORDER BY required_age
"""
PRINT_VERSION = """
from importlib.metadata import version
import sqlite3
print(f"Datasette {version('datasette')} with SQLite {sqlite3.sqlite_version}")
"""


@dataclass(frozen=True)
class Query:
    """One query with its values: the addresses of ours, and those of Datasette."""

    name: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...] = ()


# Puts a load on one of those that are compared: the query, the other's name, and the seconds.
Driver = Callable[[Query, str, int], Load]


# Measuring


def measure_explorer(bench: Bench, options: Options) -> Section:
    ensure_tool(bench.workshop, "wrk")
    python = ensure_environment(bench.workshop, "datasette", "datasette")
    load_games(bench, options.rows)
    file = FILES / "games.db"
    with step("Games into SQLite"):
        write_database(file, read_lines(bench, READ_GAMES))
    queries = list_queries(read_lines(bench, SAMPLE_GAMES.format(count=VALUES)))
    with run_datasette(bench, python, file) as port:
        ports = {OURS: bench.web, DATASETTE: port}
        for one in queries:
            check_answers(bench, port, one)
        loads = measure_queries(partial(drive, bench, ports), list(ports), queries, options)
    what = (
        f"{count_rows(bench, 'explorer_game'):,} games"
        f" ({(FILES / f'games-{options.rows}.csv').stat().st_size / 1e6:,.0f} MB as CSV), rounds:"
        f" {options.rounds}, {options.seconds} s each; {CONNECTIONS} connections."
    )
    peers = read_output(bench, DATASETTE, python, "-c", PRINT_VERSION)
    return make_section(what, make_tables(queries, loads), peers=peers)


def load_games(bench: Bench, rows: int) -> None:
    with run_worker(bench, loaders=2) as worker:
        ingest(bench, worker, "games", rows)
    settle(bench)


def settle(bench: Bench) -> None:
    """What autovacuum and the checkpointer would do while it is measured, if they came to it."""
    query(bench, "VACUUM ANALYZE")
    query(bench, "CHECKPOINT")


def read_lines(bench: Bench, statement: str) -> list[Any]:
    """What each row of a statement holds as JSON; raises Refusal where there is none."""
    found = [json.loads(line) for line in query(bench, statement).splitlines()]
    if not found:
        raise Refusal("There are too few rows to ask for.")
    return found


def write_database(file: Path, rows: Sequence[Sequence[Any]]) -> None:
    """The games as a file of SQLite, with the indexes that its owner would give it."""
    file.unlink(missing_ok=True)
    with closing(sqlite3.connect(file)) as database:
        database.execute(CREATE_GAMES)
        database.executemany(INSERT_GAME, rows)
        database.commit()
        database.executescript(INDEX_GAMES)


@contextmanager
def run_datasette(bench: Bench, python: str, file: Path) -> Iterator[int]:
    """The port where it serves the file, until the block ends."""
    port = find_free_port()
    serve = ("-m", "datasette", "serve", str(file), "--host", "127.0.0.1", "--port", str(port))
    limits = ("--setting", "sql_time_limit_ms", "60000", "--setting", "suggest_facets", "off")
    child = bench.supervisor.keep_running(
        bench.workshop.program("datasette", python, *serve, *limits)
    )
    bench.supervisor.wait_until(lambda: answers_health(port), child, WEB_START_SECONDS)
    yield port
    end_child(bench.supervisor, child)


def list_queries(games: Sequence[Mapping[str, Any]]) -> list[Query]:
    """With words and days of these games."""
    months = [date.fromisoformat(game["day"]).replace(day=1) for game in games]
    return [
        ask_both("part of the name", [{"name": find_word(game["name"])} for game in games]),
        ask_both(
            "part of the description",
            [{"about_the_game": find_word(game["text"])} for game in games],
        ),
        ask_both("a number", [{"required_age": age} for age in AGES]),
        ask_both("dates, in their order", [ask_days(month, 31) for month in months]),
        Query(
            "figures of groups",
            tuple(map(group_ours, range(1, VALUES + 1))),
            tuple(map(group_theirs, range(1, VALUES + 1))),
        ),
    ]


def find_word(text: str) -> str:
    """The longest, and the first of these."""
    words: list[str] = WORD.findall(text)
    return max(words, key=len)


def ask_days(first: date, count: int) -> dict[str, Any]:
    return {
        "release_date__gte": first,
        "release_date__lt": first + timedelta(count),
        "ordering": "release_date",
    }


def ask_both(name: str, asked: Sequence[Mapping[str, Any]]) -> Query:
    return Query(name, tuple(map(ask_ours, asked)), tuple(map(ask_theirs, asked)))


def ask_ours(asked: Mapping[str, Any], table: str = "games") -> str:
    return f"/api/v1/{table}/?{urlencode({**asked, 'page_size': PAGE_ROWS})}"


def ask_theirs(asked: Mapping[str, Any]) -> str:
    named = {THEIR_NAMES.get(name, name): value for name, value in asked.items()}
    return f"/games/games.json?{urlencode({**named, '_shape': 'objects', '_size': PAGE_ROWS})}"


def group_ours(least: int) -> str:
    asked = {"group_by": "required_age", "metrics": "count,avg:price"}
    return f"/api/v1/games/aggregate/?{urlencode({**asked, 'having': f'count__gte:{least}'})}"


def group_theirs(least: int) -> str:
    return f"/games.json?{urlencode({'sql': GROUP_GAMES, 'least': least, '_shape': 'objects'})}"


def check_answers(bench: Bench, port: int, one: Query) -> None:
    """Raises Refusal where the first of its addresses gives other rows here than there."""
    ours = call(bench, "GET", one.ours[0])
    theirs = call(replace(bench, web=port), "GET", one.theirs[0])
    check_rows(one.name, ours["results"], theirs["rows"])
    if "count" in ours and ours["count"] != theirs["filtered_table_rows_count"]:
        found = theirs["filtered_table_rows_count"]
        raise Refusal(f"{one.name}: {ours['count']} rows here, {found} in {DATASETTE}.")


def check_rows(
    name: str, ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]
) -> None:
    """In the columns that both have."""
    found = [[simplify(row[column]) for column in theirs[0]] for row in ours] if theirs else []
    if not found or found != [[simplify(value) for value in row.values()] for row in theirs]:
        raise Refusal(f"{name}: {OURS} answers with other rows than {DATASETTE}, or with none.")


def simplify(value: Any) -> Any:
    """An average, to the digits that a double has for certain."""
    return round(value, 9) if isinstance(value, float) else value


def measure_queries(
    driver: Driver, names: Sequence[str], queries: Sequence[Query], options: Options
) -> dict[str, list[Load]]:
    """All rounds, by the query's name and who answered, each time another one first. A round before
    them does not count."""
    loads: dict[str, list[Load]] = {}
    for number in range(options.rounds + 1):
        say(f"Round {number} of {options.rounds}" if number else "Warm-up")
        for one, name in itertools.product(queries, rotate(names, number)):
            with step(f"{one.name}, {name}"):
                load = driver(one, name, options.seconds)
            if number:
                loads.setdefault(f"{one.name}, {name}", []).append(load)
    return loads


def drive(bench: Bench, ports: Mapping[str, int], one: Query, name: str, seconds: int) -> Load:
    paths = one.ours if name == OURS else one.theirs
    load = fetch_paths(bench, ports[name], paths, connections=CONNECTIONS, seconds=seconds)
    bench.supervisor.pump(0)  # Ctrl-C ended wrk, too
    if load.refused:
        raise Refusal(f"{one.name}: {name} answered {load.refused} times with 503.")
    return load


def measure_alone(
    bench: Bench, dataset: str, queries: Sequence[Query], options: Options
) -> tuple[str, dict[str, list[Load]]]:
    """How many rows there are, and the loads of each query on them: this server's, over so few
    connections that it is an answer's time that is measured."""
    name = f"{count_rows(bench, TABLES[dataset]):,} {dataset}"
    return name, measure_queries(partial(drive_few, bench), [name], queries, options)


def drive_few(bench: Bench, one: Query, name: str, seconds: int) -> Load:
    load = fetch_paths(bench, bench.web, one.ours, connections=FEW, seconds=seconds)
    bench.supervisor.pump(0)
    return load


# Telling


def make_tables(queries: Sequence[Query], loads: Mapping[str, Sequence[Load]]) -> list[Table]:
    """How many answers, and how long they took."""
    rates = {name: tuple(load.rate for load in found) for name, found in loads.items()}
    names = (DATASETTE, OURS)
    return [
        Table(compare(queries, names, rates, RATE_WANTED), RATE),
        Table(compare(queries, names, list_p95(loads), P95_WANTED), LATENCY),
    ]


def list_p95(loads: Mapping[str, Sequence[Load]]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(load.p95_ms for load in found) for name, found in loads.items()}


def compare(
    queries: Sequence[Query],
    names: tuple[str, str],
    figures: Mapping[str, tuple[float, ...]],
    wanted: float | None,
) -> list[Line]:
    """For each query the line of the first name, and that of the second against it."""
    lines = []
    for one in queries:
        base, other = (f"{one.name}, {name}" for name in names)
        lines += [Line(base, figures[base]), Line(other, figures[other], base, wanted)]
    return lines
