"""Tracks: where a user was in the course of a day of UTC, as a line."""

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import UTC, date
from itertools import pairwise
from typing import Any

import antimeridian
import shapely
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
    count_rows,
    read_count_mode,
    read_page_size,
)
from locations.models import MinuteAverage

Track = dict[str, Any]


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


def draw_line(positions: list[tuple[float, float]]) -> dict[str, Any]:
    """A line has two positions at least: that of a single minute has its own twice."""
    if len(positions) == 1:
        positions *= 2
    if all(abs(east - west) <= 180 for (west, _), (east, _) in pairwise(positions)):
        return {"type": "LineString", "coordinates": positions}
    cut = antimeridian.fix_line_string(shapely.LineString(positions), great_circle=False)
    geometry: dict[str, Any] = shapely.geometry.mapping(cut)
    return geometry


@dataclass(frozen=True)
class TrackCursor:
    """The track next to which a page begins: `n`ext to it onward, or the `p`revious ones."""

    direction: str
    user_id: str
    day: date


class TrackPagination(GeoJsonPagination):
    """Pages of tracks by user and day."""

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> Rows:
        self.request = request
        if "ordering" in request.query_params:
            raise ValidationError({"ordering": "tracks come by user and day"})
        cursor = read_track_cursor(request)
        size = read_page_size(request)
        days = queryset.values("user_id", "day").distinct()
        self.count, self.count_is = count_rows(days, read_count_mode(request))
        direction = "" if cursor is None else cursor.direction
        rows = fetch_tracks(queryset, cursor, size + 1)
        return self.frame(rows, size, direction, lambda track: [track["user_id"], track["day"]])

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        parameters = super().get_schema_operation_parameters(view)
        return [parameter for parameter in parameters if parameter["name"] != "ordering"]


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
        direction, user_id, day = json.loads(urlsafe_b64decode(text.encode()))
        if direction not in {"n", "p"}:
            raise ValueError(text)
        return TrackCursor(direction, check_text(user_id), date.fromisoformat(day))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValidationError({"cursor": "not a cursor of this list"}) from error
