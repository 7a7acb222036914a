"""The bucket that keeps bytes. Loaded where one is configured alone: boto3 is large."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

from dropzone.raw import BucketSilent, RawUnreachable

# Whoever sends waits for it, at most twice so long.
CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
ATTEMPTS = 2
CONNECTIONS = 32


class Bucket(S3Storage):
    """Objects by their keys, through one client for all threads: clients may be shared, and each
    is large. Raises RawUnreachable, whatever it is that the bucket does not do."""

    def __init__(self, **options: Any) -> None:
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            max_pool_connections=CONNECTIONS,
            # Not every bucket knows the newer checksums. The signature holds the SHA-256 of the
            # body, so that what arrives otherwise than it was sent is refused.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"payload_signing_enabled": True},
        )
        super().__init__(client_config=config, **options)
        self.client = self._create_session().client(
            "s3", region_name=self.region_name, endpoint_url=self.endpoint_url, config=config
        )

    def put(self, key: str, body: bytes) -> None:
        """It is stored when this returns."""
        self._ask(self.client.put_object, Key=key, Body=body)

    def get(self, key: str) -> bytes | None:
        """None only where the bucket says that it has no such object."""
        try:
            with tell_unreachable():
                body: bytes = self.client.get_object(Bucket=self.bucket_name, Key=key)[
                    "Body"
                ].read()
                return body
        except RawUnreachable as error:
            cause = error.__cause__
            # Neither a bucket that is not there nor one that is closed to us.
            if isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise

    def remove(self, keys: Sequence[str]) -> None:
        """Up to 1,000; those that are not there are no error."""
        objects = [{"Key": key} for key in keys]
        answer = self._ask(self.client.delete_objects, Delete={"Objects": objects, "Quiet": True})
        for error in answer.get("Errors", ()):
            msg = f"{error.get('Key')}: {error.get('Message')}"
            raise RawUnreachable(msg)

    def walk(self, size: int) -> Iterator[list[tuple[str, datetime]]]:
        """All keys with the times at which they were last stored, up to 1,000 at a time."""
        token: dict[str, str] = {}
        while True:
            page = self._ask(self.client.list_objects_v2, MaxKeys=size, **token)
            yield [(found["Key"], found["LastModified"]) for found in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _ask(self, call: Callable[..., dict[str, Any]], **parameters: Any) -> dict[str, Any]:
        with tell_unreachable():
            return call(Bucket=self.bucket_name, **parameters)


@contextmanager
def tell_unreachable() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise RawUnreachable(str(error)) from error
    except BotoCoreError as error:
        raise BucketSilent(str(error)) from error
