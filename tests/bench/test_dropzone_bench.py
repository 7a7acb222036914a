import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from django.db import connection
from dropzone_bench import (
    BARE,
    BODY_BYTES,
    DRAINED,
    EXPRESSIONS,
    OURS,
    READ_OUTCOME,
    SCRIPT,
    SET_VARIABLES,
    Outcome,
    Round,
    check_outcome,
    read_outcome,
    tabulate_rates,
    write_rest,
)
from loading import Load, make_pgbench_script, read_wrk
from supervisor import Refusal

from dropzone.draining import drain_payloads
from dropzone.models import Payload
from dropzone.reading import read_quickly
from dropzone.receiving import RECEIVE, Envelope, receive_payload

ROOT = Path(__file__).resolve().parents[2]
WHOLE = Outcome(
    payloads=300,
    processed=300,
    bodies=300,
    measurements=300,
    lineage=300,
    waiting=3,
    late_seconds=0.25,
    whole_seconds=2.5,
)


# The statement


def test_pgbench_sets_every_variable_and_parameter_of_its_statement() -> None:
    script = make_pgbench_script(SET_VARIABLES, RECEIVE, EXPRESSIONS)

    given = {"run", "number", "client_id", "place"}
    assert set(re.findall(r"(?<!:):([a-z_]\w*)", script)) - {"text", "bytea", "date"} <= given
    assert "%(" not in script


@pytest.mark.django_db
def test_statement_of_pgbench_stores_a_payload_and_its_bytes() -> None:
    script = make_pgbench_script("", RECEIVE, EXPRESSIONS)
    for name, value in {"run": "'a'", "place": "7"}.items():
        script = re.sub(rf"(?<!:):{name}\b", value, script)
    receive_payload(b"", Envelope("", "", ""))  # makes the table of the day

    with connection.cursor() as cursor:
        cursor.execute(script)
        [(payload_id,)] = cursor.fetchall()
        cursor.execute("SELECT body FROM dropzone_rawbody WHERE payload_id = %s", [payload_id])
        [(body,)] = cursor.fetchall()

    payload = Payload.objects.get(pk=payload_id)
    assert (payload.size_bytes, len(body)) == (BODY_BYTES, BODY_BYTES)
    assert len(payload.idempotency_key) == 32


# What wrk sends


class Taker(BaseHTTPRequestHandler):
    """Answers with the server's `status`, and keeps what came."""

    protocol_version = "HTTP/1.1"
    server: "Door"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, self.headers["Content-Type"], body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


class Door(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.status = 202
        self.taken: list[tuple[str, str, bytes]] = []


@pytest.fixture
def door() -> Iterator[Door]:
    with Door() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def send(door: Door, run: str) -> str:
    command = ["wrk", "-c2", "-t2", "-d1s", "--latency", "-s", str(SCRIPT)]
    address = f"http://127.0.0.1:{door.server_address[1]}"
    done = subprocess.run([*command, address, "--", run], cwd=ROOT, capture_output=True, text=True)
    return done.stdout


needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="bin/bench installs it")


@needs_wrk
def test_script_sends_plain_payloads_of_instants_of_their_own(door: Door) -> None:
    outputs = [send(door, "1"), send(door, "2")]

    payloads = [read_quickly(body) for _, _, body in door.taken]
    assert {(path, kind) for path, kind, _ in door.taken} == {("/dropzone", "application/json")}
    assert all(payload and len(payload.numbers) == 100 for payload in payloads)
    assert len({payload.timestamp for payload in payloads if payload}) == len(payloads)
    assert all(abs(len(body) - BODY_BYTES) < 50 for _, _, body in door.taken)
    answered = sum(read_wrk(output).count for output in outputs)
    assert answered <= len(payloads) <= answered + 4


@needs_wrk
@pytest.mark.parametrize("status", [200, 302, 400, 500])
def test_script_counts_every_answer_but_202_as_failed(door: Door, status: int) -> None:
    door.status = status

    with pytest.raises(Refusal, match=r"(\d+) of \1 requests failed"):
        read_wrk(send(door, "1"))


# What became of it


@pytest.mark.django_db
def test_outcome_is_read_from_the_payloads_times() -> None:
    for second in (1, 2):
        body = b'{"time_stamp":"2019-05-01T06:00:0%d-04:00","data":[1,2]}' % second
        receive_payload(body, Envelope("", "", ""))
    drain_payloads()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE dropzone_payload AS payload
               SET received_at = moved.at, ended_at = moved.at + interval '2.5 seconds'
              FROM (
                  SELECT id, '2026-01-01Z'::timestamptz + row_number() OVER (ORDER BY id)
                      * interval '10 seconds' AS at FROM dropzone_payload
              ) AS moved WHERE moved.id = payload.id
            """
        )
        cursor.execute(READ_OUTCOME)
        [row] = cursor.fetchall()

    outcome = read_outcome("|".join(map(str, row)))

    assert outcome == Outcome(2, 2, 2, 2, 2, waiting=1, late_seconds=2.5, whole_seconds=12.5)


def test_outcome_without_payloads_is_refused() -> None:
    with pytest.raises(Refusal, match="no payload was stored"):
        read_outcome("")


@pytest.mark.parametrize("acknowledged", [300, 284])
def test_stored_payloads_may_be_what_was_under_way_more(acknowledged: int) -> None:
    check_outcome(Load(acknowledged, 120.0), WHOLE)


@pytest.mark.parametrize("acknowledged", [301, 283])
def test_stored_payloads_that_are_others_are_refused(acknowledged: int) -> None:
    with pytest.raises(Refusal, match=f"{acknowledged} were acknowledged, and 300"):
        check_outcome(Load(acknowledged, 120.0), WHOLE)


@pytest.mark.parametrize("name", ["processed", "bodies", "measurements", "lineage"])
def test_payloads_without_all_that_comes_of_them_are_refused(name: str) -> None:
    outcome = replace(WHOLE, **{name: 299})

    with pytest.raises(Refusal, match=f"300 payloads were stored, but {name}: 299"):
        check_outcome(Load(300, 120.0), outcome)


# Telling


def test_tables_hold_rates_latencies_and_what_waited() -> None:
    slow = replace(WHOLE, waiting=30, late_seconds=1.25, whole_seconds=3.0)
    rounds = [
        Round(Load(300, 120.0, 2.0, 9.0), WHOLE, Load(900, 480.0)),
        Round(Load(300, 120.0, 3.0, 8.0), slow, Load(900, 480.0)),
    ]

    tables = [tabulate_rates(rounds).write(), *write_rest(rounds)]
    rates, latencies, backlog = (table.splitlines()[2:] for table in tables)

    assert rates == [
        f"| {BARE} | 480 (480 to 480) |  |  |  |",
        f"| {OURS} | 120 (120 to 120) | {BARE} | 0.25 | ≥ 1,000 requests a second |",
        f"| {DRAINED} | 110 (100 to 120) | {OURS} | 0.92 | ≥ 1.00 |",
    ]
    assert latencies == ["| p50 | 2.50 (2.00 to 3.00) |", "| p99 | 8.50 (8.00 to 9.00) |"]
    assert backlog == [
        "| payloads that waited | 16 (3 to 30) |",
        "| of all payloads | 5.50% (1.00% to 10.00%) |",
        "| seconds until all were processed | 0.75 (0.25 to 1.25) |",
    ]
