"""What `bin/bench` does: Catchment, and what others do with the same data, measured side by side.

It sets up as `bin/test` does, apart from it, with the durable settings of `bin/up`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from dropzone_bench import measure_dropzone
from environment import clean_environment
from explorer_bench import measure_explorer
from figures import PAGE, fill, read_page
from footprint_bench import measure_heatmap, measure_ingest
from growth_bench import GROWTH, measure_growth, measure_trips
from import_bench import DISK_BYTES_PER_ROW, STREAM_DISK_SHARE, measure_all, measure_stream
from loading import DISK_BYTES_PER_SECOND
from location_bench import measure_locations
from machine import (
    CHECKOUT,
    LEAST_FREE_BYTES,
    Needs,
    Workshop,
    check_disk,
    ensure_packages,
    hold_lock,
    make_private_folder,
    sync_python,
)
from running import guard
from stores import make_enterable
from supervisor import Supervisor, kill_leftovers, say
from workbench import (
    LOCAL,
    LOGS,
    Bench,
    Options,
    make_environment,
    make_fresh_home,
    remove_stores,
    start,
)

# A generated footprint in the file, the staging table, the table with its indexes, and the log.
FOOTPRINT_DISK_BYTES = 20_000
# The same for a game, with the file that Datasette serves.
GAME_DISK_BYTES = 10_000


def main(arguments: Sequence[str]) -> int:
    options = read_options(arguments)
    return guard(lambda: run(options))


def read_options(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser("bin/bench", description="Measures Catchment.")
    commands = parser.add_subparsers(dest="command", required=True)
    imports = commands.add_parser("import", help="imports beside psql and pgloader")
    imports.add_argument("--rows", type=read_count, default=3_000_000)
    imports.add_argument("--rounds", type=read_count, default=3)
    stream = "the memory that a file of this size takes, and nothing else"
    imports.add_argument("--stream-gb", type=float, default=0.0, metavar="GB", help=stream)
    imports.add_argument("--without-pgloader", action="store_true")
    heatmap = commands.add_parser("heatmap", help="heat and tiles beside SQL, a serializer, tipg")
    heatmap.add_argument("--rows", type=read_count, default=200_000)
    heatmap.add_argument("--rounds", type=read_count, default=3)
    ingest = commands.add_parser("ingest", help="the ingest of footprints beside shapely alone")
    ingest.add_argument("--rows", type=read_count, default=1_000_000)
    locations = commands.add_parser("locations", help="fixes beside FastAPI and the bare statement")
    locations.add_argument(
        "--seconds", type=read_count, default=15, help="of each measurement, after its warm-up"
    )
    locations.add_argument("--rounds", type=read_count, default=5)
    dropzone = commands.add_parser("dropzone", help="payloads beside the bare statement")
    dropzone.add_argument("--seconds", type=read_count, default=60, help="of the load on the door")
    dropzone.add_argument("--rounds", type=read_count, default=1)
    explorer = commands.add_parser("explorer", help="games beside Datasette")
    explorer.add_argument("--rows", type=read_count, default=100_000)
    explorer.add_argument("--rounds", type=read_count, default=3)
    explorer.add_argument("--seconds", type=read_count, default=5, help="of each measurement")
    sizes = explorer.add_mutually_exclusive_group()
    growth = f"answers from so many games and from {GROWTH} times as many, and nothing else"
    sizes.add_argument("--growth", action="store_true", help=growth)
    trips = "answers from so many trips, and nothing else"
    sizes.add_argument("--trips", type=read_count, default=0, metavar="N", help=trips)
    for command in (imports, heatmap, ingest, locations, dropzone, explorer):
        command.add_argument("--output", type=Path, default=PAGE, help="the page that is filled in")
    found = vars(parser.parse_args(arguments))
    return Options(
        command=found["command"],
        rows=found.get("rows", 0),
        rounds=found.get("rounds", 1),
        seconds=found.get("seconds", 0),
        stream_gb=found.get("stream_gb", 0.0),
        with_pgloader=not found.get("without_pgloader", True),
        with_growth=found.get("growth", False),
        trips=found.get("trips", 0),
        output=found["output"].resolve(),
    )


def read_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


def run(options: Options) -> int:
    make_enterable(CHECKOUT / ".local")
    make_private_folder(LOGS.parent)
    fill(read_page(options.output), marker_of(options), "")  # fails before the work, not after it
    lock = hold_lock(CHECKOUT / ".local/bench.lock", "bin/bench")
    # The cleaning comes last, when the supervisor has ended what works in the folders.
    with lock, ExitStack() as cleaning, Supervisor(LOCAL) as supervisor:
        kill_leftovers(LOCAL)
        workshop = Workshop(supervisor, LOGS, clean_environment(os.environ))
        ensure_packages(Needs(), workshop)
        sync_python(workshop, "--no-dev", "--inexact")
        home = make_fresh_home()
        cleaning.callback(remove_stores, home)
        check_disk(home.data, count_disk_bytes(options))
        bench = start(Workshop(supervisor, LOGS, make_environment(home)), home)
        report(options, choose_measure(options)(bench, options))
    return 0


def choose_measure(options: Options) -> Callable[[Bench, Options], str]:
    return {
        "bin/bench import": measure_all,
        "bin/bench import --stream-gb": measure_stream,
        "bin/bench heatmap": measure_heatmap,
        "bin/bench ingest": measure_ingest,
        "bin/bench locations": measure_locations,
        "bin/bench dropzone": measure_dropzone,
        "bin/bench explorer": measure_explorer,
        "bin/bench explorer --growth": measure_growth,
        "bin/bench explorer --trips": measure_trips,
    }[marker_of(options)]


def count_disk_bytes(options: Options) -> int:
    size = int(options.stream_gb * 1e9 * STREAM_DISK_SHARE) or count_row_bytes(options)
    return size + options.seconds * DISK_BYTES_PER_SECOND + LEAST_FREE_BYTES


def count_row_bytes(options: Options) -> int:
    if options.trips:
        return options.trips * DISK_BYTES_PER_ROW
    each = {"import": DISK_BYTES_PER_ROW, "explorer": GAME_DISK_BYTES}
    times = GROWTH + 1 if options.with_growth else 1
    return options.rows * times * each.get(options.command, FOOTPRINT_DISK_BYTES)


def marker_of(options: Options) -> str:
    flags = {
        " --stream-gb": options.stream_gb,
        " --growth": options.with_growth,
        " --trips": options.trips,
    }
    return f"bin/bench {options.command}{''.join(flag for flag, given in flags.items() if given)}"


def report(options: Options, content: str) -> None:
    say(f"\n{content}\n")
    page = fill(read_page(options.output), marker_of(options), content)
    options.output.write_text(page)
    say(f"Written to {options.output}.")
