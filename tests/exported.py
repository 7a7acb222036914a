"""What an export holds, whatever its form."""

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from django.http import FileResponse


def read_export(response: Any) -> list[dict[str, Any]]:
    """The rows: cells of CSV are texts, those of Parquet what DuckDB makes of them."""
    assert isinstance(response, FileResponse), response.content
    body = response.getvalue()
    match response.headers["Content-Type"]:
        case "application/vnd.apache.parquet":
            return query_parquet(body, "SELECT * FROM read_parquet(?)")
        case "application/x-ndjson":
            # Lines end with a line feed, and with nothing else that Python takes for an end.
            return [json.loads(line) for line in body.split(b"\n")[:-1]]
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def query_parquet(body: bytes, query: str) -> list[dict[str, Any]]:
    """The rows of a query that takes the file's path as its parameter."""
    with TemporaryDirectory() as folder, duckdb.connect() as database:
        path = Path(folder) / "export.parquet"
        path.write_bytes(body)
        database.execute("SET TimeZone = 'UTC'")
        database.execute(query, [str(path)])
        names = [name for name, *_ in database.description or ()]
        return [dict(zip(names, row, strict=True)) for row in database.fetchall()]


def read_types(response: FileResponse) -> dict[str, str]:
    """The columns of a Parquet file."""
    found = query_parquet(response.getvalue(), "DESCRIBE SELECT * FROM read_parquet(?)")
    return {row["column_name"]: row["column_type"] for row in found}
