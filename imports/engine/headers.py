"""The first record of a source: which columns the file has, and whether it is the right file."""

import codecs
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imports.engine.csvrows import RecordError, parse_record
from imports.engine.cutting import Position, find_cut
from imports.engine.records import MIB, Dataset, ImportFailure

SHOWN_CHARACTERS = 1_000
UNREADABLE = {
    b"PK\x03\x04": "a zip archive, or a spreadsheet",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ": "xz data",
    b"\x28\xb5\x2f\xfd": "zstd data",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
}


@dataclass(frozen=True)
class Header:
    """The file's columns in its order, and where its first row starts."""

    columns: tuple[str, ...]
    first_row: Position


def read_header(blocks: Iterator[bytes], dataset: Dataset) -> tuple[Header, Iterator[bytes]]:
    """Takes the header off a source; returns it with the rest of the blocks.

    Raises ImportFailure `wrong_encoding` or `wrong_header`, which names expected and found.
    """
    start = b""
    for block in blocks:
        start += block
        if b"\n" in block or len(start) > MIB:
            break
    _check_encoding(start)
    end = find_cut(start, start.find(b"\n") + 1) or len(start)
    columns = _parse_columns(start[:end], dataset)
    _check_columns(columns, dataset)
    header = Header(columns, Position(0, end, 1 + start[:end].count(b"\n")))
    return header, itertools.chain([start[end:]], blocks)


def _check_encoding(start: bytes) -> None:
    for magic, form in UNREADABLE.items():
        if start.startswith(magic):
            detail = f"this is {form}; CSV, gzip and Parquet can be imported"
            raise ImportFailure("wrong_header", detail)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ImportFailure("wrong_encoding", "the file is UTF-16; only UTF-8 can be imported")


def _parse_columns(raw: bytes, dataset: Dataset) -> tuple[str, ...]:
    text = raw.removeprefix(codecs.BOM_UTF8)
    if not text.strip():
        raise _describe_mismatch(dataset, "a blank first line" if text else "an empty file")
    try:
        fields = parse_record(text.rstrip(b"\r\n"))
    except RecordError as error:
        found = repr(raw[:SHOWN_CHARACTERS])
        raise _describe_mismatch(dataset, f"{found} ({error.reason})") from error
    return tuple(field.strip() for field in fields)


def _check_columns(columns: Sequence[str], dataset: Dataset) -> None:
    known = {column.name for column in dataset.columns}
    required = {column.name for column in dataset.columns if not column.is_optional}
    faults = {
        "missing": required - set(columns),
        "unknown": set(columns) - known,
        "twice": {name for name, count in Counter(columns).items() if count > 1},
    }
    if any(faults.values()):
        words = [f"{kind}: {_list_names(names)}" for kind, names in faults.items() if names]
        found = f"{','.join(columns)[:SHOWN_CHARACTERS]} ({'; '.join(words)[:SHOWN_CHARACTERS]})"
        raise _describe_mismatch(dataset, found)


def _list_names(names: Iterable[str]) -> str:
    return ", ".join(name or "(without a name)" for name in sorted(names))


def _describe_mismatch(dataset: Dataset, found: str) -> ImportFailure:
    expected = ",".join(
        f"[{column.name}]" if column.is_optional else column.name for column in dataset.columns
    )
    return ImportFailure("wrong_header", f"expected {expected}; found {found}")
