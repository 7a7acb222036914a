import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from figures import Figure, Line, Table, fill, write_memory
from import_bench import (
    CASES,
    PSQL,
    Case,
    Watch,
    check_clock,
    check_import,
    make_lines,
    read_seconds,
    summarise_memory,
)
from loading import RATE
from pgloader_bench import Run, make_pgloader_line, write_first_rows
from serving import Repeated, make_server, repeat
from supervisor import Refusal
from workbench import read_memory

ROOT = Path(__file__).resolve().parents[2]
CONTENT = b"a,b\n1,2\n3,4\n"


# Reckoning


def test_times_are_medians_with_their_ratio() -> None:
    lines = [
        Line("base", (4.0, 2.0, 9.0)),
        Line("other", (6.0, 5.0, 7.0), against="base", wanted=1.2),
    ]

    table = Table(lines).write().splitlines()

    assert table[2:] == [
        "| base | 4.00 (2.00 to 9.00) |  |  |  |",
        "| other | 6.00 (5.00 to 7.00) | base | 1.50 | ≤ 1.20 |",
    ]
    assert table[0].count("|") == table[1].count("|") == table[2].count("|")


def test_times_of_what_was_not_measured_say_why() -> None:
    lines = [
        Line("pgloader", note="not measured"),
        Line("import", (1.0,), against="pgloader", wanted=1.0),
    ]

    assert Table(lines).write().splitlines()[2:] == [
        "| pgloader | not measured |  |  |  |",
        "| import | 1.00 | pgloader |  | ≤ 1.00 |",
    ]


def test_figure_with_a_limit_of_its_own_tells_it() -> None:
    table = Table([Line("answers", (60.0,), limit=1_000)], RATE)

    assert table.write().endswith("| answers | 60 |  |  | ≥ 1,000 requests a second |")


def test_pgloader_extrapolates_from_its_rows() -> None:
    runs = [Run(seconds, 500_000, 500_000) for seconds in (20.0, 15.0, 30.0)]

    lines = [make_pgloader_line(runs, rows=3_000_000), Line("import", (10.0,), "pgloader")]

    assert Table(lines).write().splitlines()[2:] == [
        "| pgloader | 120.00 (90.00 to 180.00), extrapolated from 500,000 rows |  |  |  |",
        "| import | 10.00 | pgloader | 0.08 |  |",
    ]


def test_pgloader_out_of_time_is_a_lower_bound() -> None:
    run = Run(600.0, taken=10, loaded=3, is_bound=True)

    lines = [make_pgloader_line([run], rows=10), Line("import", (60.0,), "pgloader")]

    assert Table(lines).write().splitlines()[2:] == [
        "| pgloader | more than 600.00 |  |  |  |",
        "| import | 60.00 | pgloader | less than 0.10 |  |",
    ]


def test_pgloader_that_lost_rows_says_so() -> None:
    line = make_pgloader_line([Run(2.0, 10, 10), Run(2.0, 10, 9)], rows=10)

    assert line.note == "of which it loaded 9"


@pytest.mark.parametrize(
    ("runs", "reason"),
    [([], "apt could not install it"), ([Run(2.0, 10, 0, fault="exit code 1")], "exit code 1")],
)
def test_pgloader_that_failed_has_no_figures(runs: list[Run], reason: str) -> None:
    line = make_pgloader_line(runs, rows=10)

    assert (line.figures, line.note) == ((), f"not measured: {reason}")


def test_lines_stand_in_order_each_against_one_that_is_there() -> None:
    figures = {name: [Figure(1.0)] for name in (PSQL, *(case.name for case in CASES))}

    lines = make_lines(figures)

    names = [line.name for line in lines]
    assert names == [PSQL, *(case.name for case in CASES)]
    assert {line.against for line in lines} - {""} <= set(names)


def test_memory_is_the_largest_of_all_rounds() -> None:
    figures = {
        PSQL: [Figure(1.0)],
        "CSV": [Figure(1.0, peak_bytes=120_000_000, idle_bytes=90_000_000), Figure(1.0, 9, 9)],
    }

    assert write_memory(summarise_memory(figures)).splitlines()[2:] == ["| CSV | 120 MB | 90 MB |"]


# The page


def test_fill_page_without_a_place_is_refused() -> None:
    with pytest.raises(Refusal, match="no place for figures"):
        fill("# Page\n", "bin/bench import", "figures")


# Checks


def make_record(**changes: object) -> dict[str, object]:
    return {
        "status": "finished",
        "error": None,
        "rows_loaded": 10,
        "rows_rejected": 0,
        "created_at": "2026-01-01T10:00:00.5Z",
        "ended_at": "2026-01-01T10:00:03Z",
    } | changes


CLEAN_CASE = Case("clean", "trips.csv", 1, "", 1)
BAD_CASE = Case("bad", "bad.csv", 1, "", 1)


def test_import_that_is_right_passes() -> None:
    check_import(CLEAN_CASE, make_record(), 10)
    check_import(BAD_CASE, make_record(rows_loaded=9, rows_rejected=1), 10)


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        (CLEAN_CASE, {"status": "failed", "error": {"code": "http_404"}}),
        (CLEAN_CASE, {"rows_loaded": 9}),
        (CLEAN_CASE, {"rows_loaded": 9, "rows_rejected": 1}),
        (BAD_CASE, {}),
    ],
)
def test_import_that_is_wrong_is_refused(case: Case, changes: dict[str, object]) -> None:
    with pytest.raises(Refusal, match=case.name):
        check_import(case, make_record(**changes), 10)


def test_seconds_are_from_the_request_to_the_end() -> None:
    assert read_seconds(make_record()) == 2.5


@pytest.mark.parametrize("wall_seconds", [9.9, 16.0])
def test_clocks_that_disagree_are_refused(wall_seconds: float) -> None:
    check_clock(CLEAN_CASE, 10.0, 10.5)

    with pytest.raises(Refusal, match="by the clock"):
        check_clock(CLEAN_CASE, 10.0, wall_seconds)


def test_watch_finds_a_child_and_its_peak() -> None:
    script = "x = b'x' * 50_000_000; del x; print(flush=True); input()"
    watch = Watch(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()

        watch.horse = child.pid
        is_there = watch.look()
        child.communicate(b"\n")

        assert is_there
        assert watch.peak_bytes > 50_000_000
        assert not watch.look()
        assert read_memory(child.pid, "VmHWM") == 0


def test_first_rows_keep_the_header(tmp_path: Path) -> None:
    (tmp_path / "all").write_bytes(CONTENT)

    write_first_rows(tmp_path / "all", tmp_path / "some", 1)

    assert (tmp_path / "some").read_bytes() == b"a,b\n1,2\n"


# The file server


def read_all(source: Repeated, start: int = 0) -> bytes:
    return b"".join(source.pieces(start))


@pytest.mark.parametrize(
    ("least_bytes", "size"), [(1, 12), (12, 12), (13, 20), (20, 20), (21, 28), (1004, 1004)]
)
def test_repeated_source_reaches_its_size_in_whole_blocks(least_bytes: int, size: int) -> None:
    source = repeat(CONTENT, least_bytes)

    assert source.size == len(read_all(source)) == size
    assert source.row_count == (size - 4) // 4
    assert read_all(source).startswith(CONTENT)


def test_repeated_source_starts_anywhere() -> None:
    source = repeat(CONTENT, 25)
    whole = read_all(source)

    assert [read_all(source, start) for start in range(len(whole))] == [
        whole[start:] for start in range(len(whole))
    ]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "trips.csv").write_bytes(CONTENT)
    server = make_server(tmp_path, 0)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fetch(port: int, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=named)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "whole"),
    [("/trips.csv", CONTENT), ("/repeated/20/trips.csv", CONTENT + CONTENT[4:])],
)
def test_server_sends_a_source_and_its_rest(port: int, path: str, whole: bytes) -> None:
    response, body = fetch(port, path)
    etag = response.headers["ETag"]
    part, rest = fetch(port, path, Range="bytes=5-", If_Range=etag)
    other, again = fetch(port, path, Range="bytes=5-", If_Range='"other"')

    assert (response.status, body) == (200, whole)
    assert response.headers["Content-Length"] == str(len(whole))
    assert (part.status, rest) == (206, whole[5:])
    assert part.headers["Content-Range"] == f"bytes 5-{len(whole) - 1}/{len(whole)}"
    assert (other.status, again) == (200, whole)


@pytest.mark.parametrize("path", ["/", "/other.csv", "/../trips.csv", "/repeated/x/trips.csv"])
def test_server_has_nothing_else(port: int, path: str) -> None:
    assert fetch(port, path)[0].status == 404
