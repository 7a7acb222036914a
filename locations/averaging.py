"""Fixes into averages: each counts once, the first that arrives, in one statement."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from psycopg import sql

from config.api.statements import run_statement
from locations.fixes import NewFix
from locations.zones import Moment

# Fixes of a statement: it holds the rows of their minutes until it ends.
MOST_FIXES = 2_000

Key = tuple[str, datetime, bool]

# Whatever arrives at once, one insertion of a key succeeds, and the others wait for its end. The
# average is of fixes whose key is new, in the same statement: both are there, or neither.
#
# Differences of longitudes are taken the short way round, above -180 and up to 180.
ADD = sql.SQL(
    """
    INSERT INTO locations_minuteaverage AS known (
        user_id, minute, count, last_fix_at, is_gap, is_fold,
        reference_long, sum_long_offset, sum_lat, sum_accuracy, sum_speed
    )
    {minutes}
    ON CONFLICT (user_id, minute) DO UPDATE SET
        count = known.count + excluded.count,
        last_fix_at = greatest(known.last_fix_at, excluded.last_fix_at),
        is_gap = known.is_gap OR excluded.is_gap,
        is_fold = known.is_fold OR excluded.is_fold,
        sum_long_offset = known.sum_long_offset + excluded.sum_long_offset + excluded.count * (
            excluded.reference_long - known.reference_long
            - 360 * ceil((excluded.reference_long - known.reference_long - 180) / 360)
        ),
        sum_lat = known.sum_lat + excluded.sum_lat,
        sum_accuracy = known.sum_accuracy + excluded.sum_accuracy,
        sum_speed = known.sum_speed + excluded.sum_speed
    """
)
# Of a local time that occurs twice the second is meant where the user's latest fix is later than
# the first; for all others nothing is looked up. `float8::numeric` would keep 15 digits: hence by
# way of text, which has them all.
ADD_ONE = sql.SQL(
    """
    WITH new AS (
        INSERT INTO locations_fix (user_id, submitted, has_offset)
        VALUES (%(user_id)s, %(submitted)s, %(has_offset)s) ON CONFLICT DO NOTHING
        RETURNING user_id
    ), added AS ({add})
    SELECT count(*) FROM new
    """
).format(
    add=ADD.format(
        minutes=sql.SQL(
            """
            SELECT user_id, date_trunc('minute', at, 'UTC'), 1, at, %(is_gap)s::bool,
                   %(repeated_at)s::timestamptz IS NOT NULL, %(long)s::float8::text::numeric, 0,
                   %(lat)s::float8::text::numeric, %(accuracy)s::float8::text::numeric,
                   %(speed)s::float8::text::numeric
              FROM (
                  SELECT user_id, CASE WHEN %(repeated_at)s::timestamptz IS NOT NULL AND EXISTS (
                             SELECT FROM locations_minuteaverage AS past
                              WHERE past.user_id = new.user_id
                                AND past.minute >= date_trunc('minute', %(at)s::timestamptz, 'UTC')
                                AND past.last_fix_at > %(at)s
                         ) THEN %(repeated_at)s ELSE %(at)s END AS at
                    FROM new
              ) AS settled
            """
        )
    )
)
# In the order of their keys, so that no two statements wait for each other.
ADD_MANY = sql.SQL(
    """
    WITH sent AS (
        SELECT DISTINCT ON (user_id, submitted, has_offset) *
          FROM unnest(
              %(user_id)s::text[], %(submitted)s::timestamptz[], %(has_offset)s::bool[],
              %(at)s::timestamptz[], %(is_gap)s::bool[], %(is_fold)s::bool[],
              %(long)s::float8[], %(lat)s::float8[], %(accuracy)s::float8[], %(speed)s::float8[]
          ) WITH ORDINALITY AS fix (
              user_id, submitted, has_offset, at, is_gap, is_fold,
              long, lat, accuracy, speed, place
          )
         ORDER BY user_id, submitted, has_offset, place
    ), new AS (
        INSERT INTO locations_fix (user_id, submitted, has_offset)
        SELECT user_id, submitted, has_offset FROM sent ORDER BY user_id, submitted, has_offset
        ON CONFLICT DO NOTHING RETURNING user_id, submitted, has_offset
    ), stored AS (
        SELECT sent.*, date_trunc('minute', at, 'UTC') AS minute
          FROM sent JOIN new USING (user_id, submitted, has_offset)
    ), referred AS (
        SELECT stored.*, stored.long::text::numeric AS exact_long,
               coalesce(known.reference_long, first_value(stored.long::text::numeric) OVER (
                   PARTITION BY user_id, minute ORDER BY place
               )) AS reference_long
          FROM stored LEFT JOIN locations_minuteaverage AS known USING (user_id, minute)
    ), added AS ({add})
    SELECT place FROM stored
    """
).format(
    add=ADD.format(
        minutes=sql.SQL(
            """
            SELECT user_id, minute, count(*), max(at), bool_or(is_gap), bool_or(is_fold),
                   reference_long,
                   sum(exact_long - reference_long
                       - 360 * ceil((exact_long - reference_long - 180) / 360)),
                   sum(lat::text::numeric), sum(accuracy::text::numeric), sum(speed::text::numeric)
              FROM referred GROUP BY user_id, minute, reference_long ORDER BY user_id, minute
            """
        )
    )
)
ONE = ADD_ONE.as_string()
MANY = ADD_MANY.as_string()

LATEST = """
    SELECT user_id, (
               SELECT last_fix_at FROM locations_minuteaverage AS minute
                WHERE minute.user_id = sender.user_id ORDER BY minute DESC LIMIT 1
           )
      FROM unnest(%s::text[]) AS sender (user_id)
"""
KNOWN = """
    SELECT user_id, submitted, has_offset
      FROM locations_fix JOIN unnest(%s::text[], %s::timestamptz[], %s::bool[])
           AS sent (user_id, submitted, has_offset) USING (user_id, submitted, has_offset)
"""


def store_fix(fix: NewFix) -> bool:
    """Adds the fix to the average of its user and minute; False where its timestamp is known."""
    moment = fix.moment
    [(count,)] = run_statement(
        ONE,
        {
            "user_id": fix.user_id,
            "submitted": moment.submitted,
            "has_offset": moment.has_offset,
            "at": moment.at,
            "repeated_at": moment.repeated_at,
            "is_gap": moment.is_gap,
            "long": fix.long,
            "lat": fix.lat,
            "accuracy": fix.accuracy,
            "speed": fix.speed,
        },
    )
    return bool(count)


def store_fixes(fixes: Sequence[NewFix]) -> list[bool]:
    """The same for many, in their order: what is stored is what it would be one after the other."""
    stored: list[bool] = []
    for start in range(0, len(fixes), MOST_FIXES):
        stored += _store_some(fixes[start : start + MOST_FIXES])
    return stored


def _store_some(fixes: Sequence[NewFix]) -> list[bool]:
    moments = settle_folds(fixes)
    rows = run_statement(
        MANY,
        {
            "user_id": [fix.user_id for fix in fixes],
            "submitted": [moment.submitted for moment in moments],
            "has_offset": [moment.has_offset for moment in moments],
            "at": [moment.at for moment in moments],
            "is_gap": [moment.is_gap for moment in moments],
            "is_fold": [moment.repeated_at is not None for moment in moments],
            "long": [fix.long for fix in fixes],
            "lat": [fix.lat for fix in fixes],
            "accuracy": [fix.accuracy for fix in fixes],
            "speed": [fix.speed for fix in fixes],
        },
    )
    places = {place for (place,) in rows}
    return [place in places for place in range(1, len(fixes) + 1)]


def settle_folds(fixes: Sequence[NewFix]) -> list[Moment]:
    """Of each fix the moment, `at` being the second one of a local time that occurs twice where
    the user's latest fix, of those before it, is later than the first."""
    moments = [fix.moment for fix in fixes]
    users = {fix.user_id for fix in fixes if fix.moment.repeated_at is not None}
    if not users:
        return moments
    theirs = [place for place, fix in enumerate(fixes) if fix.user_id in users]
    latest = dict(run_statement(LATEST, [list(users)]))
    keys = zip(*(make_key(fixes[place]) for place in theirs), strict=True)
    known = set(run_statement(KNOWN, [list(column) for column in keys]))
    for place in theirs:
        fix, moment = fixes[place], moments[place]
        key = make_key(fix)
        if key in known:
            continue
        known.add(key)
        last = latest[fix.user_id]
        if moment.repeated_at is not None and last is not None and last > moment.at:
            moments[place] = moment = replace(moment, at=moment.repeated_at)
        latest[fix.user_id] = moment.at if last is None else max(last, moment.at)
    return moments


def make_key(fix: NewFix) -> Key:
    return (fix.user_id, fix.moment.submitted, fix.moment.has_offset)
