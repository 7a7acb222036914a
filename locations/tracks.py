"""Tracks: where a user was in the course of a day of UTC, as a line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date
from itertools import groupby, pairwise
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, F, Max, Min, QuerySet, Sum
from django.db.models.fields.tuple_lookups import TupleGreaterThan, TupleLessThan
from django.db.models.functions import TruncDate
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from config.api.filtersets import check_text
from config.api.pagination import (
    GeoJsonPagination,
    Rows,
    count_few,
    decode_cursor,
    estimate_rows,
    read_count_mode,
    read_page_size,
)
from locations.models import MinuteAverage

Track = dict[str, Any]
Position = tuple[float, float]  # longitude and latitude, degrees (EPSG:4326)


def trace_tracks(minutes: QuerySet[MinuteAverage]) -> QuerySet[MinuteAverage, Any]:
    """One row for each user and day of UTC of these minutes, with the positions (EPSG:4326) in
    their order."""
    days = minutes.order_by().annotate(day=TruncDate("minute", tzinfo=UTC))
    return days.values("user_id", "day").annotate(
        minute_count=Count("id"),
        fix_count=Sum("count"),
        start=Min("minute"),
        end=Max("minute"),
        longs=ArrayAgg("long", order_by="minute"),
        lats=ArrayAgg("lat", order_by="minute"),
    )


def draw_track(track: Track) -> dict[str, Any]:
    """A GeoJSON feature of a LineString, or of a MultiLineString where it crosses ±180°: it is cut
    there (RFC 7946, 3.1.9)."""
    names = ("user_id", "day", "start", "end", "minute_count", "fix_count")
    return {
        "type": "Feature",
        "id": f"{track['user_id']}/{track['day']}",
        "geometry": draw_line(list(zip(track["longs"], track["lats"], strict=True))),
        "properties": {name: track[name] for name in names},
    }


def draw_line(positions: Sequence[Position]) -> dict[str, Any]:
    """A line has two positions at least: that of a single minute has its own twice."""
    pieces = cut_line(positions)
    if len(pieces) > 1:
        return {"type": "MultiLineString", "coordinates": pieces}
    [piece] = pieces
    return {"type": "LineString", "coordinates": piece if len(piece) > 1 else piece * 2}


def cut_line(positions: Sequence[Position]) -> list[list[Position]]:
    """The pieces between crossings of ±180°, each leg going the short way round.

    The library that cuts polygons makes pieces without a length of legs that begin or end there.
    """
    pieces: list[list[Position]] = [[positions[0]]]
    for start, end in pairwise(positions):
        if abs(end[0] - start[0]) > 180:
            side = math.copysign(180.0, start[0])
            leg = end[0] + 2 * side - start[0]
            lat = start[1] + (end[1] - start[1]) * ((side - start[0]) / leg if leg else 0.0)
            pieces[-1].append((side, lat))
            pieces.append([(-side, lat)])
        pieces[-1].append(end)
    # Where a user stood still a line would have the same position twice.
    drawn = [[position for position, _ in groupby(piece)] for piece in pieces]
    return [piece for piece in drawn if len(piece) > 1] or drawn[:1]


@dataclass(frozen=True)
class TrackCursor:
    """The track next to which a page begins: `n`ext to it onward, or the `p`revious ones."""

    direction: str
    user_id: str
    day: date


class TrackPagination(GeoJsonPagination):
    """Pages of the tracks of minutes, by user and day."""

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> Rows:
        self.request = request
        if "ordering" in request.query_params:
            raise ValidationError({"ordering": "tracks come by user and day"})
        cursor = read_track_cursor(request)
        size = read_page_size(request)
        self.count, self.count_is = count_tracks(queryset, read_count_mode(request))
        direction = "" if cursor is None else cursor.direction
        rows = fetch_tracks(trace_tracks(queryset), cursor, size + 1)
        return self.frame(rows, size, direction, lambda track: [track["user_id"], track["day"]])

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        parameters = super().get_schema_operation_parameters(view)
        return [parameter for parameter in parameters if parameter["name"] != "ordering"]


def count_tracks(minutes: QuerySet[MinuteAverage], mode: str) -> tuple[int | None, str]:
    """As `count_rows` does; but it is the minutes that must not be too many."""
    days = minutes.order_by().values("user_id", day=TruncDate("minute", tzinfo=UTC)).distinct()
    if mode == "none":
        return None, "none"
    if mode == "exact" or (mode == "" and count_few(minutes) is not None):
        return days.count(), "exact"
    return estimate_rows(days), "estimated"


def fetch_tracks(
    tracks: QuerySet[MinuteAverage, Any], cursor: TrackCursor | None, limit: int
) -> list[Track]:
    is_backward = cursor is not None and cursor.direction == "p"
    sign = "-" if is_backward else ""
    if cursor is not None:
        after = TupleLessThan if is_backward else TupleGreaterThan
        tracks = tracks.filter(after((F("user_id"), F("day")), (cursor.user_id, cursor.day)))
    return list(tracks.order_by(f"{sign}user_id", f"{sign}day")[:limit])


def read_track_cursor(request: Request) -> TrackCursor | None:
    text = request.query_params.get("cursor")
    if not text:
        return None
    try:
        direction, user_id, day = decode_cursor(text)
        return TrackCursor(direction, check_text(user_id), date.fromisoformat(day))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValidationError({"cursor": "not a cursor of this list"}) from error
