"""JSON Lines into Parquet, by DuckDB, in memory that depends on the longest line alone."""

from __future__ import annotations

from collections.abc import Mapping
from errno import ENOSPC
from functools import cache
from importlib import import_module
from os import strerror
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from django.db.models import (
    BooleanField,
    DateField,
    DateTimeField,
    Field,
    FloatField,
    IntegerField,
    QuerySet,
)

from config.api.fields import NumericField
from config.api.spooling import PARQUET, Spooled, find_field, spool_rows

if TYPE_CHECKING:
    import duckdb

TEXT = "VARCHAR"
# Types of DuckDB by those of fields, the first that fits; what is none of them is a text.
TYPES: tuple[tuple[type[Field[Any, Any]], str], ...] = (
    (BooleanField, "BOOLEAN"),
    (DateTimeField, "TIMESTAMP WITH TIME ZONE"),
    (DateField, "DATE"),
    (IntegerField, "BIGINT"),
    (FloatField, "DOUBLE"),
    (NumericField, "DOUBLE"),
)

# One thread keeps the rows in their order. Nothing is put aside on the disk: it need not be.
DUCKDB_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
GROUP_ROWS = 122_880
GROUP_BYTES = 16 * 2**20
LEAST_MEMORY_BYTES = 128 * 2**20
LINE_SHARE = 4  # DuckDB reads blocks of two of the longest lines, and keeps a few


def write_parquet(rows: QuerySet[Any], columns: Mapping[str, str], file: IO[bytes]) -> int:
    """Writes the rows, and tells their number."""
    types = {name: choose_type(find_field(rows, source)) for name, source in columns.items()}
    with TemporaryFile() as lines:
        spooled = spool_rows(rows, columns, form=PARQUET, file=lines)
        pack_lines(lines, spooled, types=types, file=file)
    return spooled.row_count


def choose_type(field: Field[Any, Any]) -> str:
    return next((name for kind, name in TYPES if isinstance(field, kind)), TEXT)


def pack_lines(
    lines: IO[bytes], spooled: Spooled, *, types: Mapping[str, str], file: IO[bytes]
) -> None:
    """Writes the rows of the lines in their order, with the columns that `types` names.

    Raises OSError where the disk is full, RuntimeError where rows were lost.
    """
    lines.flush()
    memory_bytes = LEAST_MEMORY_BYTES + LINE_SHARE * spooled.longest_bytes
    settings = DUCKDB_SETTINGS | {"memory_limit": f"{memory_bytes}B"}
    with load_duckdb().connect(config=settings) as database:
        database.execute("SET enable_progress_bar = false")  # it would be drawn into the log
        rows = database.read_json(
            name_file(lines),
            format="newline_delimited",
            compression="none",
            columns=dict(types),
            maximum_object_size=max(spooled.longest_bytes, 1),
            ignore_errors=False,
        )
        pack(rows, name_file(file))
        check_count(database, name_file(file), spooled.row_count)


@cache
def load_duckdb() -> Any:
    """12 MB, which only those processes need that write Parquet."""
    return import_module("duckdb")


def pack(rows: duckdb.DuckDBPyRelation, path: str) -> None:
    try:
        rows.write_parquet(
            path,
            compression="zstd",
            row_group_size=GROUP_ROWS,
            row_group_size_bytes=GROUP_BYTES,
            use_tmp_file=False,
        )
    except load_duckdb().IOException as error:
        if strerror(ENOSPC) in str(error):
            raise OSError(ENOSPC, str(error)) from error
        raise


def check_count(database: duckdb.DuckDBPyConnection, path: str, row_count: int) -> None:
    found = database.execute("SELECT sum(num_rows) FROM parquet_file_metadata(?)", [path])
    packed = int(found.fetchall()[0][0])
    if packed != row_count:
        msg = f"{packed} of {row_count} rows were packed"
        raise RuntimeError(msg)


def name_file(file: IO[bytes]) -> str:
    """The path of a file that is open and may have no name."""
    return f"/proc/self/fd/{file.fileno()}"
