import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import soak_importing
from soak_importing import Ended, Importer, find_fault, make_importer
from workbench import Bench


def make_record(status: str, loaded: int = 10, rejected: int = 0) -> dict[str, Any]:
    counts = {"rows_loaded": loaded, "rows_rejected": rejected}
    return {"id": 7, "status": status, "error": None, **counts}


def test_imports_that_finished_whole_or_were_cancelled_have_no_fault() -> None:
    assert find_fault(make_record("finished"), 10, 10) == ""
    assert find_fault(make_record("cancelled", loaded=4), 0, 10) == ""


@pytest.mark.parametrize(
    ("record", "count"),
    [
        (make_record("finished"), 9),
        (make_record("finished", loaded=9), 9),
        (make_record("finished", rejected=1), 10),
        (make_record("cancelled"), 1),
        (make_record("failed", loaded=0), 0),
        (make_record("unchanged"), 10),
    ],
)
def test_imports_with_other_rows_are_told(record: Mapping[str, Any], count: int) -> None:
    assert find_fault(record, count, 10).startswith(f"Import 7 ended as {record['status']}")


class Api:
    """Answers as the API of imports does: each has run when it is asked for twice."""

    def __init__(self) -> None:
        self.status: dict[int, str] = {}
        self.asked: list[str] = []
        self.is_read = False

    def __call__(self, _: object, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        self.asked.append(f"{method} {path.removeprefix('/api/v1/imports/')}")
        parts = path.removeprefix("/api/v1/imports/").split("/")
        if method == "DELETE":
            return 409 if self.is_read else 204, b"{}"
        if method == "POST" and len(parts) == 1:
            number = len(self.status) + 1
            self.status[number] = "queued"
            return 202, json.dumps({"id": number}).encode()
        number = int(parts[0])
        if method == "POST":
            self.status[number] = "cancelled"
            return 202, b"{}"
        following = {"queued": "running", "running": "finished"}
        status = self.status[number]
        self.status[number] = following.get(status, status)
        moment = "2024-07-01T00:00:00Z"
        times = {"created_at": moment, "ended_at": moment}
        return 200, json.dumps({**make_record(status), "id": number, **times}).encode()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Api:
    found = Api()
    monkeypatch.setattr(soak_importing, "FILES", tmp_path)
    monkeypatch.setattr(soak_importing, "ask_for", found)
    count = {"finished": "10", "cancelled": "0"}
    monkeypatch.setattr(
        soak_importing,
        "query",
        lambda _, statement: count[found.status[int(statement.rpartition(" ")[2])]],
    )
    return found


def run_imports(folder: Path, count: int) -> Importer:
    source = folder / "trips.csv"
    source.write_text("rows")
    bench = Bench(None, None, web=1, files=2)  # type: ignore[arg-type]
    importer = make_importer(bench, source, 10)
    for _ in range(count):
        importer.begin()
        while importer.active:
            importer.look()
        importer.delete_oldest()
    return importer


def test_one_import_of_five_is_cancelled_and_the_oldest_are_deleted(
    api: Api, tmp_path: Path
) -> None:
    importer = run_imports(tmp_path, 6)

    assert importer.ended == Ended(seconds=[0.0] * 5, finished=5, cancelled=1, deleted=3)
    assert [line for line in api.asked if "cancel" in line] == ["POST 3/cancel/"]
    assert [line for line in api.asked if "DELETE" in line] == [f"DELETE {n}/" for n in (1, 2, 3)]
    assert set(importer.answers) == {200, 202, 204}


def test_import_whose_rows_are_read_is_deleted_later(api: Api, tmp_path: Path) -> None:
    api.is_read = True
    importer = run_imports(tmp_path, 5)
    api.is_read = False

    importer.delete_oldest()
    importer.delete_oldest()
    importer.delete_oldest()

    assert (importer.ended.put_off, importer.ended.deleted) == (2, 2)
    assert importer.kept == [3, 4, 5]
