"""What is JSON, and what it costs to tell."""

import json
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given

from dropzone.summarising import (
    is_json,
    summarise_payload,
)
from tests.dropzone.bodies import BODIES, DEEPER, HALF_MIB, MIB, try_to, write


def has_json(body: bytes) -> bool:
    """By Python's own parser, which knows NaN and the infinities, and takes any number."""
    try:
        json.loads(body.decode(), parse_int=str, parse_float=str)
    except ValueError:
        return False
    return True


@given(BODIES, BODIES)
def test_syntax_is_judged_as_by_a_strict_parser(body: bytes, other: bytes) -> None:
    pairs = [b"[NaN,%s]" % body, b"[%s,%s]" % (body, other), b'{"a":NaN,"a":%s}' % other]
    for candidate in (body, *pairs, body + other):
        assert is_json(candidate) is has_json(candidate)


@pytest.mark.parametrize(
    ("body", "is_right"),
    [
        (b"[" * 100_000 + b"]" * 100_000, True),
        (b"[" * 100_000 + b"]" * 99_999, False),
        (b"[" * 100_000 + b"}" + b"]" * 99_999, False),
        (b'{"a":' * 100_000 + b"1e400" + b"}" * 100_000, True),
        (b'{"a":' * 100_000 + b"1e400," + b"}" * 100_000, False),
        (b'[{"a": [1, "\\ud800",' * 50_000 + b"NaN" + b"]}]" * 50_000, True),
        (b'[{"a": [1 "",' * 50_000 + b"NaN" + b"]}]" * 50_000, False),
        (b'[NaN, {"a": [1}]]', False),
        (b'{"a": NaN, 1}', False),
        (b'[NaN, "a": 1]', False),
        (b"NaN, 1", False),
        (b"[" * 10 * MIB, False),
        (b'["' + b'\\"' * 5 * MIB, False),
        (b'"' * 10 * MIB, False),
        (b"-" * 10 * MIB, False),
    ],
)
def test_syntax_is_judged_at_any_depth(body: bytes, is_right: bool) -> None:
    assert is_json(body) is is_right


@pytest.mark.parametrize(
    "body",
    [
        DEEPER.encode() * 2 * HALF_MIB,
        b"[0," * 3 * HALF_MIB + b"0" + b"]" * HALF_MIB,
        b'["",' * 2 * HALF_MIB + b"0" + b"]" * 2 * HALF_MIB,
        write("[" + "NaN," * 2 * HALF_MIB + "NaN]"),
        b"0] " * 3 * HALF_MIB,
        b'["' + b"\\n-" * 3 * HALF_MIB,
    ],
)
@pytest.mark.parametrize("use", [is_json, summarise_payload])
def test_large_body_takes_little_memory(use: Callable[[bytes], object], body: bytes) -> None:
    tracemalloc.start()
    try:
        try_to(use, body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 8 * len(body)
