"""What the database refuses of locations."""

import pytest
from django.db import IntegrityError, connection, transaction

from tests.factories.locations import FixFactory, MinuteAverageFactory

pytestmark = pytest.mark.django_db


def test_minute_of_a_user_is_there_once() -> None:
    average = MinuteAverageFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        MinuteAverageFactory(user_id=average.user_id)


def test_average_has_fixes() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        MinuteAverageFactory(count=-1)


def test_fix_is_there_once() -> None:
    FixFactory()
    FixFactory(has_offset=True)

    with pytest.raises(IntegrityError), transaction.atomic():
        FixFactory()


def test_every_unique_key_contains_the_distribution_column() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.relname, bool_or(a.attname = 'user_id')
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
             WHERE i.indrelid::regclass::text LIKE 'locations_%' AND i.indisunique GROUP BY 1
            """
        )
        keys = dict(cursor.fetchall())

    assert keys == {
        "locations_fix_pkey": True,
        "locations_minuteaverage_pkey": True,
        "minute_once": True,
    }
