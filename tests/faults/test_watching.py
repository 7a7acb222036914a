"""A real web server of two processes: its counts, its lines of log, and what becomes of both while
its stores are down."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from campaigns import Notes
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.conftest import MakeCrew
from tests.faults.processes import Crew

TOKEN = "of-the-scraper"  # noqa: S105
ASKED = 40


def fetch(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Connection": "close", **headers})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def scrape(port: int) -> dict[tuple[str, str], float]:
    status, body = fetch(port, "/metrics", Authorization=f"Bearer {TOKEN}")
    assert status == 200
    return {
        (sample.name, sample.labels.get("route", "") + sample.labels.get("store", "")): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def read_lines(crew: Crew) -> list[dict[str, Any]]:
    """Every line must be one that programs can read."""
    return [json.loads(line) for line in crew.log.read_text().splitlines()]


def make_watched(make_crew: MakeCrew, **environment: str) -> Crew:
    crew = make_crew()
    crew.environment |= {"METRICS_TOKEN": TOKEN, "LOG_FORMAT": "json", **environment}
    return crew


def test_processes_of_a_server_count_together(make_crew: MakeCrew, notes: Notes) -> None:
    crew = make_watched(make_crew)
    port = crew.start_web()

    for _ in range(ASKED):
        assert fetch(port, "/api/v1/footprints/org-ids/")[0] == 200
    counts = [scrape(port)["catchment_request_seconds_count", "/api/v1/footprints/org-ids/"]]
    counts += [scrape(port)["catchment_request_seconds_count", "/api/v1/footprints/org-ids/"]]

    notes.count += ASKED
    assert counts == [ASKED, ASKED]


def test_all_that_a_server_writes_is_for_programs(
    make_crew: MakeCrew, tmp_path: Path, notes: Notes
) -> None:
    crew = make_watched(make_crew)
    port = crew.start_web()

    ids = [f"streamed-{number}" for number in range(ASKED)]
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda request_id: stream(port, request_id), ids))
    fetch(port, "/api/v1/nothing/", **{"X-Request-Id": "refused"})
    crew.wait_for(lambda: "refused" in crew.log.read_text())

    assert answers == [200] * ASKED
    lines = read_lines(crew)
    notes.count += len(answers)
    notes.counts["lines of log read"] += len(lines)
    assert any(line["logger"] == "_granian" for line in lines)
    assert [line for line in lines if line["level"] in {"error", "critical"}] == []
    codes = {
        line["request_id"]: line["code"] for line in lines if line["event"] == "request_finished"
    }
    assert codes == {**dict.fromkeys(ids, 200), "refused": 404} | {
        key: 200
        for key in codes
        if len(key) == 32  # of who waited until it answers
    }
    streamed = [line["request_id"] for line in lines if line["event"] == "streaming_finished"]
    assert sorted(streamed) == sorted(ids)


def stream(port: int, request_id: str) -> int:
    status, body = fetch(port, "/api/v1/footprints/heatmap/", **{"X-Request-Id": request_id})
    assert json.loads(body)["features"] == []
    return status


def test_workers_and_sweeper_write_for_programs(make_crew: MakeCrew, tmp_path: Path) -> None:
    crew = make_watched(make_crew)
    path = tmp_path / "wrong.csv"
    path.write_text("a,b\n")
    crew.start_worker()
    crew.start_sweeper()

    record = crew.wait_for_end(crew.queue(path.as_uri()))
    crew.wait_for(lambda: "import_left" in crew.log.read_text())

    events = [line for line in read_lines(crew) if line.get("import_id") == record.pk]
    assert {"import_claimed", "import_left"} <= {line["event"] for line in events}
    assert any(line["logger"].startswith("rq") for line in read_lines(crew))


def test_scrape_survives_without_any_store(make_crew: MakeCrew) -> None:
    crew = make_watched(
        make_crew,
        DATABASE_URL="postgresql://catchment@/nothing?host=/nowhere",
        READER_DATABASE_URL="postgresql://reader@/nothing?host=/nowhere",
        REDIS_URL="unix:///nowhere/redis.sock?db=0",
    )
    port = crew.start_web()

    samples = scrape(port)

    assert samples["catchment_up", "database"] == 0
    assert samples["catchment_up", "redis"] == 0
    assert samples["catchment_request_seconds_count", "/healthz"] >= 1
