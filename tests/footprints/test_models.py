"""What the database refuses of footprints."""

import pytest
from django.db import IntegrityError, connection, transaction

from tests.factories.footprints import FootprintFactory

pytestmark = pytest.mark.django_db


def test_footprint_is_there_once() -> None:
    footprint = FootprintFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        FootprintFactory(
            org_id=footprint.org_id,
            source_event_timestamp=footprint.source_event_timestamp,
            original=footprint.original,
        )


def test_area_is_never_negative() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        FootprintFactory(area_m2=-1)


def test_every_unique_key_contains_the_distribution_column() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.relname, bool_or(a.attname = 'org_id')
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
             WHERE i.indrelid = 'footprints_footprint'::regclass AND i.indisunique GROUP BY 1
            """
        )
        keys = dict(cursor.fetchall())

    assert keys == {"footprints_footprint_pkey": True, "footprint_once": True}


def test_indexes_of_places_hold_what_is_read_with_them() -> None:
    """GeoDjango would leave it out without a word, and each tile read the rows instead."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT indexrelid::regclass::text, indnatts - indnkeyatts FROM pg_index
             WHERE indrelid = 'footprints_footprint'::regclass AND indnatts > indnkeyatts
             ORDER BY 1
            """
        )
        included = dict(cursor.fetchall())

    assert included == {"footprint_heat": 4, "footprint_point": 5, "footprint_where": 2}
