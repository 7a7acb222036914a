"""A row of the file into a row of the staging table, or why not."""

import hashlib
import json

import pytest
import shapely

from footprints.preparing import STAGING_COLUMNS, parse_org_id, prepare_chunk
from imports.engine.records import Prepared
from tests.files import draw_ring, write_row, write_square
from tests.imports.chunks import make_chunk

HEADER = ("org_id", "footprints_used", "source_event_timestamp")


def prepare(*rows: bytes) -> Prepared:
    return prepare_chunk(make_chunk(b"".join(rows)), HEADER)


def test_row_keeps_its_original_untouched() -> None:
    original = json.dumps({"coordinates": [draw_ring()]}, indent=1)

    [row] = prepare(write_row(7, original)).rows

    values = dict(zip(STAGING_COLUMNS, row, strict=True))
    assert values["original"] == original
    assert values["original_sha256"] == hashlib.sha256(original.encode()).digest()
    assert (values["org_id"], values["line"]) == (7, 2)
    assert (values["repairs"], values["area_change"]) == ("[]", 0.0)


@pytest.mark.parametrize(
    "footprint",
    [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon"}},
        {"type": "Polygon"},
        {},
    ],
)
def test_all_three_shapes_become_the_same_multipolygon(footprint: dict[str, object]) -> None:
    shape = footprint.get("geometry", footprint)
    assert isinstance(shape, dict)
    shape["coordinates"] = [draw_ring()]

    [row] = prepare(write_row(1, json.dumps(footprint))).rows

    geometry = shapely.from_wkb(row[STAGING_COLUMNS.index("geometry")])
    assert geometry.equals(shapely.MultiPolygon([shapely.Polygon(draw_ring())]))
    assert shapely.get_srid(geometry) == 4326


def test_bow_tie_is_repaired_and_says_so() -> None:
    bow_tie = [[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]

    [row] = prepare(write_row(1, json.dumps({"coordinates": [bow_tie]}))).rows

    values = dict(zip(STAGING_COLUMNS, row, strict=True))
    [repair] = json.loads(values["repairs"])
    assert repair["code"] == "self_intersection"
    assert shapely.from_wkb(values["geometry"]).area == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        (write_square(""), "org_id", "bad_org_id"),
        (write_square("7.0"), "org_id", "bad_org_id"),
        (write_square("-1"), "org_id", "bad_org_id"),
        (write_square("9" * 19), "org_id", "bad_org_id"),
        (write_square(1, happened_at=""), "source_event_timestamp", "bad_timestamp"),
        (write_square(1, happened_at="2024-07-01"), "source_event_timestamp", "bad_timestamp"),
        (write_row(1, ""), "footprints_used", "invalid_json"),
        (write_row(1, "null"), "footprints_used", "not_an_object"),
        (write_row(1, '{"coordinates":[]}'), "footprints_used", "empty_coordinates"),
        (b"1,2\n", "", "missing_columns"),
    ],
)
def test_bad_row_names_its_column_and_why(row: bytes, column: str, code: str) -> None:
    prepared = prepare(row, write_square(2))

    [reject] = prepared.rejects
    assert (reject.column, reject.code) == (column, code)
    assert reject.reason
    assert len(prepared.rows) == 1


def test_org_id_is_a_whole_number_in_plain_digits() -> None:
    assert parse_org_id("042") == 42
    with pytest.raises(ValueError, match="whole number"):
        parse_org_id("\u0664")
