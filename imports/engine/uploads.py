"""A source that was uploaded: its blocks are in the database, for any worker to read."""

from collections.abc import Iterator

from imports.engine.leasing import Connection
from imports.engine.records import MIB, ImportFailure
from imports.engine.sources import Source, Validators

SCHEME = "upload:"
BLOCK_BYTES = MIB


def name_upload(sha256: str, filename: str) -> str:
    """The URL of an uploaded file: the same for the same bytes under the same name."""
    return f"{SCHEME}{sha256}/{filename}"


class UploadSource(Source):
    """The uploaded file of an import, from byte `start` on, over a connection of its own."""

    def __init__(self, url: str, connection: Connection, import_id: int, *, start: int) -> None:
        self.url = url
        self.position = start
        self._connection = connection
        self._import_id = import_id

    def open(self) -> None:
        digest, _, _ = self.url.removeprefix(SCHEME).partition("/")
        [(size,)] = self._connection.execute(
            """
            SELECT max(byte_start + length(data))::bigint
              FROM imports_uploadblock WHERE import_id = %s
            """,
            [self._import_id],
        ).fetchall()
        if size is None:
            raise ImportFailure("source_unreadable", "the uploaded file is not kept any more")
        self.validators = Validators(etag=f'"{digest}"', total_bytes=size)

    def blocks(self) -> Iterator[bytes]:
        while block := self._read_block():
            self.position += len(block)
            yield block

    def _read_block(self) -> bytes:
        skipped = self.position % BLOCK_BYTES
        row = self._connection.execute(
            "SELECT data FROM imports_uploadblock WHERE import_id = %s AND byte_start = %s",
            [self._import_id, self.position - skipped],
        ).fetchone()
        return b"" if row is None else bytes(row[0])[skipped:]

    def close(self) -> None:
        self._connection.close()
