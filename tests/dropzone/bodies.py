"""Bodies of payloads for tests, good ones, bad ones and any."""

import json
from collections.abc import Callable

import pytest
from hypothesis import strategies as st

from dropzone.summarising import (
    PayloadRefused,
    summarise_payload,
)

GOOD_TIME = "2019-05-01T06:00:00-04:00"
MIB = 2**20
HALF_MIB = MIB // 2
DEEPER = '{"a":'


def write(data: str, time_stamp: str = f'"{GOOD_TIME}"', more: str = "") -> bytes:
    """A payload with these texts of JSON."""
    return f'{{"time_stamp": {time_stamp}, "data": {data}{more}}}'.encode()


def write_numbers(texts: list[str]) -> bytes:
    return write(f"[{', '.join(texts)}]")


def find_codes(body: bytes) -> list[str]:
    with pytest.raises(PayloadRefused) as caught:
        summarise_payload(body)
    return sorted(reason.code for reason in caught.value.reasons)


def explain(body: bytes) -> str:
    with pytest.raises(PayloadRefused) as caught:
        summarise_payload(body)
    return str(caught.value)


# Bytes of which JSON is made, so that some of what is made of them nearly is.
PIECES = [
    *(b'{ } [ ] , : " \\ \\" \\u \\ud800 \\n 0 1 - + . e E'.split()),
    *(b"1e400 true false null NaN Infinity".split()),
    *(b" ", b"\n", b"\0", b"\x01", b"\x03", b"\x0b", b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf"),
    *(
        b'"a"',
        b'"a":',
        b'"data":',
        b'"time_stamp":',
        b'"2019-05-01T06:00:00Z"',
        b"-Infinity",
        b"01",
    ),
]
BODIES = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    ).map(lambda value: json.dumps(value).encode()),
)


def try_to(use: Callable[[bytes], object], body: bytes) -> set[str]:
    """The codes that it is refused by."""
    try:
        use(body)
    except PayloadRefused as refusal:
        return {reason.code for reason in refusal.reasons} or {"none"}
    return set()
