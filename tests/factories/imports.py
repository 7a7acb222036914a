"""Imports and what belongs to them."""

import factory
from django.utils import timezone

from imports.choices import Status
from imports.models import Chunk, Import, Reject


class ImportFactory(factory.django.DjangoModelFactory[Import]):
    """A finished import of footprints."""

    class Meta:
        model = Import

    dataset = "footprints"
    url = factory.Sequence(lambda n: f"https://data.example/{n}.csv")
    status = Status.FINISHED
    ended_at = factory.LazyFunction(timezone.now)

    class Params:
        queued = factory.Trait(status=Status.QUEUED, ended_at=None)


class ChunkFactory(factory.django.DjangoModelFactory[Chunk]):
    class Meta:
        model = Chunk

    import_record = factory.SubFactory(ImportFactory)
    seq = factory.Sequence(int)
    byte_start = 0
    byte_end = 100
    line_start = 2
    line_end = 3
    row_count = 1
    reject_count = 0
    crc32 = 0


class RejectFactory(factory.django.DjangoModelFactory[Reject]):
    class Meta:
        model = Reject

    import_record = factory.SubFactory(ImportFactory)
    line = factory.Sequence(lambda n: n + 2)
    byte_offset = factory.Sequence(lambda n: 100 * n)
    column = "org_id"
    code = "bad_org_id"
    reason = "org_id is empty"
    raw = ",{},2024-07-01T04:00:00Z"
    raw_bytes = 24
