import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from loading import (
    GET,
    Load,
    make_pgbench_script,
    read_pgbench,
    read_wrk,
    replace_parameters,
)
from supervisor import Refusal

ROOT = Path(__file__).resolve().parents[2]


def make_wrk_output(requests: int = 300, failed: int = 0) -> str:
    return (
        "Running 2s test @ http://127.0.0.1:8000\n"
        "  Socket errors: connect 0, read 0, write 0, timeout 0\n"
        "Requests/sec:    149.99\n"
        f'RESULT {{"requests": {requests}, "seconds": 2.000000, "failed": {failed}, '
        '"refused": 3, "p50_ms": 1.500, "p95_ms": 6.500, "p99_ms": 7.250}\n'
    )


def make_pgbench_output(processed: int = 300, failed: int = 0) -> str:
    return (
        "pgbench (15.18)\n"
        "duration: 2 s\n"
        f"number of transactions actually processed: {processed}\n"
        f"number of failed transactions: {failed} (0.000%)\n"
        "latency average = 3.1 ms\n"
        "tps = 151.250000 (without initial connection time)\n"
    )


# What the tools tell


def test_wrk_tells_requests_and_their_rate() -> None:
    assert read_wrk(make_wrk_output()) == Load(300, 150.0, 1.5, 7.25, 6.5, 3)


@pytest.mark.parametrize("output", [make_wrk_output(failed=1), make_wrk_output(requests=0)])
def test_wrk_with_failed_requests_is_refused(output: str) -> None:
    with pytest.raises(Refusal, match="requests failed"):
        read_wrk(output)


def test_wrk_without_a_result_is_refused() -> None:
    with pytest.raises(Refusal, match="no result:\nRunning"):
        read_wrk("Running 2s test\n")


def test_pgbench_tells_transactions_and_their_rate() -> None:
    assert read_pgbench(make_pgbench_output()) == Load(300, 151.25)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (make_pgbench_output(failed=1), "transactions failed"),
        (make_pgbench_output(processed=0), "transactions failed"),
        ("pgbench (15.18)\n", "no result"),
    ],
)
def test_pgbench_without_clean_figures_is_refused(output: str, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        read_pgbench(output)


# What wrk asks for


class Teller(BaseHTTPRequestHandler):
    """Answers with the status that an address names, and keeps the address."""

    protocol_version = "HTTP/1.1"
    server: "Shop"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


class Shop(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Teller)
        self.asked: list[str] = []


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get_paths(shop: Shop, folder: Path, paths: list[str]) -> str:
    (folder / "paths").write_text("\n".join(paths))
    command = ["wrk", "-c2", "-t2", "-d1s", "--latency", "-s", str(GET)]
    address = f"http://127.0.0.1:{shop.server_address[1]}"
    arguments = [*command, address, "--", str(folder / "paths")]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True).stdout


needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="bin/bench installs it")


@needs_wrk
def test_script_asks_for_each_path_in_turn_and_tells_503(shop: Shop, tmp_path: Path) -> None:
    paths = ["/a?b=c%20d/200", "/b/503", "/c/200", "/d/200"]

    load = read_wrk(get_paths(shop, tmp_path, paths))

    counts = [shop.asked.count(path) for path in paths]
    assert sum(counts) == len(shop.asked)
    assert max(counts) - min(counts) <= 2  # of two threads that each are somewhere on the way
    assert abs(load.refused - counts[1]) <= 2
    assert load.refused < load.count
    assert load.p50_ms <= load.p95_ms <= load.p99_ms


@needs_wrk
@pytest.mark.parametrize("status", [204, 302, 404, 500])
def test_script_counts_other_answers_as_failed(shop: Shop, tmp_path: Path, status: int) -> None:
    with pytest.raises(Refusal, match=r"(\d+) of \1 requests failed"):
        read_wrk(get_paths(shop, tmp_path, [f"/{status}"]))


# The statement


def test_parameters_are_replaced_wherever_they_occur() -> None:
    statement = "SELECT %(at)s::timestamptz, %(long)s, %(at)s"

    assert replace_parameters(statement, {"at": "$1", "long": "$2"}) == (
        "SELECT $1::timestamptz, $2, $1"
    )


def test_parameter_that_is_not_known_is_refused() -> None:
    with pytest.raises(Refusal, match="lacks: height"):
        replace_parameters("SELECT %(at)s, %(height)s", {"at": "$1"})


def test_binary_parameters_are_replaced_too() -> None:
    assert replace_parameters("SELECT %(body)b::bytea", {"body": "$1"}) == "SELECT $1::bytea"


def test_script_sets_variables_and_brackets_expressions() -> None:
    script = make_pgbench_script("\n\\set at 1\n", "\n    SELECT %(at)s\n", {"at": ":at + 1"})

    assert script == "\\set at 1\nSELECT (:at + 1);\n"
