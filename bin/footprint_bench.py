"""Footprints: their ingest, heat and tiles, beside what else could be used for each."""

from __future__ import annotations

import http.client
import itertools
import math
import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from figures import Figure, Line, Section, Table, make_section, write_memory
from import_bench import Watch, follow, make_file, read_seconds
from machine import CHECKOUT, step
from running import WEB_START_SECONDS
from supervisor import Child, Refusal, read_parents, say
from workbench import (
    FILES,
    LOOK_SECONDS,
    PEERS,
    Bench,
    Options,
    call,
    count_rows,
    end_child,
    ensure_environment,
    find_free_port,
    psql_command,
    query,
    read_memory,
    read_output,
    read_versions,
    run_worker,
)

TABLE = "footprints_footprint"
HEATMAP = "/api/v1/footprints/heatmap/"
# The others are slow: they get the first rows only, and their time is multiplied.
SERIALIZER_ROWS = 20_000
SHAPELY_ROWS = 20_000
BLOCK_BYTES = 2**16
CLIENTS = 4
REPEATS = 3  # of all tiles, in one measurement
PLACES = ((-9.14, 38.72), (77.59, 12.97), (139.69, 35.69))  # towns of the generated footprints
ZOOMS = range(15)

BARE = "bare SQL that writes the same features"
HEAT = "heatmap, whole"
FIRST = "heatmap, first byte"
SERIALIZER = "`GeoFeatureModelSerializer` of the same points"
TIPG = "tipg, points of the same table"
TILES = "tiles"
SHAPELY = "shapely alone, one process"
INGEST = "ingest, two loaders"
AGAIN = "the same file again"

COPY_FEATURES = """
    COPY (
        SELECT '{"type":"Feature","id":' || id || ',"geometry":{"type":"Point","coordinates":[' ||
               ST_X(point) || ',' || ST_Y(point) || ']},"properties":{"org_id":' || org_id ||
               ',"source_event_timestamp":' ||
               rtrim(to_json(source_event_timestamp AT TIME ZONE 'UTC')::text, '"') ||
               'Z","area_m2":' || area_m2 || ',"weight":1}}'
          FROM footprints_footprint
    ) TO STDOUT
"""


def measure_heatmap(bench: Bench, options: Options) -> Section:
    with run_worker(bench, loaders=2) as worker:
        ingest(bench, worker, "footprints", options.rows)
    count = count_rows(bench, TABLE)
    seconds: dict[str, list[float]] = {}
    growth = 0
    python = ensure_environment(bench.workshop, "tipg", "tipg", "uvicorn")
    with run_tipg(bench, python) as tipg:
        for number in range(1, options.rounds + 1):
            say(f"Round {number} of {options.rounds}")
            before = list_memory(bench)
            for name, taken in measure_round(bench, tipg, count):
                seconds.setdefault(name, []).append(taken)
            growth = max(growth, find_growth(before, list_memory(bench)))
    what = (
        f"{count:,} footprints, rounds: {options.rounds}. Tiles: zoom {ZOOMS[0]} to {ZOOMS[-1]} at"
        f" {len(PLACES)} towns, {CLIENTS} clients at once, {REPEATS} times all of them."
    )
    memory = f"A web worker grew by {growth / 1e6:.0f} MB at most (wanted: 30)."
    gis = read_versions(bench, bench.workshop.python, "djangorestframework-gis")
    peers = f"{gis}, {read_versions(bench, python, 'tipg', 'uvicorn')}"
    return make_section(what, [Table(make_lines(seconds, count))], memory, peers=peers)


def make_lines(seconds: Mapping[str, Sequence[float]], count: int) -> list[Line]:
    times = {name: tuple(found) for name, found in seconds.items()}
    note = f"extrapolated from {min(count, SERIALIZER_ROWS):,} points"
    return [
        Line(BARE, times[BARE]),
        Line(HEAT, times[HEAT], BARE, 1.5),
        Line(FIRST, times[FIRST], limit=0.1),
        Line(SERIALIZER, times[SERIALIZER], note=note),
        Line("heatmap, beside the serializer", times[HEAT], SERIALIZER, 0.05),
        Line(TIPG, times[TIPG]),
        Line(TILES, times[TILES], TIPG, 0.5),
    ]


def measure_round(bench: Bench, tipg: int, count: int) -> Iterator[tuple[str, float]]:
    yield BARE, measure_bare(bench)
    first, whole = measure_heat(bench)
    yield FIRST, first
    yield HEAT, whole
    yield SERIALIZER, measure_serializer(bench, count)
    yield TIPG, measure_tiles(tipg, "tipg", list_tipg_tiles())
    yield TILES, measure_tiles(bench.web, "tiles", list_tiles())


def ingest(bench: Bench, worker: Child, dataset: str, rows: int) -> Figure:
    """Imports so many generated rows, over HTTP."""
    assert worker.pid is not None  # noqa: S101 (it has just answered)
    file = FILES / f"{dataset}-{rows}.csv"
    manage = (bench.workshop.python, str(CHECKOUT / "manage.py"))
    command = ("make_sample", dataset, "--rows", str(rows), "--seed", "1")
    make_file(bench, file, *manage, *command)
    idle_bytes = read_memory(worker.pid, "VmRSS")
    watch = Watch(worker.pid)
    order = {"dataset": dataset, "url": f"http://127.0.0.1:{bench.files}/{file.name}"}
    with step(f"Ingest of {rows:,} {dataset}"):
        record = follow(bench, watch, call(bench, "POST", "/api/v1/imports/", order))
    while read_memory(watch.horse, "VmRSS"):  # or the next would be taken for it
        bench.supervisor.pump(LOOK_SECONDS)
    if record["status"] not in {"finished", "unchanged"}:
        raise Refusal(f"The ingest ended as {record['status']}: {record['error']}.")
    return Figure(read_seconds(record), watch.peak_bytes, idle_bytes)


def measure_bare(bench: Bench) -> float:
    with step(BARE), open(os.devnull, "wb") as nowhere:
        began = time.monotonic()
        command = (*psql_command(bench), "-c", COPY_FEATURES)
        subprocess.run(command, env=bench.workshop.environment, stdout=nowhere, check=True)
        return time.monotonic() - began


def measure_heat(bench: Bench) -> tuple[float, float]:
    """Seconds to the first byte of the body, and to the last."""
    with step(HEAT):
        connection = http.client.HTTPConnection("127.0.0.1", bench.web, timeout=600)
        began = time.monotonic()
        connection.request("GET", HEATMAP)
        response = connection.getresponse()
        block = response.read(1)
        first = time.monotonic() - began
        last = block
        while block := response.read(BLOCK_BYTES):
            last = block
        whole = time.monotonic() - began
        connection.close()
    if response.status != 200 or not last.endswith(b"]}"):
        raise Refusal(f"The heatmap answered {response.status}, or was cut.")
    return first, whole


def measure_serializer(bench: Bench, count: int) -> float:
    taken = min(count, SERIALIZER_ROWS)
    with step(SERIALIZER):
        return run_peer(bench, "serializer.py", str(taken)) * count / taken


def run_peer(bench: Bench, script: str, *arguments: str) -> float:
    """The seconds that it prints."""
    command = (bench.workshop.python, str(PEERS / script), *arguments)
    return float(read_output(bench, script, *command))


# Tiles


def list_places() -> list[tuple[int, int, int]]:
    """Zoom, column and row of each tile, each once."""
    found: dict[tuple[int, int, int], None] = {}
    for z, (lon, lat) in itertools.product(ZOOMS, PLACES):
        across = (lon + 180) / 360
        down = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
        found[z, int(across * 2**z), int(down * 2**z)] = None
    return list(found)


def list_tiles() -> list[str]:
    return [f"/api/v1/footprints/tiles/{z}/{x}/{y}.mvt" for z, x, y in list_places()]


def list_tipg_tiles() -> list[str]:
    """With the same columns: the points, up to 10,000 in a tile, which is its default."""
    path = f"/collections/public.{TABLE}/tiles/WebMercatorQuad"
    options = "geom-column=point&properties=org_id,area_m2,source_event_timestamp"
    return [f"{path}/{z}/{x}/{y}?{options}" for z, x, y in list_places()]


def measure_tiles(port: int, name: str, paths: Sequence[str]) -> float:
    """Seconds for all of them, some clients side by side."""
    with step(name), ThreadPoolExecutor(CLIENTS) as pool:
        began = time.monotonic()
        shares = [(list(paths) * REPEATS)[number::CLIENTS] for number in range(CLIENTS)]
        for failed in pool.map(lambda share: fetch_all(port, share), shares):
            if failed:
                raise Refusal(f"{name}: {failed}")
        return time.monotonic() - began


def fetch_all(port: int, paths: Sequence[str]) -> str:
    """What went wrong, if anything."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for path in paths:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        if response.status not in {200, 204}:
            return f"{path} answered {response.status}"
    connection.close()
    return ""


@contextmanager
def run_tipg(bench: Bench, python: str) -> Iterator[int]:
    """Its port, where it serves until the block ends."""
    role = bench.home.database_url.partition("://")[2].partition("@")[0]
    url = f"postgresql://{role}@{quote(str(bench.home.sockets), safe='')}/{role}"
    port = find_free_port()
    serve = ("-m", "uvicorn", "tipg.main:app", "--port", str(port), "--workers", "2")
    options = ("--no-access-log", "--log-level", "warning")
    program = bench.workshop.program("tipg", python, *serve, *options, DATABASE_URL=url)
    child = bench.supervisor.keep_running(program)
    bench.supervisor.wait_until(lambda: answers(port), child, WEB_START_SECONDS)
    yield port
    end_child(bench.supervisor, child)


def answers(port: int) -> bool:
    try:
        return not fetch_all(port, list_tipg_tiles()[-1:])
    except (OSError, http.client.HTTPException):
        return False


def list_memory(bench: Bench) -> dict[int, int]:
    """The resident bytes of each process that answers requests."""
    web = next(child.pid for child in bench.supervisor.children if child.program.name == "web")
    workers = (pid for pid, parent in read_parents().items() if parent == web)
    return {pid: read_memory(pid, "VmHWM") for pid in workers}


def find_growth(before: dict[int, int], after: dict[int, int]) -> int:
    return max((after[pid] - size for pid, size in before.items() if pid in after), default=0)


# Ingest


def measure_ingest(bench: Bench, options: Options) -> Section:
    rows = options.rows
    file = FILES / f"footprints-{rows}.csv"
    figures: dict[str, list[Figure]] = {}
    for number in range(1, options.rounds + 1):
        say(f"Round {number} of {options.rounds}")
        empty(bench)
        with run_worker(bench, loaders=2) as worker:
            figures.setdefault(INGEST, []).append(ingest(bench, worker, "footprints", rows))
            figures.setdefault(AGAIN, []).append(ingest(bench, worker, "footprints", rows))
        figures.setdefault(SHAPELY, []).append(Figure(measure_shapely(bench, file, rows)))
    seconds = {name: tuple(f.seconds for f in found) for name, found in figures.items()}
    note = f"extrapolated from {min(rows, SHAPELY_ROWS):,} rows"
    table = Table(
        [
            Line(SHAPELY, seconds[SHAPELY], note=note),
            Line(INGEST, seconds[INGEST], SHAPELY),
            Line(AGAIN, seconds[AGAIN], INGEST),
        ]
    )
    size = query(bench, f"SELECT pg_size_pretty(pg_total_relation_size('{TABLE}'))")
    what = (
        f"{rows:,} rows ({file.stat().st_size / 1e6:,.0f} MB), {count_rows(bench, TABLE):,}"
        f" footprints ({size}), rounds: {options.rounds};"
        f" {rows / statistics.median(seconds[INGEST]):,.0f} rows a second."
    )
    largest = max(figures[INGEST], key=lambda figure: figure.peak_bytes)
    peers = read_versions(bench, bench.workshop.python, "shapely")
    return make_section(what, [table], write_memory({INGEST: largest}), peers=peers)


def empty(bench: Bench) -> None:
    """As it was before the first round: of the same file nothing is known."""
    query(bench, f"TRUNCATE {TABLE} CASCADE")
    for record in call(bench, "GET", "/api/v1/imports/")["results"]:
        call(bench, "DELETE", f"/api/v1/imports/{record['id']}/")
    query(bench, "CHECKPOINT")


def measure_shapely(bench: Bench, file: Path, rows: int) -> float:
    taken = min(rows, SHAPELY_ROWS)
    with step(SHAPELY):
        return run_peer(bench, "shapely_alone.py", str(file), str(taken)) * rows / taken
