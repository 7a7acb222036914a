"""The header says whether this is the right file."""

import pytest

from imports.datasets import datasets
from imports.engine.cutting import Position
from imports.engine.headers import read_header
from imports.engine.records import ImportFailure

FOOTPRINTS = b"org_id,footprints_used,source_event_timestamp"


@pytest.mark.parametrize(
    ("start", "first_row"),
    [
        (FOOTPRINTS + b"\n1", Position(0, 46, 2)),
        (FOOTPRINTS + b"\r\n1", Position(0, 47, 2)),
        (b"\xef\xbb\xbf" + FOOTPRINTS + b"\n1", Position(0, 49, 2)),
        (FOOTPRINTS, Position(0, 45, 1)),
        (b'"org_id", footprints_used ,source_event_timestamp\n', Position(0, 50, 2)),
    ],
)
def test_header_is_taken_off(start: bytes, first_row: Position) -> None:
    blocks = iter([start[:20], start[20:]])

    header, rest = read_header(blocks, datasets["footprints"])

    assert header.columns == ("org_id", "footprints_used", "source_event_timestamp")
    assert header.first_row == first_row
    assert start[: first_row.byte_offset] + b"".join(rest) == start


@pytest.mark.parametrize(
    ("start", "found"),
    [
        (b"", "an empty file"),
        (b"\xef\xbb\xbf", "an empty file"),
        (b"\n" + FOOTPRINTS + b"\n", "a blank first line"),
        (b"\xef\xbb\xbf\r\n", "a blank first line"),
    ],
)
def test_what_was_found_is_told_rightly(start: bytes, found: str) -> None:
    with pytest.raises(ImportFailure, match=f"found {found}$"):
        read_header(iter([start]), datasets["footprints"])


def test_column_without_a_name_that_comes_twice_is_told_of() -> None:
    start = ",," + ",".join(column.name for column in datasets["games"].columns if column.name)

    with pytest.raises(ImportFailure, match=r"\(twice: \(without a name\)\)$"):
        read_header(iter([start.encode()]), datasets["games"])


def test_columns_in_another_order_are_taken() -> None:
    header, _ = read_header(
        iter([b"source_event_timestamp,org_id,footprints_used\n"]), datasets["footprints"]
    )

    assert header.columns == ("source_event_timestamp", "org_id", "footprints_used")


@pytest.mark.parametrize(
    ("start", "code"),
    [
        (b"", "wrong_header"),
        (b"\n\n", "wrong_header"),
        (b"org_id,footprints_used\n", "wrong_header"),
        (FOOTPRINTS + b",colour\n", "wrong_header"),
        (FOOTPRINTS + b",org_id\n", "wrong_header"),
        (b"<!doctype html><html>\n", "wrong_header"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "wrong_header"),
        (bytes(range(256)) * 100, "wrong_header"),
        (b"x" * 3_000_000, "wrong_header"),
        (b'"' * 3_000_001, "wrong_header"),
        (FOOTPRINTS.decode().encode("utf-16"), "wrong_encoding"),
    ],
)
def test_wrong_file_is_refused_with_expected_and_found(start: bytes, code: str) -> None:
    with pytest.raises(ImportFailure) as caught:
        read_header(iter([start]), datasets["footprints"])

    assert caught.value.code == code
    assert len(caught.value.detail) < 3000
    if code == "wrong_header":
        assert "expected org_id,footprints_used,source_event_timestamp" in caught.value.detail


def test_header_of_nothing_but_commas_is_refused_at_once() -> None:
    start = b"," * 900_000 + b"\n"

    with pytest.raises(ImportFailure) as caught:
        read_header(iter([start]), datasets["footprints"])

    assert caught.value.code == "wrong_header"


@pytest.mark.parametrize(
    ("start", "form"),
    [(b"PK\x03\x04abc", "zip"), (b"BZh91AY", "bzip2"), (b"\xfd7zXZ\0", "xz")],
)
def test_packed_file_of_another_kind_is_named(start: bytes, form: str) -> None:
    with pytest.raises(ImportFailure, match=form):
        read_header(iter([start]), datasets["trips"])
