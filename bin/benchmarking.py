"""What `bin/bench` does: Catchment, and what others do with the same data, measured side by side.

It sets up as `bin/test` does, apart from it, with the durable settings of `bin/up`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from environment import clean_environment
from figures import PAGE, fill, read_page
from import_bench import DISK_BYTES_PER_ROW, STREAM_DISK_SHARE, measure_all, measure_stream
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
from workbench import LOCAL, LOGS, Options, make_environment, make_fresh_home, remove_stores, start


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
    imports.add_argument("--output", type=Path, default=PAGE, help="the page that is filled in")
    found = parser.parse_args(arguments)
    pgloader = not found.without_pgloader
    return Options(found.rows, found.rounds, found.stream_gb, pgloader, found.output.resolve())


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
        measure = measure_stream if options.stream_gb else measure_all
        report(options, measure(bench, options))
    return 0


def count_disk_bytes(options: Options) -> int:
    size = int(options.stream_gb * 1e9 * STREAM_DISK_SHARE) or options.rows * DISK_BYTES_PER_ROW
    return size + LEAST_FREE_BYTES


def marker_of(options: Options) -> str:
    return "bin/bench import --stream-gb" if options.stream_gb else "bin/bench import"


def report(options: Options, content: str) -> None:
    say(f"\n{content}\n")
    page = fill(read_page(options.output), marker_of(options), content)
    options.output.write_text(page)
    say(f"Written to {options.output}.")
