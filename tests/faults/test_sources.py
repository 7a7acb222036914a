"""Imports from sources that fail, lie or attack: each ends as it should, and is never wrong."""

import codecs
import csv
import gzip
import http.client
import io
import random
import shutil
import signal
import ssl
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import duckdb
import pytest
from pytest_django import Settings

from explorer.models import Trip
from explorer.samples import HEADER, write_trips
from imports.choices import Status
from imports.engine import cutting, fetching
from imports.jobs import create_import, run_import
from imports.models import Import
from tests.faults.sources import (
    Page,
    Sources,
    Step,
    Stream,
    answer,
    cut,
    drip,
    redirect,
    reset,
    run_sources,
    send,
    stream_endlessly,
)

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 2_000
BODY = b"".join(write_trips(ROWS, seed=1))
LINES = BODY.splitlines(keepends=True)
OTHER = BODY.replace(b"HV000", b"HV009")  # as long, and other rows
HALF = len(BODY) // 2
ETAG = '"first"'
DATE = "Mon, 01 Jan 2024 00:00:00 GMT"
WHOLE = Page(BODY, etag=ETAG)
BARE = Page(BODY, has_ranges=False)
CAP_BYTES = 2 * len(BODY)
RETRIES = 5
SECONDS_PER_TEST = 60

# The columns of the file that tell one generated trip from another, and their fields.
TEXTS = {"hvfhs_license_num": "hvfhs_license_num", "dispatching_base_num": "dispatching_base_num"}
NUMBERS = {
    "PULocationID": "pu_location_id",
    "DOLocationID": "do_location_id",
    "trip_miles": "trip_miles",
    "trip_time": "trip_time",
    "base_passenger_fare": "base_passenger_fare",
    "tips": "tips",
    "driver_pay": "driver_pay",
}

Row = tuple[str | Decimal, ...]


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings: Settings) -> None:
    settings.IMPORT_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture(autouse=True)
def _short_pauses_and_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "RETRY_PAUSES", (0.01,) * RETRIES)
    monkeypatch.setattr(cutting, "CHUNK_BYTES", 20_000)


@pytest.fixture
def _short_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "STALL_SECONDS", 0.4)
    monkeypatch.setattr(fetching, "STALL_BYTES_PER_SECOND", 1024)


@pytest.fixture(autouse=True)
def _time_is_limited() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"it did not end within {SECONDS_PER_TEST} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS_PER_TEST)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def sources() -> Iterator[Sources]:
    with run_sources() as sources:
        yield sources


def load(url: str, **fields: object) -> Import:
    record = create_import("trips", url, **fields)
    run_import(record.pk)
    record.refresh_from_db()
    return record


def count_rows(body: bytes) -> Counter[Row]:
    """The rows of a file by identity."""
    return Counter(
        (*(row[name] for name in TEXTS), *(Decimal(row[name]) for name in NUMBERS))
        for row in csv.DictReader(io.StringIO(body.decode("utf-8-sig")))
    )


def count_trips() -> Counter[Row]:
    """The rows that are published, by identity."""
    rows = Trip.objects.using("default").values_list(*TEXTS.values(), *NUMBERS.values())
    return Counter((*row[: len(TEXTS)], *map(Decimal, row[len(TEXTS) :])) for row in rows)


def check_finished(record: Import, body: bytes, *, rejects: int = 0) -> None:
    """All rows of `body` are there, each as often as it is in there, and no others."""
    expected = count_rows(body)
    state = (record.status, record.error_code, record.error_detail)
    assert state == (Status.FINISHED, "", "")
    assert (record.rows_loaded, record.rows_rejected) == (expected.total(), rejects)
    assert count_trips() == expected


def check_failed(record: Import, code: str) -> None:
    found = (record.status, record.error_code)
    assert found == (Status.FAILED, code), record.error_detail
    assert record.error_detail
    assert not Trip.objects.using("default").exists()


def test_generated_rows_can_be_told_apart() -> None:
    assert set(count_rows(BODY).values()) == {1}
    assert count_rows(BODY).total() == ROWS
    assert not count_rows(BODY) & count_rows(OTHER)
    assert len(OTHER) == len(BODY)


# Sources that break off


def reset_at_random(count: int) -> list[Step]:
    offsets = random.Random(1)  # noqa: S311 - any will do
    return [reset(offsets.randrange(HALF // count)) for _ in range(count)]


def answer_busy(retry_after: str, status: int = 503) -> Step:
    return answer(status, {"Retry-After": retry_after})


def write_moment(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("page", "steps"),
    [
        pytest.param(WHOLE, [send()], id="sound"),
        pytest.param(WHOLE, [cut(HALF), send()], id="cut"),
        pytest.param(WHOLE, [cut(0), send()], id="cut before the first byte"),
        pytest.param(WHOLE, [cut(len(HEADER) - 5), send()], id="cut within the header"),
        pytest.param(WHOLE, [cut(len(BODY) - 1), send()], id="cut before the last byte"),
        pytest.param(WHOLE, [cut(HALF // RETRIES)], id="cut after every part"),
        pytest.param(WHOLE, [*reset_at_random(4), send()], id="reset at random offsets"),
        pytest.param(WHOLE, [cut(HALF), answer(503), cut(9), send()], id="one fault after another"),
        pytest.param(
            Page(BODY, last_modified=DATE), [cut(HALF), send()], id="cut, known by its date"
        ),
        pytest.param(
            Page(BODY, etag='W/"1"'), [cut(HALF), send()], id="cut, known by a weak ETag only"
        ),
        pytest.param(
            Page(BODY, etag='W/"1"', has_ranges=False), [cut(HALF), send()], id="weak, no ranges"
        ),
        pytest.param(Page(BODY), [cut(HALF), send()], id="cut, known by nothing"),
        pytest.param(BARE, [cut(HALF), send()], id="cut, without ranges"),
        pytest.param(
            Page(BODY, etag=ETAG, has_ranges=False), [cut(HALF), send()], id="200 to a range"
        ),
        pytest.param(
            WHOLE, [cut(HALF), send(Page(BODY, etag=ETAG, has_ranges=False))], id="ranges end"
        ),
        pytest.param(Page(BODY, announces="chunked"), [send()], id="chunked"),
        pytest.param(
            Page(BODY, announces="chunked", etag=ETAG),
            [cut(HALF), send()],
            id="chunked, cut",
        ),
        pytest.param(
            Page(BODY, announces="chunked", has_ranges=False),
            [cut(len(BODY)), send()],
            id="chunked, without its last chunk at first",
        ),
        pytest.param(Page(BODY, announces="nothing"), [send()], id="ends with the connection"),
        pytest.param(
            Page(BODY, announces="nothing", etag=ETAG),
            [reset(HALF), send()],
            id="ends with the connection, reset",
        ),
        pytest.param(WHOLE, [answer_busy("1", 429), send()], id="429, then fine"),
        pytest.param(WHOLE, [answer(503), answer(503), send()], id="503 twice, then fine"),
        pytest.param(WHOLE, [answer_busy("soon"), send()], id="503 with nonsense, then fine"),
        pytest.param(WHOLE, [answer_busy(write_moment(-9)), send()], id="503 until the past"),
        pytest.param(
            WHOLE,
            [answer(408), answer(425), answer(500), answer(502), send()],
            id="transient answers, then fine",
        ),
    ],
)
def test_source_that_recovers_is_imported_whole(
    sources: Sources, page: Page, steps: list[Step]
) -> None:
    record = load(sources.serve("/trips.csv", page, *steps))

    check_finished(record, BODY)


@pytest.mark.parametrize(
    ("page", "steps"),
    [
        pytest.param(BARE, [cut(HALF)], id="short for ever"),
        pytest.param(WHOLE, [cut(HALF), cut(0)], id="nothing more for ever"),
        pytest.param(WHOLE, [cut(HALF), reset(0)], id="reset for ever"),
        pytest.param(Page(BODY, announces=len(BODY) + 500), [send()], id="length too large"),
        pytest.param(BARE, [cut(len(BODY) - 1)], id="last byte never comes"),
        pytest.param(
            Page(BODY, announces="chunked", has_ranges=False), [cut(HALF)], id="chunked, cut"
        ),
        pytest.param(
            Page(BODY, announces="chunked", has_ranges=False),
            [cut(len(BODY))],
            id="chunked, without its last chunk",
        ),
        pytest.param(WHOLE, [answer(503)], id="503 for ever"),
        pytest.param(WHOLE, [answer_busy("0", 429)], id="429 for ever"),
        pytest.param(WHOLE, [cut(HALF), answer(503)], id="503 from the middle on"),
        pytest.param(Page(gzip.compress(BODY)[:-9]), [send()], id="gzip cut at its end"),
        pytest.param(Page(gzip.compress(BODY)[: HALF // 8]), [send()], id="gzip cut in the middle"),
    ],
)
def test_source_that_does_not_recover_ends_the_import(
    sources: Sources, page: Page, steps: list[Step]
) -> None:
    record = load(sources.serve("/trips.csv", page, *steps))

    check_failed(record, "source_unreliable")


@pytest.mark.usefixtures("_short_stalls")
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([drip(200_000)], id="slow, yet above the limit"),
        pytest.param([drip(0), send()], id="silent, then fine"),
        pytest.param([drip(10), drip(10), send()], id="10 bytes a second, then fine"),
    ],
)
def test_source_that_is_slow_for_a_while_is_imported_whole(
    sources: Sources, steps: list[Step]
) -> None:
    record = load(sources.serve("/trips.csv", WHOLE, *steps))

    check_finished(record, BODY)


@pytest.mark.usefixtures("_short_stalls")
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([drip(10)], id="10 bytes a second"),
        pytest.param([drip(0)], id="silence"),
        pytest.param([cut(HALF), drip(0)], id="silence from the middle on"),
    ],
)
def test_source_that_stalls_ends_the_import(sources: Sources, steps: list[Step]) -> None:
    record = load(sources.serve("/trips.csv", WHOLE, *steps))

    check_failed(record, "source_unreliable")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_refusal_ends_the_import_at_once(sources: Sources, status: int) -> None:
    record = load(sources.serve("/trips.csv", WHOLE, answer(status, body=b"no"), send()))

    check_failed(record, f"http_{status}")
    assert len(sources.requests) == 1


def test_refusal_in_the_middle_ends_the_import(sources: Sources) -> None:
    record = load(sources.serve("/trips.csv", WHOLE, cut(HALF), answer(404)))

    check_failed(record, "http_404")


def test_break_is_mended_by_a_range_under_a_strong_validator(sources: Sources) -> None:
    record = load(sources.serve("/trips.csv", WHOLE, cut(HALF), send()))

    check_finished(record, BODY)
    [_, again] = sources.requests
    assert again.range.startswith("bytes=")
    assert 0 < int(again.range.removeprefix("bytes=").rstrip("-")) <= HALF
    assert again.if_range == ETAG


@pytest.mark.parametrize("etag", ['W/"1"', ""])
def test_no_range_is_asked_for_without_a_strong_validator(sources: Sources, etag: str) -> None:
    load(sources.serve("/trips.csv", Page(BODY, etag=etag), cut(HALF), send()))

    asked = [request.headers.keys() & {"Range", "If-Range"} for request in sources.requests]
    assert asked == [set(), set()]


def test_body_is_asked_for_as_it_is(sources: Sources) -> None:
    load(sources.serve("/trips.csv", WHOLE))

    assert sources.requests[0].headers["Accept-Encoding"] == "identity"


# Sources that change


@pytest.mark.parametrize(
    ("page", "later"),
    [
        pytest.param(WHOLE, Page(OTHER, etag='"second"'), id="another ETag"),
        pytest.param(
            WHOLE, Page(OTHER, etag='"second"', has_ranges=False), id="another ETag, no ranges"
        ),
        pytest.param(
            WHOLE,
            Page(OTHER, etag='"second"', heeds_if_range=False),
            id="another ETag, If-Range not heeded",
        ),
        pytest.param(
            Page(BODY, last_modified=DATE),
            Page(OTHER, last_modified="Tue, 02 Jan 2024 00:00:00 GMT"),
            id="another date",
        ),
        pytest.param(BARE, Page(OTHER, has_ranges=False), id="other bytes, known by nothing"),
        pytest.param(
            WHOLE, Page(OTHER, etag=ETAG, has_ranges=False), id="other bytes, same ETag, as 200"
        ),
        pytest.param(
            Page(BODY, etag='W/"1"'), Page(OTHER, etag='W/"1"'), id="other bytes, same weak ETag"
        ),
        pytest.param(
            WHOLE, Page(BODY + LINES[-1], etag=ETAG), id="another length, same ETag, as 206"
        ),
        pytest.param(
            BARE, Page(b"".join(LINES[:1500]), has_ranges=False), id="fewer rows, known by nothing"
        ),
        pytest.param(WHOLE, Page(b"".join(LINES[:900]), etag=ETAG), id="416 to a range"),
    ],
)
def test_source_that_changes_is_never_spliced(sources: Sources, page: Page, later: Page) -> None:
    record = load(sources.serve("/trips.csv", page, cut(HALF), send(later)))

    check_failed(record, "source_changed")


@pytest.mark.parametrize(
    ("page", "steps"),
    [
        pytest.param(
            WHOLE,
            [cut(HALF), send(Page(BODY, etag=ETAG, range_shift=len(LINES[-1])))],
            id="range that starts elsewhere",
        ),
        pytest.param(
            WHOLE,
            [cut(HALF), send(Page(b"<html>wait</html>", content_type="text/html"))],
            id="page of HTML from the middle on",
        ),
        pytest.param(Page(gzip.compress(BODY)[:-8] + bytes(8)), [send()], id="gzip of wrong sum"),
        pytest.param(Page(gzip.compress(BODY) + b"\x1f\x8b"), [send()], id="gzip and a bit more"),
    ],
)
def test_lie_is_never_imported(sources: Sources, page: Page, steps: list[Step]) -> None:
    """Whatever else comes of it, no row is missing or wrong in what has finished."""
    record = load(sources.serve("/trips.csv", page, *steps))

    if record.status == Status.FINISHED:
        check_finished(record, BODY)
    else:
        check_failed(record, record.error_code)


def test_length_that_is_too_small_ends_the_import(sources: Sources) -> None:
    kept = b"".join(LINES[:1500])
    page = Page(BODY, announces=len(kept) + 50, has_ranges=False)

    record = load(sources.serve("/trips.csv", page))

    check_failed(record, "source_unreliable")
    assert "more bytes came" in record.error_detail


# Redirects and addresses


def test_link_of_a_spreadsheet_is_imported(sources: Sources) -> None:
    page = Page(BODY, has_ranges=False, announces="chunked")
    sources.serve("/pub?output=csv&gid=0&id=x%2Fy", page)
    sources.redirect("/d/export?format=csv", "/pub?output=csv&gid=0&id=x%2Fy")

    record = load(sources.redirect("/d/1?usp=sharing", "/d/export?format=csv"))

    check_finished(record, BODY)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_of_every_kind_is_followed(sources: Sources, status: int) -> None:
    sources.serve("/there", WHOLE)

    record = load(sources.serve("/here", Page(), redirect("/there", status)))

    check_finished(record, BODY)


def test_redirect_is_followed_anew_after_a_break(sources: Sources) -> None:
    """As links do that are signed for a few minutes."""
    sources.serve("/signed?1", WHOLE, cut(HALF), answer(403))
    sources.serve("/signed?2", WHOLE)

    record = load(sources.redirect("/trips.csv", "/signed?1", "/signed?2"))

    check_finished(record, BODY)


@pytest.mark.parametrize(
    "target",
    [
        "/here",
        "file:///etc/passwd",
        "ftp://127.0.0.1/trips.csv",
        "gopher://127.0.0.1/",
        "data:text/csv,a",
        "http://user:secret@127.0.0.1/trips.csv",
        "http://[::1",
        "",
    ],
)
def test_redirect_that_leads_nowhere_ends_the_import(sources: Sources, target: str) -> None:
    record = load(sources.redirect("/here", target))

    check_failed(record, "url_denied")
    assert len(sources.requests) <= 6


def test_sixth_redirect_ends_the_import(sources: Sources) -> None:
    sources.serve("/6", WHOLE)
    for number in range(6):
        sources.redirect(f"/{number}", f"/{number + 1}")

    check_finished(load(sources.url + "/1"), BODY)
    Trip.objects.using("default").all().delete()
    check_failed(load(sources.url + "/0"), "url_denied")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
def test_denied_address_is_never_asked(sources: Sources, settings: Settings, host: str) -> None:
    settings.IMPORT_ALLOWED_NETWORKS = []
    url = sources.serve("/trips.csv", WHOLE).replace("127.0.0.1", host)

    check_failed(load(url), "url_denied")
    assert sources.requests == []


@pytest.mark.parametrize("steps", [[], [cut(HALF)]], ids=["at first", "from the middle on"])
def test_redirect_to_a_denied_address_is_never_followed(
    sources: Sources, settings: Settings, steps: list[Step]
) -> None:
    settings.IMPORT_ALLOWED_NETWORKS = [ip_network("127.0.0.2/32")]
    inner = sources.serve("/trips.csv", WHOLE)

    with run_sources("127.0.0.2") as allowed:
        record = load(allowed.serve("/trips.csv", WHOLE, *steps, redirect(inner)))

    check_failed(record, "url_denied")
    assert len(allowed.requests) == len(steps) + 1
    assert sources.requests == []


@pytest.fixture
def secure_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sources]:
    """Over TLS, with a certificate that is trusted during the test."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subject = "-subj /CN=loopback -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *subject.split(), *files], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with run_sources(tls=context) as sources:
        yield sources


def test_secure_source_is_imported_across_a_break(secure_sources: Sources) -> None:
    record = load(secure_sources.serve("/trips.csv", WHOLE, cut(HALF), send()))

    check_finished(record, BODY)


def test_redirect_from_https_to_http_is_never_followed(
    secure_sources: Sources, sources: Sources
) -> None:
    plain = sources.serve("/trips.csv", WHOLE)

    record = load(secure_sources.redirect("/trips.csv", plain))

    check_failed(record, "url_denied")
    assert sources.requests == []


def test_certificate_that_nobody_trusts_ends_the_import(
    secure_sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    record = load(secure_sources.serve("/trips.csv", WHOLE))

    check_failed(record, record.error_code)
    assert secure_sources.requests == []


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


# The server itself


def fetch(url: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("GET", f"{parts.path}?{parts.query}".rstrip("?"), headers=names)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("page", "asked", "condition", "status", "part"),
    [
        (WHOLE, "bytes=10-", ETAG, 206, BODY[10:]),
        (WHOLE, "bytes=10-19", ETAG, 206, BODY[10:20]),
        (WHOLE, "bytes=10-", '"second"', 200, BODY),
        (WHOLE, f"bytes={len(BODY)}-", ETAG, 416, b""),
        (Page(BODY, etag='W/"1"'), "bytes=10-", 'W/"1"', 200, BODY),
        (Page(BODY, last_modified=DATE), "bytes=10-", DATE, 206, BODY[10:]),
        (Page(BODY, heeds_if_range=False), "bytes=10-", ETAG, 206, BODY[10:]),
        (Page(BODY, announces="chunked", etag=ETAG), "bytes=10-", ETAG, 206, BODY[10:]),
        (BARE, "bytes=10-", ETAG, 200, BODY),
    ],
)
def test_server_answers_ranges(  # noqa: PLR0913 - a table's columns
    sources: Sources, page: Page, asked: str, condition: str, status: int, part: bytes
) -> None:
    response, body = fetch(sources.serve("/x", page), Range=asked, If_Range=condition)

    assert (response.status, body) == (status, part)
    assert (sources.requests[0].range, sources.requests[0].if_range) == (asked, condition)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (cut(HALF), http.client.IncompleteRead),
        (reset(HALF), ConnectionResetError),
        (cut(HALF, Page(BODY, announces="chunked")), http.client.IncompleteRead),
        (cut(len(BODY), Page(BODY, announces="chunked")), http.client.IncompleteRead),
        (send(Page(BODY, announces=len(BODY) + 1)), http.client.IncompleteRead),
    ],
)
def test_server_breaks_off_and_then_goes_on(
    sources: Sources, step: Step, error: type[Exception]
) -> None:
    url = sources.serve("/x", WHOLE, step, send())

    with pytest.raises(error):
        fetch(url)

    assert fetch(url)[1] == BODY


def test_server_gives_any_part_of_a_body_that_nobody_could_store(sources: Sources) -> None:
    block = BODY[len(HEADER) :]
    stream = Stream.grow(HEADER, block, at_least=290 * 10**9)
    start = len(HEADER) + len(block) * (stream.repeats - 1)

    response, body = fetch(sources.serve("/x", Page(stream, etag=ETAG)), Range=f"bytes={start}-")

    assert body == block
    assert stream.size - len(block) < 290 * 10**9 <= stream.size
    assert response.headers["Content-Range"] == f"bytes {start}-{stream.size - 1}/{stream.size}"


def test_server_ends_while_it_drips_and_streams() -> None:
    with run_sources() as sources:
        sockets = [
            http.client.HTTPConnection(urlsplit(sources.url).netloc, timeout=10) for _ in range(3)
        ]
        sources.serve("/0", WHOLE, drip(0))
        sources.serve("/1", WHOLE, drip(10))
        sources.serve("/2", Page(stream_endlessly(HEADER, b"x" * 2**16), announces="chunked"))
        for number, connection in enumerate(sockets):
            connection.request("GET", f"/{number}")
            assert connection.getresponse().status == 200

    for connection in sockets:
        connection.close()
