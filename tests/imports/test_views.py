"""Imports over the API: asked for, watched, ended and removed."""

import csv
import hashlib
import io
from ipaddress import ip_network

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from explorer.models import Trip
from explorer.samples import HEADER, write_trips
from imports.choices import Status
from imports.jobs import run_import
from imports.models import Import, UploadBlock
from tests.factories.imports import ImportFactory, RejectFactory
from tests.people import make_user
from tests.servers import run_site

URL = "https://data.example/trips.csv"
IMPORTS = "/api/v1/imports/"


@pytest.fixture
def importer(settings: Settings, empty_queue: None) -> APIClient:
    """A client that has not signed in, where anybody may import."""
    settings.ANONYMOUS_ACCESS = frozenset({"read", "import"})
    return APIClient()


@pytest.mark.django_db
def test_import_is_accepted_with_its_address(importer: APIClient) -> None:
    asked = {"dataset": "trips", "url": URL, "force": True, "max_rejects": 7}

    response = importer.post(IMPORTS, asked, format="json")

    record = Import.objects.get()
    assert response.status_code == 202
    assert response["Location"] == f"http://testserver{IMPORTS}{record.pk}/"
    assert response.json()["status"] == "queued"
    assert (record.url, record.force, record.max_rejects) == (URL, True, 7)
    assert record.kicked_at is not None
    assert importer.get(response["Location"]).json() == response.json()


@pytest.mark.django_db
def test_import_tells_who_asked_for_it(empty_queue: None) -> None:
    client = APIClient()
    client.force_authenticate(make_user("ada"))

    response = client.post(IMPORTS, {"dataset": "trips", "url": URL}, format="json")

    assert response.json()["created_by"] == "ada"


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["post", "delete"])
@pytest.mark.parametrize("path", ["", "1/", "1/cancel/", "1/resume/"])
def test_stranger_may_read_but_not_import(api: APIClient, method: str, path: str) -> None:
    ImportFactory(pk=1)

    response = getattr(api, method)(f"{IMPORTS}{path}", {"dataset": "trips", "url": URL})

    assert response.status_code in {401, 403, 405}
    assert Import.objects.get().status == Status.FINISHED


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "attr"),
    [
        ({}, "dataset"),
        ({"dataset": "trips"}, "url"),
        ({"dataset": "postcards", "url": URL}, "dataset"),
        ({"dataset": ["trips"], "url": URL}, "dataset"),
        ({"dataset": "trips", "url": "file:///etc/passwd"}, "url"),
        ({"dataset": "trips", "url": "ftp://data.example/x"}, "url"),
        ({"dataset": "trips", "url": "upload:x/y"}, "url"),
        ({"dataset": "trips", "url": "https://me:secret@data.example/"}, "url"),
        ({"dataset": "trips", "url": "https://"}, "url"),
        ({"dataset": "trips", "url": "data.csv"}, "url"),
        ({"dataset": "trips", "url": "https://data.example/\nx"}, "url"),
        ({"dataset": "trips", "url": "https://data.example/\0"}, "url"),
        ({"dataset": "trips", "url": "https://data.example/" + "x" * 5000}, "url"),
        ({"dataset": "trips", "url": 7}, "url"),
        ({"dataset": "trips", "url": URL, "expected_sha256": "abc"}, "expected_sha256"),
        ({"dataset": "trips", "url": URL, "max_rejects": -1}, "max_rejects"),
        ({"dataset": "trips", "url": URL, "max_rejects": 2**63}, "max_rejects"),
        ({"dataset": "trips", "url": URL, "force": "perhaps"}, "force"),
        ({"dataset": "trips", "url": URL, "colour": "red"}, "colour"),
        (["trips"], "non_field_errors"),
    ],
)
def test_bad_request_names_the_field(importer: APIClient, asked: object, attr: str) -> None:
    response = importer.post(IMPORTS, asked, format="json")

    assert response.status_code == 400
    assert attr in {error["attr"] for error in response.json()["errors"]}
    assert "secret" not in response.content.decode()
    assert not Import.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_uploaded_file_is_kept_and_imported(importer: APIClient) -> None:
    data = b"".join(write_trips(8_000, seed=1))
    file = SimpleUploadedFile("trips.csv", data)

    response = importer.post(IMPORTS, {"dataset": "trips", "file": file}, format="multipart")

    record = Import.objects.get()
    kept = b"".join(bytes(block.data) for block in UploadBlock.objects.order_by("byte_start"))
    assert response.status_code == 202
    assert kept == data
    assert record.url == f"upload:{hashlib.sha256(data).hexdigest()}/trips.csv"
    run_import(record.pk)
    record.refresh_from_db()
    assert (record.status, record.rows_loaded) == (Status.FINISHED, 8_000)
    assert record.bytes_done == record.bytes_total == len(data)


@pytest.mark.django_db(transaction=True)
def test_file_and_url_together_are_refused(importer: APIClient) -> None:
    file = SimpleUploadedFile("trips.csv", HEADER)

    both = importer.post(IMPORTS, {"dataset": "trips", "file": file, "url": URL})

    assert both.status_code == 400


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("data", [b"", b"\x00\xff"])
def test_uploaded_nonsense_fails_with_its_header(importer: APIClient, data: bytes) -> None:
    file = SimpleUploadedFile("../../etc/passwd", data)

    response = importer.post(IMPORTS, {"dataset": "trips", "file": file}, format="multipart")

    record = Import.objects.get(pk=response.json()["id"])
    assert record.url.endswith("/passwd")
    run_import(record.pk)
    record.refresh_from_db()
    assert record.error_code == "wrong_header"


@pytest.mark.django_db(transaction=True)
def test_cancel_resume_and_delete_answer_by_the_state(importer: APIClient) -> None:
    record = ImportFactory(queued=True, dataset="trips")
    address = f"{IMPORTS}{record.pk}/"

    def ask(action: str) -> int:
        return int(importer.post(f"{address}{action}/").status_code)

    assert ask("resume") == 409
    assert importer.delete(address).status_code == 409
    assert ask("cancel") == 202
    assert importer.get(address).json()["status"] == "cancelled"
    assert ask("cancel") == 409
    assert ask("resume") == 202
    assert importer.get(address).json()["status"] == "queued"
    assert ask("cancel") == 202
    assert importer.delete(address).status_code == 204
    assert importer.get(address).status_code == 404
    assert ask("cancel") == 404


@pytest.fixture
def finished(importer: APIClient, settings: Settings) -> Import:
    """An import of 2,000 trips from a server, some of them refused."""
    settings.IMPORT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with run_site() as site:
        url = site.serve("/trips.csv", b"".join(write_trips(2_000, seed=3, bad=0.02)))
        record = Import.objects.create(dataset="trips", url=url)
        run_import(record.pk)
    record.refresh_from_db()
    return record


@pytest.mark.django_db(transaction=True)
def test_deleted_import_takes_its_rows_along(importer: APIClient, finished: Import) -> None:
    assert Trip.objects.count() == finished.rows_loaded > 1_900

    response = importer.delete(f"{IMPORTS}{finished.pk}/")

    assert response.status_code == 204
    assert not Trip.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_rejects_are_a_file_too(importer: APIClient, finished: Import) -> None:
    response = importer.get(f"{IMPORTS}{finished.pk}/rejects.csv")

    body = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert response["X-Row-Count"] == str(finished.rows_rejected)
    assert len(rows) == finished.rows_rejected > 10
    assert list(rows[0]) == ["line", "byte_offset", "column", "code", "reason", "raw"]
    lines = [int(row["line"]) for row in rows]
    assert lines == sorted(lines)


@pytest.mark.django_db
def test_rejects_of_no_import_are_not_found(importer: APIClient) -> None:
    assert importer.get(f"{IMPORTS}7/rejects.csv").status_code == 404
    assert importer.get(f"{IMPORTS}7/rejects/").status_code == 404


@pytest.mark.django_db
def test_rejects_of_another_import_are_not_in_the_file(importer: APIClient) -> None:
    RejectFactory()
    record = ImportFactory()

    response = importer.get(f"{IMPORTS}{record.pk}/rejects.csv?code=bad_org_id")

    assert response["X-Row-Count"] == "0"


@pytest.mark.django_db(transaction=True)
def test_datasets_tell_columns_and_rows(importer: APIClient, finished: Import) -> None:
    ImportFactory(dataset="trips", rows_added=5, replaced_at=timezone.now())

    response = importer.get("/api/v1/datasets/")

    by_name = {row["name"]: row for row in response.json()["results"]}
    assert set(by_name) >= {"footprints", "trips"}
    assert by_name["trips"]["row_count"] == finished.rows_loaded
    columns = {column["name"]: column for column in by_name["trips"]["columns"]}
    assert len(columns) == 25
    assert columns["PULocationID"]["field"] == "pu_location_id"
    assert columns["cbd_congestion_fee"]["is_optional"]
    assert importer.get("/api/v1/datasets/?colour=red").status_code == 400
