"""Sources are opened in one place, from a real server that misbehaves."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from footprints.models import Footprint
from imports.choices import Status
from imports.engine.fetching import open_source
from imports.engine.records import ImportFailure
from imports.jobs import create_import, run_import
from imports.models import Import
from tests.files import write_file, write_square
from tests.servers import Site, run_site

BODY = write_file(write_square(n) for n in range(30))


@pytest.fixture
def site() -> Iterator[Site]:
    with run_site() as site:
        yield site


def load(url: str) -> Import:
    record = create_import("footprints", url)
    run_import(record.pk)
    record.refresh_from_db()
    return record


@pytest.mark.parametrize("start", [0, 1, 100, len(BODY) - 1, len(BODY)])
def test_source_is_read_from_where_it_is_asked(site: Site, tmp_path: Path, start: int) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(BODY)

    for url in (site.serve("/file.csv", BODY), file.as_uri()):
        with open_source(url, start=start) as source:
            assert b"".join(source.blocks) == BODY[start:]
            assert source.total_bytes == len(BODY)


@pytest.mark.django_db(transaction=True)
def test_url_is_imported(site: Site) -> None:
    record = load(site.serve("/file.csv?x=1", BODY))

    assert (record.status, record.rows_loaded) == (Status.FINISHED, 30)
    assert record.bytes_total == len(BODY)


@pytest.mark.django_db(transaction=True)
def test_source_that_does_not_tell_its_length_is_imported(site: Site) -> None:
    record = load(site.serve("/file.csv", BODY, length=None))

    assert (record.status, record.rows_loaded, record.bytes_total) == (Status.FINISHED, 30, None)


@pytest.mark.django_db(transaction=True)
def test_redirect_is_followed(site: Site) -> None:
    site.serve("/there.csv", BODY)

    assert load(site.redirect("/here", "/there.csv")).status == Status.FINISHED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", [403, 404, 410, 500, 204, 206])
def test_answer_other_than_200_ends_the_import(site: Site, status: int) -> None:
    record = load(site.serve("/file.csv", b"", status=status))

    assert (record.status, record.error_code) == (Status.FAILED, f"http_{status}")


@pytest.mark.django_db(transaction=True)
def test_short_body_is_never_taken_for_the_whole(site: Site) -> None:
    record = load(site.serve("/file.csv", BODY[:-300], length=len(BODY)))

    assert (record.status, record.error_code) == (Status.FAILED, "source_unreliable")
    assert Footprint.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_redirect_loop_ends_the_import(site: Site) -> None:
    record = load(site.redirect("/loop", "/loop"))

    assert (record.status, record.error_code) == (Status.FAILED, "url_denied")
    assert len(site.requests) <= 7


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("target", ["http://[::1", "file:///etc/passwd", "ftp://x/y", "//"])
def test_redirect_to_what_cannot_be_opened_ends_the_import(site: Site, target: str) -> None:
    record = load(site.redirect("/here", target))

    assert (record.status, record.error_code) == (Status.FAILED, "url_denied")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", [429, 503])
def test_server_that_asks_for_patience_is_asked_once(site: Site, status: int) -> None:
    record = load(site.serve("/file.csv", b"", status=status, headers={"Retry-After": "1"}))

    assert record.error_code == f"http_{status}"
    assert len(site.requests) == 1


@pytest.mark.django_db(transaction=True)
def test_absurd_length_ends_the_import(site: Site) -> None:
    record = load(site.serve("/file.csv", BODY, length=10**30))

    assert (record.status, record.error_code) == (Status.FAILED, "source_unreliable")


@pytest.mark.django_db(transaction=True)
def test_validator_that_postgresql_cannot_hold_is_kept_without_it(site: Site) -> None:
    record = load(site.serve("/file.csv", BODY, headers={"ETag": '"a\0b"'}))

    assert (record.status, record.etag) == (Status.FINISHED, '"ab"')


@pytest.mark.django_db(transaction=True)
def test_pipe_is_refused_before_it_blocks(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    assert load(pipe.as_uri()).error_code == "source_unreadable"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://files.example/x.csv", "url_denied"),
        ("gopher://x", "url_denied"),
        ("http://", "url_denied"),
        ("http://[::1", "url_denied"),
        ("http://127.0.0.1:1/x.csv", "source_unreliable"),
        ("file:///nowhere/x.csv", "source_unreadable"),
        ("file:///", "source_unreadable"),
        ("file://elsewhere/x.csv", "url_denied"),
    ],
)
def test_source_that_cannot_be_opened_ends_the_import(url: str, code: str) -> None:
    record = load(url)

    assert (record.status, record.error_code) == (Status.FAILED, code)


def test_scheme_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(ImportFailure, match="only http and https"), open_source("data:,x"):
        pass
