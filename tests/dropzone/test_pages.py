"""The pages of the dropzone, as they are answered."""

import gzip

import pytest
from django.test import Client
from pytest_django import Settings

from dropzone.models import Measurement, RawBody
from tests.dropzone.payloads import BAD, process, receive, write
from tests.factories.dropzone import PayloadFactory
from tests.people import make_user

pytestmark = pytest.mark.django_db(transaction=True)

HTMX = {"HX-Request": "true", "HX-Target": "payloads", "HX-Trigger": "payload-news"}
INSTANT = "/dropzone/measurements/2024-07-01T10:00:00Z/"
BROWSER = {"accept": "text/html,*/*;q=0.8"}


@pytest.fixture
def reader(settings: Settings) -> Client:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    return Client(headers=BROWSER)


def read(client: Client, path: str, status: int = 200, **headers: str) -> str:
    response = client.get(path, headers={**BROWSER, **headers})
    assert response.status_code == status
    return " ".join(response.content.decode().split())


def test_address_of_the_door_leads_to_the_page(sender: Client) -> None:
    response = sender.get("/dropzone")

    assert (response.status_code, response.headers["Location"]) == (302, "/dropzone/")
    assert sender.head("/dropzone/").status_code == 200
    assert "Nothing was received yet" in read(sender, "/dropzone/")


@pytest.mark.parametrize("path", ["/dropzone/", "/dropzone/payloads/1/", INSTANT])
def test_page_needs_a_login_where_reading_is_not_open(client: Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/sign-in/?next=/dropzone/")


def test_list_tells_counts_and_first_reasons(reader: Client) -> None:
    process(write(1, 2))
    process(BAD)

    page = read(reader, "/dropzone/")
    rejected = read(reader, "/dropzone/?state=rejected")

    assert page.count('<span class="figure">1</span>') == 2
    assert "`time_stamp` has no offset" in page
    assert "has no offset" in rejected
    assert INSTANT in page
    assert INSTANT not in rejected.split('id="measurements"')[0]


def test_list_filters_as_the_api_does(reader: Client) -> None:
    process(write(1, 2))
    process(BAD)

    assert "has no offset" in read(reader, "/dropzone/?code=data_empty")
    assert "No payload matches" in read(reader, "/dropzone/?code=not_json")
    assert "received_at__gte: “x”" in read(reader, "/dropzone/?received_at__gte=x")
    assert "colour: unknown parameter" in read(reader, "/dropzone/?colour=red")
    assert "from: 2024" not in read(reader, "/dropzone/?from=2024-07-01&until=2024-07-02")
    assert "timestamp__gte: “x”" in read(reader, "/dropzone/?from=x")


def test_list_has_pages(reader: Client) -> None:
    for _ in range(11):
        PayloadFactory()

    page = read(reader, "/dropzone/")
    older = page.split('id="payloads-older"')[1].split('href="')[1].split('"')[0]

    assert page.count('href="/dropzone/payloads/') == 10
    second = read(reader, f"/dropzone/{older.replace('&amp;', '&')}")
    assert second.count('href="/dropzone/payloads/') == 1
    assert "payloads-newer" in second


@pytest.mark.parametrize("query", ["count=none", "format=csv"])
def test_list_has_pages_however_the_api_would_answer(reader: Client, query: str) -> None:
    for _ in range(11):
        PayloadFactory()

    page = read(reader, f"/dropzone/?{query}")

    assert page.count('href="/dropzone/payloads/') == 10
    assert "payloads-older" in page
    assert ("11 in all" in page) is (query != "count=none")
    assert "None" not in page


def test_link_to_more_reasons_is_not_cut_with_the_first(reader: Client) -> None:
    payload = process(b'{"time_stamp": "2024-07-01T12:00:00", "data": []}')

    page = read(reader, "/dropzone/")

    link = f'<a href="/dropzone/payloads/{payload.pk}/" aria-label="and more reasons'
    assert f"</div> {link}" in page


def test_part_that_looks_again_tells_of_news(reader: Client) -> None:
    receive(write(1))

    response = reader.get("/dropzone/", headers=HTMX)
    chosen = reader.get("/dropzone/?state=received", headers={**HTMX, "HX-Trigger": "state-x"})

    assert "every 2s" in response.content.decode()
    assert "<html" not in response.content.decode()
    assert "measured" in response.headers["HX-Trigger"]
    assert "HX-Trigger" not in chosen.headers


def test_sending_is_offered_to_who_may(reader: Client, settings: Settings) -> None:
    page = read(reader, "/dropzone/")
    assert "data-send" not in page
    assert "Authorization: Bearer" in page

    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest"})
    page = read(reader, "/dropzone/")
    assert "data-send" in page
    assert "curl --data-binary @file.json http://testserver/dropzone" in page


def test_command_has_a_token_where_a_terminal_needs_one(client: Client, settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()
    client.force_login(make_user())

    page = read(client, "/dropzone/")

    assert "data-send" in page
    assert "Authorization: Bearer" in page


def test_payload_tells_all(sender: Client) -> None:
    old, new = process(write(1, 2)), process(write(5))

    page = read(sender, f"/dropzone/payloads/{old.pk}/")

    assert bytes(old.sha256).hex() in page
    assert "&quot;data&quot;: [1, 2]" in page
    assert f'<a href="{INSTANT}">2024-07-01 10:00:00 UTC</a>' in page
    assert f"payload {new.pk}</a>, received later, does" in page
    assert "Yes: it was received last" in read(sender, f"/dropzone/payloads/{new.pk}/")


@pytest.mark.parametrize(
    ("body", "encoding", "shown"),
    [
        (gzip.compress(b"packed <b>", mtime=0), "gzip", "packed &lt;b&gt;"),
        (b"not gzip", "gzip", "not gzip"),
        (b"a\0\x7f\xff", "", "a␀␡\\xff"),
        ("é".encode() * 3000, "", "é" * 2048 + "</pre>"),
        (b"x" + "é".encode() * 3000, "", "x" + "é" * 2047 + "</pre>"),
        (b"", "", "the body was empty"),
    ],
)
def test_beginning_of_bytes_is_shown(
    sender: Client, body: bytes, encoding: str, shown: str
) -> None:
    payload = receive(body, encoding=encoding)

    assert shown in read(sender, f"/dropzone/payloads/{payload.pk}/")


def test_payload_whose_bytes_are_gone_is_shown_and_not_retried(sender: Client) -> None:
    payload = process(BAD)
    RawBody.objects.all().delete()

    page = read(sender, f"/dropzone/payloads/{payload.pk}/")
    assert "not kept any more" in page
    assert "Process it again" not in page
    response = sender.post(f"/dropzone/payloads/{payload.pk}/retry/")
    assert response.status_code == 409


def test_rejected_payload_is_retried_by_who_may(reader: Client) -> None:
    payload = process(BAD)
    path = f"/dropzone/payloads/{payload.pk}/"

    assert "Process it again" not in read(reader, path)
    assert reader.post(f"{path}retry/").headers["Location"].startswith("/sign-in/")
    reader.force_login(make_user(group="analyst"))
    assert "Process it again" not in read(reader, path)
    assert reader.post(f"{path}retry/").status_code == 403
    reader.force_login(make_user("bob"))
    assert "Process it again" in read(reader, path)
    assert reader.get(f"{path}retry/").status_code == 405
    assert reader.post(f"{path}retry/").headers["Location"] == path

    payload.refresh_from_db()
    assert payload.state == "received"
    assert "every 2s" in read(reader, path)


def test_processed_payload_is_not_retried(sender: Client) -> None:
    payload = process(write(1))

    response = sender.post(f"/dropzone/payloads/{payload.pk}/retry/")

    assert response.status_code == 409
    assert "processed already" in response.content.decode()


def test_form_needs_its_token(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest"})
    payload = process(BAD)
    client = Client(enforce_csrf_checks=True)

    assert client.post(f"/dropzone/payloads/{payload.pk}/retry/").status_code == 403


def test_measurement_names_its_payloads_in_order(reader: Client) -> None:
    first, second = process(write(1, 2)), process(write(5))

    page = read(reader, INSTANT)

    digests = [bytes(payload.sha256).hex() for payload in (first, second)]
    assert page.index(digests[0]) < page.index("stands</span>") < page.index(digests[1])
    assert page.count("stands</span>") == 1
    assert "Standard deviation" in page


@pytest.mark.parametrize("name", ["2024-07-01T12:00:00+02:00", "2024-07-01 10:00:00"])
def test_measurement_is_found_by_any_way_to_write_its_instant(reader: Client, name: str) -> None:
    process(write(1, 2))

    assert "2024-07-01 10:00:00" in read(reader, f"/dropzone/measurements/{name}/")


@pytest.mark.parametrize(
    "path", ["measurements/yesterday/", "measurements/2024-07-02T10:00:00Z/", "payloads/7/"]
)
def test_what_is_not_there_is_a_404(reader: Client, path: str) -> None:
    assert reader.get(f"/dropzone/{path}").status_code == 404
    assert reader.get(f"/dropzone/payloads/{'9' * 19}/").status_code == 404


def test_measurement_is_verified(reader: Client) -> None:
    process(write(1, 2))

    page = reader.post(f"{INSTANT}verify/").content.decode()
    part = reader.post(f"{INSTANT}verify/", headers={"HX-Request": "true"}).content.decode()
    Measurement.objects.update(mean=7)
    changed = reader.post(f"{INSTANT}verify/", headers={"HX-Request": "true"}).content.decode()
    RawBody.objects.all().delete()
    gone = reader.post(f"{INSTANT}verify/", headers={"HX-Request": "true"}).content.decode()

    assert "Every bit is the same" in page
    assert "<html" in page
    assert "Every bit is the same" in part
    assert "<html" not in part
    assert "differs" in changed
    assert "not kept any more" in gone
