"""The command that loads taxi zones, with made-up files and the real ones."""

from collections.abc import Callable, Iterator
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from explorer import zones
from explorer.models import TaxiZone
from tests.explorer.zones import LOOKUP, SHAPE, write_feature, write_map
from tests.servers import Site, run_site


def run(source: object) -> str:
    output = StringIO()
    call_command("load_zones", str(source), stdout=output)
    return output.getvalue()


def list_rows() -> list[Any]:
    return list(TaxiZone.objects.order_by("pk").values_list())


@pytest.fixture
def save(tmp_path: Path) -> Callable[[bytes], Path]:
    def save(body: bytes) -> Path:
        path = tmp_path / "zones"
        path.write_bytes(body)
        return path

    return save


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    settings.IMPORT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with run_site() as site:
        yield site


@pytest.mark.django_db
def test_command_tells_what_it_did(save: Callable[[bytes], Path]) -> None:
    path = save(LOOKUP)

    assert run(path) == f"loaded 2 zones from {path.as_uri()}: 2 new, 0 changed\n"
    before = list_rows()
    assert "loaded 2 zones" in run(path)
    assert "0 new, 0 changed" in run(path)
    assert list_rows() == before


@pytest.mark.django_db
def test_error_at_the_end_of_a_file_loads_nothing(save: Callable[[bytes], Path]) -> None:
    path = save(LOOKUP + b"x,EWR,Newark Airport,EWR\n")

    with pytest.raises(CommandError, match="line 4: location_id: 'x' is no integer"):
        run(path)

    assert not TaxiZone.objects.exists()


@pytest.mark.django_db
def test_file_in_another_encoding_is_refused_by_its_name(save: Callable[[bytes], Path]) -> None:
    with pytest.raises(CommandError, match="the file is UTF-16, not UTF-8") as caught:
        run(save(LOOKUP.decode().encode("utf-16")))

    assert caught.value.returncode == 1


@pytest.mark.django_db
def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"there is no file .*gone\.csv"):
        run(tmp_path / "gone.csv")


@pytest.mark.django_db
def test_file_that_is_too_large_is_not_read_to_its_end(
    save: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(LOOKUP)
    monkeypatch.setattr(zones, "MAX_BYTES", len(LOOKUP) - 1)

    with pytest.raises(CommandError, match="the file is larger than"):
        run(path)

    monkeypatch.setattr(zones, "MAX_BYTES", len(LOOKUP))
    assert "2 new" in run(path)


def test_sparse_file_of_many_gigabytes_is_refused_at_once(save: Callable[[bytes], Path]) -> None:
    path = save(b"")
    with path.open("r+b") as file:
        file.truncate(2**40)

    with pytest.raises(CommandError, match="the file is larger than 64 MB"):
        run(path)


@pytest.mark.django_db
def test_url_is_fetched(site: Site) -> None:
    url = site.serve("/zones", write_map(write_feature()))

    assert run(url) == f"loaded 1 zones from {url}: 1 new, 0 changed\n"
    assert TaxiZone.objects.get().geometry == SHAPE


@pytest.mark.django_db
def test_download_that_is_read_again_is_not_read_twice(site: Site) -> None:
    url = site.serve("/zones", LOOKUP)
    whole = site.answers["/zones"]
    site.serve("/zones", LOOKUP[:60], length=len(LOOKUP))
    broken = site.answers["/zones"]
    site.answers["/zones"] = lambda handler: (whole if len(site.requests) > 1 else broken)(handler)

    assert "2 new" in run(url)
    assert len(site.requests) == 2


@pytest.mark.django_db
def test_answer_that_is_no_file_is_told_of(site: Site) -> None:
    gone = site.serve("/gone", b"", status=404)
    page = site.serve("/page", b"<html></html>")

    with pytest.raises(CommandError, match="http_404"):
        run(gone)
    with pytest.raises(CommandError, match="neither GeoJSON nor CSV"):
        run(page)


@pytest.mark.django_db
def test_address_inside_the_network_is_denied(site: Site, settings: Settings) -> None:
    settings.IMPORT_ALLOWED_NETWORKS = ()

    with pytest.raises(CommandError, match="url_denied"):
        run(site.serve("/zones", LOOKUP))
    assert site.requests == []


# The real files


@pytest.mark.django_db
@pytest.mark.parametrize("order", [1, -1])
def test_real_files_make_all_zones(real_data: Path, order: int) -> None:
    folder = real_data / "trips"
    files = [folder / "nyc_taxi_zones.geojson", folder / "taxi_zone_lookup.csv"][::order]
    counts = ["260 zones", "265 zones"][::order]

    told = [run(file) for file in files]

    assert [count in line for count, line in zip(counts, told, strict=True)] == [True, True]
    before = list_rows()
    assert len(before) == 265
    assert {row[0] for row in before if row[4] is None} == {
        *(57, 104, 105),
        *(264, 265),
    }
    assert all(row[3] for row in before)
    assert all("0 new, 0 changed" in run(file) for file in files)
    assert list_rows() == before


@pytest.mark.django_db
def test_real_shapes_are_valid_and_their_parts_united(real_data: Path) -> None:
    run(real_data / "trips" / "nyc_taxi_zones.geojson")

    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT bool_and(ST_IsValid(geometry)), min(ST_GeometryType(geometry)),
                   sum(ST_NumGeometries(geometry)) FILTER (WHERE location_id IN (56, 103))
              FROM explorer_taxizone
            """
        )
        assert cursor.fetchone() == (True, "ST_MultiPolygon", 2 + 3)
