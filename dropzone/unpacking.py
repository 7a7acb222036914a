"""Bodies as they are packed for their way."""

import zlib

from dropzone.refusing import PayloadRefused, explain, refuse

MIB = 2**20
MAX_UNPACKED_BYTES = 10 * MIB
# Real payloads are packed ten times smaller; what is a hundred times smaller, and more than a MiB,
# was made to burst.
MAX_RATIO = 100
# Programs that write members write one for 64 KiB; an empty one costs as much time as a full one.
MAX_MEMBERS = 1_000
BLOCK_BYTES = 16 * 1024
GZIP_WINDOW = 16 + zlib.MAX_WBITS


def unpack(body: bytes, encoding: str) -> bytes:
    """The payload in a body of that content encoding.

    Raises PayloadRefused.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _gunzip(body)
        case _:
            raise PayloadRefused(explain("unknown_encoding"))


def _gunzip(body: bytes) -> bytes:
    """A loop of our own: it stops as soon as there is too much, however small it is packed."""
    most = min(MAX_UNPACKED_BYTES, max(MIB, MAX_RATIO * len(body)))
    made = bytearray()
    taken = 0
    for _ in range(MAX_MEMBERS):  # one or more, one behind the other (RFC 1952, 2.2)
        taken += _gunzip_member(memoryview(body)[taken:], made, most)
        if taken == len(body):
            return bytes(made)
    raise PayloadRefused(explain("bad_gzip", f"more than {MAX_MEMBERS:,} members"))


def _gunzip_member(body: memoryview, made: bytearray, most: int) -> int:
    """How many bytes its first member has, which is unpacked to the end of `made`."""
    decoder = zlib.decompressobj(GZIP_WINDOW)
    taken = 0
    while not decoder.eof:
        block = body[taken : taken + BLOCK_BYTES]
        try:
            data = decoder.decompress(block, BLOCK_BYTES)
        except zlib.error as error:
            raise PayloadRefused(explain("bad_gzip", str(error))) from error
        taken += len(block) - len(decoder.unconsumed_tail) - len(decoder.unused_data)
        made += data
        if len(made) > most:
            refuse("compression_bomb")
        if not (decoder.eof or data or block):
            refuse("bad_gzip", "it ends too early")
    return taken
