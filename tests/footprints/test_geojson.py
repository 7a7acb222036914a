import json
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from footprints.polygons import Limits, repair_polygon
from tests.footprints.shapes import SQUARE, multi_text, polygon_text, refusal, ring_of


@pytest.mark.parametrize(
    "text",
    [
        polygon_text(SQUARE),
        multi_text([SQUARE]),
        json.dumps({"coordinates": [SQUARE]}),
        json.dumps({"coordinates": [[SQUARE]]}),
        '{"type":"Feature","properties":{"a":"[[["},"geometry":' + polygon_text(SQUARE) + "}",
        '{"type":"Feature","geometry":{"coordinates":' + json.dumps([SQUARE]) + "}}",
        ' {"a":"\\"[{","coordinates" : [ [ ' + json.dumps(SQUARE) + " ] ] } ",
    ],
)
def test_repair_polygon_takes_every_wrapping(text: str) -> None:
    repaired = repair_polygon(text)

    assert repaired.geometry.equals(shapely.box(0, 0, 2, 2))
    assert (repaired.vertex_count, repaired.original_vertex_count) == (5, 5)
    assert (repaired.repairs, repaired.area_change) == ((), 0.0)


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("", "invalid_json", "JSON"),
        ('{"type":"Polygon"', "invalid_json", "JSON"),
        ("\x00", "invalid_json", "JSON"),
        ("\ud800", "invalid_text", "character"),
        ("[1]", "not_an_object", "object"),
        ('"text"', "not_an_object", "object"),
        ('{"type":3,"coordinates":[]}', "unsupported_type", "type"),
        ('{"type":"Point","coordinates":[1,2]}', "unsupported_type", "Point"),
        ('{"type":"LineString","coordinates":[[1,2],[3,4]]}', "unsupported_type", "LineString"),
        ('{"type":"GeometryCollection"}', "unsupported_type", "GeometryCollection"),
        ('{"type":"FeatureCollection","features":[]}', "unsupported_type", "FeatureCollection"),
        ('{"coordinates":[1,2]}', "unsupported_type", "coordinates"),
        ('{"type":"Feature"}', "missing_geometry", "geometry"),
        ('{"type":"Feature","geometry":null}', "null_geometry", "geometry"),
        ('{"type":"Feature","geometry":7}', "not_an_object", "geometry"),
        ('{"type":"Polygon"}', "missing_coordinates", "coordinates"),
        ("{}", "missing_coordinates", "coordinates"),
        ('{"type":"Polygon","coordinates":[]}', "empty_coordinates", "coordinates"),
        ('{"type":"Polygon","coordinates":[[]]}', "empty_coordinates", "coordinates"),
        ('{"type":"MultiPolygon","coordinates":[[],[[]]]}', "empty_coordinates", "coordinates"),
        ('{"coordinates":[]}', "empty_coordinates", "coordinates"),
        ('{"type":"Polygon","coordinates":null}', "invalid_coordinates", "coordinates"),
        ('{"type":"Polygon","coordinates":[[1,2]]}', "invalid_coordinates", "coordinates[0][0]"),
        ('{"coordinates":[[["1",2]]]}', "invalid_coordinates", "coordinates[0][0][0]"),
        ('{"coordinates":[[[true,2]]]}', "invalid_coordinates", "coordinates[0][0][0]"),
        ('{"coordinates":[[[1,null]]]}', "invalid_coordinates", "coordinates[0][0][1]"),
        ('{"coordinates":[[[1]]]}', "invalid_coordinates", "coordinates[0][0]"),
        ('{"coordinates":[[[1e400,2]]]}', "not_finite", "coordinates[0][0][0]"),
        ('{"coordinates":[[[NaN,2]]]}', "not_finite", "NaN"),
        ('{"coordinates":[[[1,-Infinity]]]}', "not_finite", "-Infinity"),
        (polygon_text([[0, 0], [1, 95], [1, 0], [0, 0]]), "latitude_out_of_range", "95"),
        (polygon_text([[0, 0], [541, 5], [1, 0], [0, 0]]), "longitude_out_of_range", "541"),
        (polygon_text([[0, 0], [1, 1], [0, 0]]), "no_area", "area"),
        (polygon_text([[0, 0], [1, 1], [2, 2], [0, 0]]), "no_area", "area"),
        (polygon_text([[0, 0], [1e-300, 0], [0, 1e-300], [0, 0]]), "no_area", "area"),
        (polygon_text([[5, 5], [6, 5], [6, 5.000000000000001], [5, 5]]), "no_area", "area"),
    ],
)
def test_repair_polygon_refuses_and_names(text: str, code: str, named: str) -> None:
    error = refusal(text)

    assert error.code == code
    assert named in error.reason


def test_limits_count_only_brackets_outside_strings() -> None:
    text = '{"type":"Feature","properties":{"a":"' + "[" * 500 + '\\""},"geometry":{}}'

    assert refusal(text).code == "missing_coordinates"


@pytest.mark.parametrize("depth", [3, 4])
def test_limits_allow_exactly_the_depth(depth: int) -> None:
    text = json.dumps({"coordinates": [SQUARE]})

    if depth == 4:
        assert repair_polygon(text, limits=Limits(max_depth=depth)).repairs == ()
    else:
        assert refusal(text, Limits(max_depth=depth)).code == "too_deep"


def test_limits_allow_exactly_the_vertices() -> None:
    text = polygon_text(SQUARE)

    assert repair_polygon(text, limits=Limits(max_vertices=5)).vertex_count == 5
    assert refusal(text, Limits(max_vertices=4)).code == "too_many_vertices"


def test_limits_count_bytes_not_characters() -> None:
    text = json.dumps({"a": "é" * 50, "coordinates": [SQUARE]}, ensure_ascii=False)
    size = len(text.encode())

    assert repair_polygon(text, limits=Limits(max_bytes=size)).repairs == ()
    assert refusal(text, Limits(max_bytes=size - 1)).code == "too_large"


def test_last_of_two_equal_keys_counts() -> None:
    text = '{"coordinates":[[[9,9],[8,8],[9,8],[9,9]]],"coordinates":[' + json.dumps(SQUARE) + "]}"

    assert repair_polygon(text).geometry.area == 4


@settings(max_examples=200, deadline=None)
@given(st.recursive(st.none() | st.floats() | st.text(), lambda inner: st.lists(inner)))
def test_json_that_is_no_polygon_is_refused(coordinates: Any) -> None:
    text = json.dumps({"coordinates": coordinates})

    assert refusal(text).reason


def bombs() -> dict[str, tuple[str, str]]:
    rng = np.random.default_rng(1)
    saw = [[i / 190_000, i % 2] for i in range(190_000)]
    dots = ",".join(["[1,2]"] * 2_000_000)
    triangle = "[[[0,0],[1,0],[1,1],[0,0]]]"
    nested = [[[-i, -i], [i, -i], [0, i], [-i, -i]] for i in np.arange(1, 40_000) / 1e3]
    holes = [[[1, 1], [2, 1], [2, 2], [1, 1]]] * 40_000
    turns = [[i * 100 % 360 - 180, i / 190_000 * 80] for i in range(190_000)]
    zigzag = [[179.9 if i % 2 else -179.9, i / 190_000 * 80] for i in range(190_000)]
    return {
        "200 levels": ("[" * 200 + "]" * 200, "too_deep"),
        "100,000 levels": ("[" * 100_000 + "]" * 100_000, "too_deep"),
        "never closed": ("[" * 1_000_000, "too_deep"),
        "deep coordinates": ('{"coordinates":' + "[" * 50_000 + "]" * 50_000 + "}", "too_deep"),
        "deep objects": ('{"a":' * 50_000 + "1" + "}" * 50_000, "too_deep"),
        "closings in strings": ('{"a":["]",' * 5_000 + "1" + "]}" * 5_000, "too_deep"),
        "escaped quotes": ('{"a\\"":[' * 5_000 + "]}" * 5_000, "too_deep"),
        "mixed levels": ('[{"a":' * 100 + "1" + "}]" * 100, "too_deep"),
        "100 MB": ("x" * 100_000_000, "too_large"),
        "two-byte characters": ("é" * 9_000_000, "too_large"),
        "2 million vertices": ('{"coordinates":[[' + dots + "]]}", "too_many_vertices"),
        "2 million arrays": ("[" + "[]," * 2_000_000 + "[]]", "too_many_vertices"),
        "60,000 parts": (
            '{"type":"MultiPolygon","coordinates":[' + ",".join([triangle] * 60_000) + "]}",
            "too_many_vertices",
        ),
        "long position": (
            '{"coordinates":[[[' + "1," * 5_000_000 + "1]]]}",
            "too_many_vertices",
        ),
        "flat": ('{"coordinates":[' + "1," * 5_000_000 + "1]}", "unsupported_type"),
        "huge integer": ('{"coordinates":[[[' + "9" * 1_000_000 + ",1]]]}", "not_finite"),
        "half a million keys": (
            "{" + ",".join(f'"k{i}":1' for i in range(500_000)) + "}",
            "missing_coordinates",
        ),
        "empty parts": (
            '{"type":"MultiPolygon","coordinates":[' + "[]," * 190_000 + "[]]}",
            "empty_coordinates",
        ),
        "squares around squares": (
            json.dumps(
                {
                    "coordinates": [
                        [[[-i, -i], [i, -i], [i, i], [-i, i], [-i, -i]]]
                        for i in (np.arange(1, 39_000) / 1e3).tolist()
                    ]
                }
            ),
            "too_complex",
        ),
        "random star": (ring_of(rng.random((2_000, 2)).tolist()), "too_complex"),
        "large random star": (ring_of(rng.random((150_000, 2)).tolist()), "too_complex"),
        "one triangle 40,000 times": (
            '{"type":"MultiPolygon","coordinates":[' + ",".join([triangle] * 40_000) + "]}",
            "too_complex",
        ),
        "nested triangles": (multi_text(*[[ring] for ring in nested]), "too_complex"),
        "one hole 40,000 times": (
            polygon_text([[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]], *holes),
            "too_complex",
        ),
        "round and round": (ring_of(turns), "too_many_turns"),
        "zigzag over 180": (ring_of([*zigzag, [170, 80], [170, 0]]), "too_complex"),
        "unclosed string": ('"' + "[" * 1_000_000, "invalid_json"),
        "saw on a line": (ring_of([[x, 0] for x, _ in saw]), "no_area"),
    }


BOMBS = list(bombs())


@pytest.fixture(scope="module")
def bomb_texts() -> dict[str, tuple[str, str]]:
    return bombs()


@pytest.mark.parametrize("name", BOMBS)
def test_repair_polygon_refuses_bomb(name: str, bomb_texts: dict[str, tuple[str, str]]) -> None:
    text, code = bomb_texts[name]

    error = refusal(text)

    assert error.code == code
