"""Bodies without end, bombs, and files of every form."""

import codecs
import gzip
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest
from pytest_django import Settings

from explorer.samples import HEADER, write_trips
from tests.faults.generated import (
    BODY,
    CAP_BYTES,
    ETAG,
    HALF,
    LINES,
    OTHER,
    ROWS,
    WHOLE,
    check_failed,
    check_finished,
    load,
)
from tests.faults.sources import (
    Page,
    Sources,
    Step,
    Stream,
    cut,
    send,
    stream_endlessly,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("loopback", "short_pauses", "time_limit", "noted_ends"),
]


# Bodies without end


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            Page(stream_endlessly(b"", bytes(2**16)), announces="chunked"), id="endless zeros"
        ),
        pytest.param(
            Page(stream_endlessly(b"", b"x" * 2**16), announces="chunked"), id="endless line"
        ),
        pytest.param(
            Page(stream_endlessly(HEADER, b"x" * 2**16), announces="chunked"),
            id="header and an endless line",
        ),
        pytest.param(
            Page(stream_endlessly(HEADER + b'"', BODY[len(HEADER) :]), announces="nothing"),
            id="an unclosed quote and endless rows",
        ),
        pytest.param(
            Page(stream_endlessly(BODY, BODY[len(HEADER) :]), announces="chunked"),
            id="endless rows",
        ),
        pytest.param(
            Page(Stream.grow(BODY, BODY[len(HEADER) :], at_least=290 * 10**9)),
            id="290 GB, as announced",
        ),
        pytest.param(
            Page(Stream.grow(BODY, BODY[len(HEADER) :], at_least=CAP_BYTES + 1)),
            id="a little over the cap",
        ),
    ],
)
def test_body_over_the_cap_ends_the_import(
    sources: Sources, settings: Settings, page: Page
) -> None:
    settings.IMPORT_MAX_BYTES = CAP_BYTES

    record = load(sources.serve("/trips.csv", page))

    check_failed(record, "too_large")
    assert len(sources.requests) == 1


def test_body_of_the_cap_is_imported(sources: Sources, settings: Settings) -> None:
    settings.IMPORT_MAX_BYTES = len(BODY)

    check_finished(load(sources.serve("/trips.csv", WHOLE)), BODY)


def write_bomb() -> bytes:
    """Good rows, with one field that is a run of half a million letters: nearly 1000 : 1."""
    row = LINES[1].replace(b"HV", b"H" * 500_000, 1)
    return gzip.compress(HEADER + row * 200)


def test_bomb_ends_the_import(sources: Sources) -> None:
    bomb = write_bomb()
    assert 800 * len(bomb) < 10**8

    record = load(sources.serve("/trips.csv.gz", Page(bomb)))

    check_failed(record, "compression_bomb")


# Forms of a file


def write_parquet(folder: Path) -> bytes:
    source, target = folder / "trips.csv", folder / "trips.parquet"
    source.write_bytes(BODY)
    with duckdb.connect() as connection:
        rows = connection.read_csv(str(source), all_varchar=False)
        rows.write_parquet(str(target))
    return target.read_bytes()


def compress_lines() -> bytes:
    """A gzip member for each hundred lines."""
    parts = [LINES[first : first + 100] for first in range(0, len(LINES), 100)]
    return b"".join(gzip.compress(b"".join(part)) for part in parts)


FORMS = {
    "byte order mark": codecs.BOM_UTF8 + BODY,
    "CRLF": BODY.replace(b"\n", b"\r\n"),
    "no last newline": BODY.removesuffix(b"\n"),
    "gzip": gzip.compress(BODY),
    "gzip of many members": compress_lines(),
    "gzip with a byte order mark": gzip.compress(codecs.BOM_UTF8 + BODY),
}


@pytest.mark.parametrize("steps", [[], [cut(30_000), send()]], ids=["sound", "cut"])
@pytest.mark.parametrize("form", FORMS)
def test_file_of_another_form_is_imported(sources: Sources, form: str, steps: list[Step]) -> None:
    record = load(sources.serve("/export", Page(FORMS[form], etag=ETAG), *steps))

    check_finished(record, BODY)


@pytest.mark.parametrize("steps", [[], [cut(30_000), send()]], ids=["sound", "cut"])
def test_parquet_is_imported(sources: Sources, tmp_path: Path, steps: list[Step]) -> None:
    page = Page(write_parquet(tmp_path), etag=ETAG, content_type="application/octet-stream")

    record = load(sources.serve("/export", page, *steps))

    check_finished(record, BODY)


def test_body_that_is_encoded_unasked_is_imported(sources: Sources) -> None:
    page = Page(gzip.compress(BODY), headers={"Content-Encoding": "gzip"})

    check_finished(load(sources.serve("/trips.csv", page)), BODY)


def without_last_column(body: bytes) -> bytes:
    return b"".join(line.rpartition(b",")[0] + b"\n" for line in body.splitlines())


def with_a_column_more(body: bytes) -> bytes:
    lines = body.splitlines()
    return b"".join([lines[0], b",surprise\n", *(line + b",1\n" for line in lines[1:])])


@pytest.mark.parametrize(
    ("body", "code", "found"),
    [
        pytest.param(b"", "wrong_header", "", id="empty"),
        pytest.param(b"\n" + BODY, "wrong_header", "", id="blank first line"),
        pytest.param(b"\r\n" + BODY, "wrong_header", "", id="blank first line, CRLF"),
        pytest.param(BODY[len(HEADER) :], "wrong_header", "HV000", id="no header"),
        pytest.param(
            b"<!DOCTYPE html>\n<html><body>Sign in\n</body></html>\n",
            "wrong_header",
            "<!DOCTYPE html>",
            id="HTML",
        ),
        pytest.param(
            without_last_column(BODY), "wrong_header", "wav_match_flag", id="missing column"
        ),
        pytest.param(with_a_column_more(BODY), "wrong_header", "surprise", id="unknown column"),
        pytest.param(HEADER.replace(b",", b";"), "wrong_header", ";", id="semicolons"),
        pytest.param(gzip.compress(b""), "wrong_header", "", id="empty gzip"),
        pytest.param(BODY.decode().encode("utf-16"), "wrong_encoding", "UTF-16", id="UTF-16"),
        pytest.param(
            codecs.BOM_UTF16_BE + BODY.decode().encode("utf-16-be"),
            "wrong_encoding",
            "UTF-16",
            id="UTF-16, big end first",
        ),
    ],
)
def test_wrong_file_ends_the_import(sources: Sources, body: bytes, code: str, found: str) -> None:
    record = load(sources.serve("/trips.csv", Page(body)))

    check_failed(record, code)
    assert found in record.error_detail
    assert code != "wrong_header" or "hvfhs_license_num" in record.error_detail


def test_header_alone_finishes_without_rows(sources: Sources) -> None:
    check_finished(load(sources.serve("/trips.csv", Page(HEADER))), HEADER)


@pytest.mark.parametrize("rows", [ROWS, 12_000], ids=["below the cap", "beyond the cap"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"HV", b"\xe9HV", id="byte of Latin-1"),
        pytest.param(b"HV", b'"HV', id="unclosed quote at a field's start"),
        pytest.param(b"HV", b'H"V', id="unclosed quote within a field"),
        pytest.param(b"HV", b"H\0V", id="zero byte"),
    ],
)
def test_spoilt_row_is_the_only_one_that_is_refused(
    sources: Sources, rows: int, old: bytes, new: bytes
) -> None:
    good = b"".join(write_trips(rows, seed=1)).splitlines(keepends=True)
    spoilt, middle = good.copy(), rows // 2
    spoilt[middle] = spoilt[middle].replace(old, new, 1)
    del good[middle]

    record = load(sources.serve("/trips.csv", Page(b"".join(spoilt), etag=ETAG), cut(HALF), send()))

    check_finished(record, b"".join(good), rejects=1)
    assert record.rejects.get().line == middle + 1


def test_body_of_another_checksum_ends_the_import(sources: Sources) -> None:
    url = sources.serve("/trips.csv", WHOLE)

    check_failed(load(url, expected_sha256=sha256(OTHER).hexdigest()), "checksum")


@pytest.mark.parametrize("steps", [[], [cut(HALF), send()]], ids=["sound", "cut"])
def test_body_of_the_expected_checksum_is_imported(sources: Sources, steps: list[Step]) -> None:
    url = sources.serve("/trips.csv", WHOLE, *steps)

    check_finished(load(url, expected_sha256=sha256(BODY).hexdigest()), BODY)
