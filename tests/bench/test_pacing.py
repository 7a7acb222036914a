import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pacing
import pytest
from pacing import (
    BROKEN,
    BROKEN_EVERY,
    FIXES,
    WHOLE,
    Plan,
    Tally,
    main,
    make_fix,
    make_lists,
    make_payload,
    read_plan,
    read_result,
    tell,
    write_plan,
)

from dropzone.reading import read_quickly
from locations.fixes import read_fix


class Teller(BaseHTTPRequestHandler):
    """Answers with the status that an address names; 0 ends the connection, 99 takes a while."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = int(self.path.rpartition("/")[2])
        if status == 0:
            self.close_connection = True
            return
        if status == 99:
            time.sleep(0.3)
            status = 200
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Teller) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def make_plan(port: int, *paths: tuple[str, str], **changes: float) -> Plan:
    values = {"rate": 40.0, "seconds": 0.5, "connections": 4} | changes
    return Plan("reads", port, paths=paths, **values)  # type: ignore[arg-type]


# What is sent


def test_fixes_are_ones_that_are_taken_and_all_of_them_new() -> None:
    requests = [make_fix(number) for number in range(1_500)]

    fixes = [read_fix(request.body or b"") for request in requests]

    assert len({(fix.user_id, fix.moment.submitted) for fix in fixes}) == len(fixes)
    assert {request.kind for request in requests} == {FIXES}


def test_one_payload_of_a_hundred_is_rejected_when_it_is_read() -> None:
    lists = make_lists()
    payloads = [make_payload(lists, number) for number in range(2 * BROKEN_EVERY)]

    kinds = [payload.kind for payload in payloads]
    assert (kinds.count(WHOLE), kinds.count(BROKEN)) == (2 * BROKEN_EVERY - 2, 2)
    for payload in payloads:
        is_whole = read_quickly(payload.body or b"") is not None
        assert is_whole == (payload.kind == WHOLE)


# Sending


def test_requests_come_at_their_rate_and_are_told_by_kind(port: int, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    paths = (("good", "/200"), ("bad", "/503"), ("lost", "/0"), ("good", "/200"))
    write_plan(file, make_plan(port, *paths))
    began = time.monotonic()

    main(file)

    told = read_result(file)
    assert time.monotonic() - began >= 0.45
    assert {kind: one.sent for kind, one in told.items()} == {"good": 10, "bad": 5, "lost": 5}
    assert told["good"].acknowledged == 10
    assert told["bad"].others == {"503": 5}
    assert told["lost"].failed == 5


def test_requests_that_were_held_up_have_waited(port: int, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    write_plan(file, make_plan(port, ("slow", "/99"), connections=1, rate=20.0))

    main(file)

    told = read_result(file)["slow"]
    assert told.sent == told.acknowledged == 10
    assert told.p99_ms > 2_000  # the last of ten that take 0.3 s each was due after 0.45 s


def test_requests_that_are_far_too_late_are_left_out(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "LATE_SECONDS", 0)
    file = tmp_path / "plan.json"
    plan = make_plan(port, ("slow", "/99"), connections=1, rate=20.0)
    write_plan(file, plan)

    main(file)

    assert 1 <= read_result(file)["slow"].sent < plan.count == 10


def test_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = make_plan(1, ("pages", "/"), ("pages", "/map/"))
    write_plan(tmp_path / "plan.json", plan)

    assert read_plan(tmp_path / "plan.json") == plan


# Telling


def test_tally_tells_counts_and_times() -> None:
    tally = Tally()
    for place in range(1, 101):
        tally.note(200, 200, place / 1000)
    tally.note(200, 429, 0.2)
    tally.note(200, 0, 60.0)

    told = tell(tally)

    assert (told.sent, told.acknowledged, told.failed) == (102, 100, 1)
    assert json.dumps(told.others) == '{"429": 1}'
    assert told.p50_ms == pytest.approx(52, abs=1)
    assert told.p99_ms == pytest.approx(200, abs=1)
