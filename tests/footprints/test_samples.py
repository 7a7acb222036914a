import csv
import hashlib
import io
import json
from collections import Counter
from datetime import datetime
from itertools import islice

import pytest

from footprints.polygons import PolygonError, repair_polygon
from footprints.preparing import prepare_chunk
from footprints.samples import BAD_KINDS, HEADER, bad_row, write_footprints
from tests.imports.chunks import make_chunk

COLUMNS = ("org_id", "footprints_used", "source_event_timestamp")
POLYGON_FAULTS = {
    "broken_json": "invalid_json",
    "empty_geometry": "empty_coordinates",
    "latitude_95": "latitude_out_of_range",
    "point": "unsupported_type",
    "deep_nesting": "too_deep",
    "nan_coordinate": "not_finite",
}


def read_rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def parse_time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def test_write_footprints_gives_the_same_bytes_for_ever() -> None:
    content = b"".join(write_footprints(200, seed=1, bad=0.1))

    assert (
        hashlib.sha256(content).hexdigest()
        == "36ed90f1abae22bed178a0e63acba8da557d9872ecbcecc43e7d1ad01ae9dfad"
    )


def test_write_footprints_differs_by_seed() -> None:
    assert list(write_footprints(5, seed=1)) != list(write_footprints(5, seed=2))


@pytest.mark.parametrize("rows", [0, 1, 999, 1000, 1001])
def test_write_footprints_gives_as_many_rows_as_asked(rows: int) -> None:
    content = b"".join(write_footprints(rows, seed=3))

    assert content.startswith(HEADER)
    assert content.count(b"\r\n") == content.count(b"\n") == rows + 1


def test_write_footprints_yields_small_blocks_of_an_endless_file() -> None:
    blocks = list(islice(write_footprints(10**12, seed=4), 4))

    assert max(map(len, blocks)) < 4_000_000


def test_write_footprints_looks_like_the_real_file() -> None:
    header, *rows = read_rows(b"".join(write_footprints(3_000, seed=5)))

    times = [parse_time(row[2]) for row in rows]
    assert header == ["org_id", "footprints_used", "source_event_timestamp"]
    assert {int(row[0]) for row in rows} == set(range(1, 101))
    assert times == sorted(times)
    assert all(len(row[2]) == len("2024-07-01T04:00:28.008Z") for row in rows)
    assert 1_200 <= sum(len(row[1]) for row in rows) / len(rows) <= 1_600


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_good_row_becomes_a_polygon(seed: int) -> None:
    _, *rows = read_rows(b"".join(write_footprints(2_000, seed=seed)))

    repaired = [repair_polygon(row[1]) for row in rows]

    codes = Counter(repair.code for row in repaired for repair in row.repairs)
    holed = sum(any(part.interiors for part in row.geometry.geoms) for row in repaired)
    assert 40 <= codes["self_intersection"] <= 120
    assert 2 <= codes["antimeridian"] <= 25
    assert 200 <= holed <= 450
    assert all(row.geometry.contains(row.point) for row in repaired)


def test_shapes_mix_as_in_the_real_file() -> None:
    _, *rows = read_rows(b"".join(write_footprints(3_000, seed=6)))

    documents = [json.loads(row[1]) for row in rows]

    kinds = Counter(document.get("type", "none") for document in documents)
    types = Counter(d["geometry"]["type"] for d in documents if d.get("type") == "Feature")
    assert kinds["Feature"] > 2_700
    assert min(kinds["Polygon"], kinds["MultiPolygon"], kinds["none"]) > 5
    assert 0.15 < types["MultiPolygon"] / types.total() < 0.23


def test_bad_share_is_kept() -> None:
    good = list(write_footprints(1_000, seed=7))
    spoilt = list(write_footprints(1_000, seed=7, bad=1.0))

    assert b"acme" not in b"".join(good)
    assert b"".join(spoilt).count(b"acme") > 40


@pytest.mark.parametrize("kind", POLYGON_FAULTS)
def test_bad_row_is_refused_as_a_polygon(kind: str) -> None:
    ((_, footprint, _),) = read_rows(bad_row(kind))

    with pytest.raises(PolygonError) as caught:
        repair_polygon(footprint)

    assert caught.value.code == POLYGON_FAULTS[kind]


@pytest.mark.parametrize(
    ("kind", "columns"), [("missing_column", 2), ("extra_column", 4), ("org_id_text", 3)]
)
def test_bad_row_has_as_many_columns(kind: str, columns: int) -> None:
    assert [len(row) for row in read_rows(bad_row(kind))] == [columns]


def test_bad_row_breaks_org_id_timestamp_and_encoding() -> None:
    assert read_rows(bad_row("empty_org_id"))[0][0] == ""
    assert read_rows(bad_row("org_id_text"))[0][0] == "acme"
    with pytest.raises(ValueError, match="day is out of range"):
        parse_time(read_rows(bad_row("impossible_timestamp"))[0][2])
    with pytest.raises(UnicodeDecodeError):
        bad_row("invalid_utf8").decode()


def test_bad_kinds_are_all_drawn() -> None:
    rows = b"".join(write_footprints(600, seed=8, bad=1.0))
    body = rows.partition(b"\r\n")[2]

    codes = Counter(reject.code for reject in prepare_chunk(make_chunk(body), COLUMNS).rejects)

    assert sum(codes.values()) == 600
    assert len(BAD_KINDS) == 12
    assert set(codes) == {
        "bad_org_id",
        "bad_timestamp",
        "empty_coordinates",
        "extra_columns",
        "invalid_json",
        "invalid_utf8",
        "latitude_out_of_range",
        "missing_columns",
        "not_finite",
        "too_deep",
        "unsupported_type",
    }
    assert all(20 <= count <= 140 for count in codes.values())
