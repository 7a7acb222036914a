"""What `bin/bench` is asked to measure, as tasks: each is a section of the page."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from dropzone_bench import measure_dropzone
from explorer_bench import measure_explorer
from figures import PAGE, RELIABILITY, Section
from footprint_bench import measure_heatmap, measure_ingest
from growth_bench import KINDS
from import_bench import (
    DISK_BYTES_PER_ROW,
    STREAM_DISK_SHARE,
    measure_imports,
    measure_stream,
)
from loading import DISK_BYTES_PER_SECOND
from location_bench import measure_locations
from machine import LEAST_FREE_BYTES
from soak_bench import SOAK_DISK_BYTES, SOAK_DISK_BYTES_PER_MINUTE, measure_soak
from trip_bench import measure_trips
from workbench import Bench, Options

# A generated footprint in the file, the staging table, the table with its indexes, and the log.
FOOTPRINT_DISK_BYTES = 20_000
# The same for a game, with the file that Datasette serves.
GAME_DISK_BYTES = 10_000

# One after the other in less than twenty minutes: rows or seconds that still tell.
ALL = {
    "import": Options(rows=1_000_000, rounds=3),
    "heatmap": Options(rows=200_000, rounds=3),
    "ingest": Options(rows=100_000, rounds=3),
    "locations": Options(rounds=3, seconds=10),
    "dropzone": Options(rounds=3, seconds=20),
    "explorer": Options(rows=100_000, rounds=3, seconds=5),
}
ALONE = {
    "import": Options(rows=3_000_000, rounds=3),
    "heatmap": Options(rows=200_000, rounds=3),
    "ingest": Options(rows=1_000_000),
    "locations": Options(rounds=5, seconds=15),
    "dropzone": Options(seconds=60),
    "explorer": Options(rows=100_000, rounds=3, seconds=5),
    "soak": Options(minutes=30),
}
HELP = {
    "import": "imports beside psql and pgloader",
    "heatmap": "heat and tiles beside SQL, a serializer, tipg",
    "ingest": "the ingest of footprints beside shapely alone",
    "locations": "fixes beside FastAPI and the bare statement",
    "dropzone": "payloads beside the bare statement",
    "explorer": "games beside Datasette",
    "soak": "all doors at once, while workers are ended",
}
MEASURES: dict[str, Callable[[Bench, Options], Section]] = {
    "import": partial(measure_imports, with_pgloader=True),
    "heatmap": measure_heatmap,
    "ingest": measure_ingest,
    "locations": measure_locations,
    "dropzone": measure_dropzone,
    "explorer": measure_explorer,
    "soak": measure_soak,
}
ROW_DISK_BYTES = {
    "import": DISK_BYTES_PER_ROW,
    "heatmap": FOOTPRINT_DISK_BYTES,
    "ingest": FOOTPRINT_DISK_BYTES,
    "explorer": GAME_DISK_BYTES,
}


@dataclass(frozen=True)
class Task:
    """What fills one section of the page, and what disk it needs."""

    name: str
    measure: Callable[[Bench], Section]
    disk_bytes: int = 0

    @property
    def marker(self) -> str:
        return f"bin/bench {self.name}"


@dataclass(frozen=True)
class Plan:
    """Tasks one after the other; `command` is what was asked for, where its summary is wanted."""

    tasks: tuple[Task, ...]
    output: Path
    command: str = ""
    own: Path = PAGE  # what another page begins as


# What was asked for


def read_plan(arguments: Sequence[str]) -> Plan:
    """Without arguments it is all that is measured side by side."""
    parser = ArgumentParser("bin/bench", description="Measures Catchment. Without a command: all.")
    commands = parser.add_subparsers(dest="command", required=True)
    add_all(commands)
    for name in ALONE:
        add_bench(commands, name)
    add_growth(commands)
    for name, command in commands.choices.items():
        page = choose_page(name)
        command.add_argument("--output", type=Path, default=page, help="the page that is filled in")
    found = parser.parse_args(arguments or ["all"])
    tasks = found.plan(found)
    told = " ".join(["bin/bench", *arguments]) if found.command == "all" else ""
    return Plan(tuple(tasks), found.output.resolve(), told, choose_page(found.command))


def choose_page(command: str) -> Path:
    return RELIABILITY if command == "soak" else PAGE


def add_all(commands: Any) -> None:
    command = commands.add_parser("all", help="all that is measured side by side, one by one")
    add_sizes(command, Options(rows=1, rounds=1, seconds=1), "of each, in place of its own")
    command.set_defaults(plan=plan_all)


def add_bench(commands: Any, name: str) -> None:
    command = commands.add_parser(name, help=HELP[name])
    add_sizes(command, ALONE[name])
    command.set_defaults(plan=plan_bench)
    if name == "import":
        command.add_argument("--without-pgloader", action="store_true")
        stream = "the memory that a file of this size takes, and nothing else"
        command.add_argument("--stream-gb", type=float, metavar="GB", help=stream)
    if name == "explorer":
        trips = "answers from so many trips, and nothing else"
        command.add_argument("--trips", type=read_count, metavar="N", help=trips)


def add_growth(commands: Any) -> None:
    command = commands.add_parser("growth", help="how time grows with size")
    command.add_argument("--of", choices=KINDS, help="one of them; all by default")
    sizes = "in place of those of the page: 1000,10000"
    command.add_argument("--sizes", type=read_sizes, metavar="N,N", help=sizes)
    add_sizes(command, Options(rounds=1, seconds=1), "of each, in place of its own")
    command.set_defaults(plan=plan_growth)


def add_sizes(command: ArgumentParser, defaults: Options, text: str = "") -> None:
    """Of which such a measurement has any; with a text there are no defaults."""
    for name, default in vars(defaults).items():
        if default:
            told, standard = (text, None) if text else (f"{default:,} by default", default)
            command.add_argument(f"--{name}", type=read_count, default=standard, help=told)


def read_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


def read_sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(map(read_count, text.split(",")))
    if len(sizes) < 2 or list(sizes) != sorted(set(sizes)):
        raise argparse.ArgumentTypeError(f"{text} is not two or more sizes, each above the last")
    return sizes


# Tasks


def plan_all(found: Namespace) -> list[Task]:
    return [make_task(name, resize(options, found)) for name, options in ALL.items()]


def plan_bench(found: Namespace) -> list[Task]:
    name, options = found.command, resize(ALONE[found.command], found)
    if name == "import" and found.stream_gb:
        return [plan_stream(found.stream_gb)]
    if name == "explorer" and found.trips:
        return [plan_trips(replace(options, rows=found.trips))]
    task = make_task(name, options)
    if name == "import" and found.without_pgloader:
        bare = partial(measure_imports, options=options, with_pgloader=False)
        return [replace(task, measure=bare)]
    return [task]


def plan_growth(found: Namespace) -> list[Task]:
    names = [found.of] if found.of else list(KINDS)
    return [grow(name, found) for name in names]


def grow(name: str, found: Namespace) -> Task:
    kind = KINDS[name]
    sizes, options = found.sizes or kind.sizes, resize(kind.options, found)
    disk_bytes = kind.count_disk_bytes(sizes) + count_load_bytes(options)
    return Task(
        f"growth --of {name}", lambda bench: kind.measure(bench, sizes, options), disk_bytes
    )


def make_task(name: str, options: Options) -> Task:
    disk_bytes = options.rows * ROW_DISK_BYTES.get(name, 0) + count_load_bytes(options)
    return Task(name, lambda bench: MEASURES[name](bench, options), disk_bytes)


def plan_stream(gigabytes: float) -> Task:
    disk_bytes = int(gigabytes * 1e9 * STREAM_DISK_SHARE) + LEAST_FREE_BYTES
    return Task("import --stream-gb", partial(measure_stream, gigabytes=gigabytes), disk_bytes)


def plan_trips(options: Options) -> Task:
    disk_bytes = options.rows * DISK_BYTES_PER_ROW + count_load_bytes(options)
    return Task("explorer --trips", partial(measure_trips, options=options), disk_bytes)


def count_load_bytes(options: Options) -> int:
    soak = options.minutes and SOAK_DISK_BYTES + options.minutes * SOAK_DISK_BYTES_PER_MINUTE
    return soak + options.seconds * DISK_BYTES_PER_SECOND + LEAST_FREE_BYTES


def resize(options: Options, found: Namespace) -> Options:
    """With what was given, of what such a measurement has any of."""
    given = {
        name: size
        for name, default in vars(options).items()
        if default and (size := getattr(found, name, None))
    }
    return replace(options, **given)
