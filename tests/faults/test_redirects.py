"""Redirects, and the addresses and certificates behind them."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from pytest_django import Settings

from explorer.models import Trip
from tests.faults.generated import (
    BODY,
    HALF,
    WHOLE,
    check_failed,
    check_finished,
    load,
)
from tests.faults.sources import (
    Page,
    Sources,
    Step,
    answer,
    cut,
    redirect,
    run_sources,
    send,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("loopback", "short_pauses", "time_limit", "noted_ends"),
]


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
