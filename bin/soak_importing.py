"""Imports one after the other, each of a URL of its own, whose rows are counted at its end."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from import_bench import ACTIVE, read_seconds
from supervisor import say
from workbench import FILES, Bench, ask_for, query

CANCEL_EVERY, FIRST_CANCELLED = 5, 3
KEPT = 3  # with their rows; the oldest beyond that is deleted
COUNT_ROWS = "SELECT count(*) FROM explorer_trip WHERE import_id = {id}"
# Rows of imports that were deleted, and tables of others that ended: a partition is published.
COUNT_LEFT = """
    SELECT (SELECT count(*) FROM explorer_trip
             WHERE import_id NOT IN (SELECT id FROM imports_import)) + (
               SELECT count(*) FROM pg_class
                WHERE relnamespace = 'staging'::regnamespace AND relkind = 'r'
                  AND NOT relispartition)
"""


@dataclass
class Ended:
    """What became of the imports."""

    seconds: list[float] = field(default_factory=list)  # of those that finished
    finished: int = 0
    cancelled: int = 0
    wrong: list[str] = field(default_factory=list)
    deleted: int = 0
    put_off: int = 0  # attempts to delete one


@dataclass
class Importer:
    bench: Bench
    source: Path
    rows: int
    ended: Ended = field(default_factory=Ended)
    begun: int = 0
    answers: list[int] = field(default_factory=list)  # statuses, 0 where there was none
    active: dict[int, bool] = field(default_factory=dict)  # by id: whether to cancel it
    kept: list[int] = field(default_factory=list)

    def begin(self) -> None:
        """One of five is to be cancelled as soon as it runs."""
        self.begun += 1
        link = FILES / f"soak/{self.begun}.csv"
        link.unlink(missing_ok=True)
        link.hardlink_to(self.source)
        url = f"http://127.0.0.1:{self.bench.files}/soak/{link.name}"
        # It is the same content each time: by force it is loaded all the same.
        record = self._ask("POST", "", {"dataset": "trips", "url": url, "force": True})
        if "id" in record:
            self.active[record["id"]] = self.begun % CANCEL_EVERY == FIRST_CANCELLED

    def look(self) -> None:
        for number, is_to_cancel in list(self.active.items()):
            record = self._ask("GET", f"{number}/")
            if is_to_cancel and record.get("status") == "running":
                self._ask("POST", f"{number}/cancel/", {})
                self.active[number] = False
            elif "status" in record and record["status"] not in ACTIVE:
                del self.active[number]
                self._note_end(record)

    def _note_end(self, record: Mapping[str, Any]) -> None:
        count = int(query(self.bench, COUNT_ROWS.format(id=record["id"])))
        fault = find_fault(record, count, self.rows)
        if fault:
            self.ended.wrong.append(fault)
            say(fault)
        elif record["status"] == "cancelled":
            self.ended.cancelled += 1
        else:
            self.ended.finished += 1
            self.ended.seconds.append(read_seconds(record))
        self.kept.append(record["id"])

    def delete_oldest(self) -> None:
        """While its table is in use it cannot be: the ANALYZE after each import takes a while."""
        if len(self.kept) <= KEPT:
            return
        self._ask("DELETE", f"{self.kept[0]}/")
        if self.answers[-1] == 204:
            del self.kept[0]
            self.ended.deleted += 1
        else:
            self.ended.put_off += 1

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Nothing where there is no answer that is wanted."""
        try:
            status, answer = ask_for(self.bench, method, f"/api/v1/imports/{path}", body)
        except (OSError, http.client.HTTPException) as error:
            status, answer = 0, repr(error).encode()
        self.answers.append(status)
        if not 200 <= status < 300:
            say(f"{method} of imports/{path}: {status} {answer[:300].decode(errors='replace')}")
        found: dict[str, Any] = json.loads(answer or b"{}") if 200 <= status < 300 else {}
        return found


def make_importer(bench: Bench, source: Path, rows: int) -> Importer:
    (FILES / "soak").mkdir(exist_ok=True)
    return Importer(bench, source, rows)


def find_fault(record: Mapping[str, Any], count: int, rows: int) -> str:
    """What is wrong with an import that has ended, and has `count` rows in the table."""
    loaded, rejected = record["rows_loaded"], record["rows_rejected"]
    is_whole = record["status"] == "finished" and (loaded, rejected, count) == (rows, 0, rows)
    is_gone = record["status"] == "cancelled" and not count
    if is_whole or is_gone:
        return ""
    return (
        f"Import {record['id']} ended as {record['status']} ({record['error']}): {loaded} rows"
        f" loaded, {rejected} rejected, {count} in the table, of {rows}."
    )


def wait_for_imports(importer: Importer, seconds: float) -> None:
    """Until all have ended and those that are too many are deleted, unless that takes longer."""
    deadline = time.monotonic() + seconds
    while (importer.active or len(importer.kept) > KEPT) and time.monotonic() < deadline:
        importer.bench.supervisor.pump(0.5)
        importer.look()
        importer.delete_oldest()
