"""Bodies that are packed, and bombs."""

import gzip
import hashlib
import tracemalloc
import zlib
from functools import partial

import pytest
from hypothesis import given

from dropzone.summarising import (
    MAX_UNPACKED_BYTES,
    PayloadRefused,
    unpack,
)
from tests.dropzone.bodies import (
    BODIES,
    MIB,
    try_to,
    write,
)


@given(BODIES)
def test_unpacking_raises_nothing_but_a_refusal(body: bytes) -> None:
    for candidate in (body, b"\x1f\x8b\x08" + body, gzip.compress(body)[:20] + body):
        assert try_to(partial(unpack, encoding="gzip"), candidate) <= {"bad_gzip"}


PACKED = gzip.compress(write("[1]"), mtime=0)
EMPTY = gzip.compress(b"", mtime=0)


@pytest.mark.parametrize("encoding", ["", "identity", "Identity", " IDENTITY "])
@pytest.mark.parametrize("body", [b"", b"abc", PACKED])
def test_body_that_is_not_packed_stays_as_it_is(encoding: str, body: bytes) -> None:
    assert unpack(body, encoding) == body


@pytest.mark.parametrize("encoding", ["gzip", "GZip", "x-gzip", "X-GZIP", " gzip "])
@pytest.mark.parametrize(
    ("body", "payload"),
    [
        (PACKED, write("[1]")),
        (EMPTY, b""),
        (EMPTY * 3 + PACKED, write("[1]")),
        (
            gzip.compress(b"a", mtime=0)
            + gzip.compress(b"b", mtime=0)
            + gzip.compress(b"c", mtime=0),
            b"abc",
        ),
        (gzip.compress(b"a" * MIB, mtime=0), b"a" * MIB),
        (gzip.compress(bytes(range(256)) * 40_960, 0, mtime=0), bytes(range(256)) * 40_960),
    ],
)
def test_packed_body_is_unpacked(encoding: str, body: bytes, payload: bytes) -> None:
    assert unpack(body, encoding) == payload


RANDOM = hashlib.shake_128().digest(MAX_UNPACKED_BYTES + 1)


@pytest.mark.parametrize(
    ("body", "encoding", "code"),
    [
        *[
            (PACKED, encoding, "unknown_encoding")
            for encoding in ("br", "deflate", "zstd", "gzip, gzip", "gzipped", "*", "utf-8", "\0")
        ],
        (b"", "gzip", "bad_gzip"),
        (b"abc", "gzip", "bad_gzip"),
        (write("[1]"), "gzip", "bad_gzip"),
        (zlib.compress(b"abc"), "gzip", "bad_gzip"),
        *[(PACKED[:size], "gzip", "bad_gzip") for size in range(len(PACKED))],
        (PACKED + b"x", "gzip", "bad_gzip"),
        (PACKED + b"\0", "gzip", "bad_gzip"),
        (PACKED + b"\0" * 512, "gzip", "bad_gzip"),
        (PACKED + b"\x1f\x8b", "gzip", "bad_gzip"),
        (PACKED + PACKED[:-1], "gzip", "bad_gzip"),
        (PACKED[:-8] + bytes(4) + PACKED[-4:], "gzip", "bad_gzip"),
        (PACKED[:-4] + bytes(4), "gzip", "bad_gzip"),
        (PACKED[:2] + b"\x07" + PACKED[3:], "gzip", "bad_gzip"),
        (EMPTY * 100_000, "gzip", "bad_gzip"),
        (gzip.compress(b"a" * (MIB + 1), mtime=0), "gzip", "compression_bomb"),
        (gzip.compress(bytes(MAX_UNPACKED_BYTES), mtime=0), "gzip", "compression_bomb"),
        (gzip.compress(bytes(MIB), mtime=0) * 2, "gzip", "compression_bomb"),
        (gzip.compress(RANDOM, 1, mtime=0), "gzip", "compression_bomb"),
    ],
)
def test_body_that_cannot_be_unpacked_is_refused(body: bytes, encoding: str, code: str) -> None:
    with pytest.raises(PayloadRefused) as caught:
        unpack(body, encoding)

    assert [reason.code for reason in caught.value.reasons] == [code]


def test_as_much_as_may_be_is_unpacked() -> None:
    payload = RANDOM[:MAX_UNPACKED_BYTES]

    assert unpack(gzip.compress(payload, 1), "gzip") == payload


def test_bomb_is_refused_in_little_memory() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(500)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(PayloadRefused, match="unpacked"):
            unpack(bomb, "gzip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 2 * MAX_UNPACKED_BYTES
