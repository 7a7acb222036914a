"""Trips that are told from each other by their number, and whether an import has each of them once.

The number is the fare. Some rows have a line break, or a quote, within a quoted text.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns import Notes
from django.db import connections
from psycopg import sql

from explorer.models import Trip
from explorer.samples import HEADER
from imports.choices import Status
from imports.models import Import

Row = tuple[int, str]

REST = ",".join(["0.0"] * 7 + ["N"] * 5)
TIMES = "2024-01-01 00:00:00,,2024-01-01 00:05:00,2024-01-01 00:20:00"


def name_license(number: int) -> str:
    if number % 7 == 0:
        return f"HV\n{number}"
    return f'HV "{number}",\r\n' if number % 11 == 0 else "HV0003"


def write_numbered(rows: int) -> bytes:
    return HEADER + "".join(map(_write_row, range(rows))).encode()


def _write_row(number: int) -> str:
    quoted = name_license(number).replace('"', '""')
    return f'"{quoted}",B03404,B03404,{TIMES},1,2,3.5,{number % 3600},{number},{REST}\n'


@dataclass(frozen=True)
class Difference:
    """How far the rows of an import are from those of its file."""

    lost: int
    doubled: int
    strange: int


def list_rows(record: Import) -> list[Row]:
    """The rows that an import has, wherever they are: published, or staged."""
    query = sql.SQL("SELECT base_passenger_fare::bigint, hvfhs_license_num FROM {}")
    with connections[record._state.db or "default"].cursor() as cursor:
        cursor.execute(query.format(find_table(record)))
        return sorted(cursor.fetchall())


def find_table(record: Import) -> sql.Identifier:
    is_published = record.status == Status.FINISHED
    return sql.Identifier("public" if is_published else "staging", f"trips_{record.pk}")


def compare_rows(found: Sequence[Row], rows: int) -> Difference:
    expected = Counter((number, name_license(number)) for number in range(rows))
    counted = Counter(found)
    known = Counter({row: count for row, count in counted.items() if row in expected})
    return Difference(
        lost=(expected - counted).total(),
        doubled=(known - expected).total(),
        strange=(counted - known).total(),
    )


def check_exact(record: Import, rows: int, size: int, notes: Notes | None = None) -> None:
    """The import has finished, its ledger covers the file's `size` bytes, and each of the file's
    rows is published once."""
    state = (record.status, record.error_code, record.error_detail)
    assert state == (Status.FINISHED, "", "")
    difference = compare_rows(list_rows(record), rows)
    note_difference(notes or Notes(), rows, difference)
    assert (record.rows_loaded, record.rows_added, record.rows_rejected) == (rows, rows, 0)
    chunks = list(record.chunks.order_by("byte_start").values_list("byte_start", "byte_end"))
    assert [start for start, _ in chunks] == [len(HEADER), *(end for _, end in chunks[:-1])]
    assert chunks[-1][1] == size
    assert difference == Difference(0, 0, 0)
    assert count_published(record) == rows
    assert not is_staged(record)


def note_difference(notes: Notes, rows: int, difference: Difference) -> None:
    notes.rows += rows
    notes.lost += difference.lost
    notes.doubled += difference.doubled


def count_published(record: Import) -> int:
    return Trip.objects.using(record._state.db).of_import(record.pk).count()


def is_staged(record: Import) -> bool:
    with connections[record._state.db or "default"].cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"staging.trips_{record.pk}"])
        return bool(cursor.fetchone()[0])
