"""Sources that break off, stall, refuse or change: each ends as it should, and is never wrong."""

import gzip
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from explorer.samples import HEADER
from imports.choices import Status
from imports.engine import fetching
from tests.faults.generated import (
    BARE,
    BODY,
    DATE,
    ETAG,
    HALF,
    LINES,
    OTHER,
    RETRIES,
    ROWS,
    WHOLE,
    check_failed,
    check_finished,
    count_rows,
    load,
)
from tests.faults.sources import (
    Page,
    Sources,
    Step,
    answer,
    cut,
    drip,
    reset,
    send,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("loopback", "short_pauses", "time_limit", "noted_ends"),
]


@pytest.fixture
def _short_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "STALL_SECONDS", 0.4)
    monkeypatch.setattr(fetching, "STALL_BYTES_PER_SECOND", 1024)


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
