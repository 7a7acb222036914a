"""Fixes as phones send them: JSON of six members, read strictly."""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from config.api.errors import show_name
from config.api.filtersets import check_text
from locations.models import MAX_USER_ID_CHARACTERS
from locations.zones import Moment, find_moment, read_timestamp

# Around the six names and the two texts: where all six are there and no more quotes, none of them
# is there twice, and nothing else is there.
QUOTES = 16
MAX_ACCURACY_METRES = 1e8
MAX_FAULTS = 20  # that are told, of names that are there more than once
DUST = 1e-300  # what is less is 0: an average of it may be too small for a double
MAX_SPEED = 3e8  # metres a second: that of light
RANGES = {
    "lat": (-90, 90),
    "long": (-180, 180),
    "accuracy": (0, MAX_ACCURACY_METRES),
    "speed": (0, MAX_SPEED),
}
LIMITS = {name: Meta(ge=least, le=most) for name, (least, most) in RANGES.items()}
T = TypeVar("T")


class Report(msgspec.Struct):
    """The body of a fix: degrees (EPSG:4326), metres, metres a second."""

    timestamp: str
    lat: Annotated[float, LIMITS["lat"]]
    long: Annotated[float, LIMITS["long"]]
    accuracy: Annotated[float, LIMITS["accuracy"]]
    speed: Annotated[float, LIMITS["speed"]]
    user_id: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with which member; none is named where the body as a whole is at fault."""

    code: str
    detail: str
    attr: str | None = None


class FixRefused(Exception):
    """A fix that cannot be taken in, with every fault of it."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.detail for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class NewFix:
    """A fix that was read: degrees (EPSG:4326), metres, metres a second."""

    user_id: str
    moment: Moment
    lat: float
    long: float
    accuracy: float
    speed: float


class Members(list[tuple[str, Any]]):
    """A JSON object as it came: in order, and with names that are there twice."""


REPORTS = msgspec.json.Decoder(Report)
ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def read_fix(body: bytes) -> NewFix:
    """The fix in the body of a request; other members than the six are not looked at.

    Raises FixRefused.
    """
    try:
        report = REPORTS.decode(body)
        if body.count(b'"') == QUOTES:
            check_user_id(report.user_id)
            moment = find_moment(read_timestamp(report.timestamp), lat=report.lat, long=report.long)
            return make_fix(report, moment)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass  # it ends at the first fault, and all are told
    return judge(read_json(body))


def make_fix(report: Report, moment: Moment) -> NewFix:
    numbers = (report.lat, report.long, report.accuracy, report.speed)
    return NewFix(report.user_id, moment, *(x if abs(x) >= DUST else 0.0 for x in numbers))


def read_fixes(body: bytes, *, most: int) -> list[NewFix | FixRefused]:
    """The fixes in an array, or in the array that is the member `points` of an object; in their
    order, each as it is or as it is refused.

    Raises FixRefused where the body as a whole is at fault, or holds more than `most`.
    """
    try:
        raws = check_length(ARRAY.decode(body), most)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        points = check_length(find_points(read_json(body, errors="surrogateescape")), most)
        return [try_to(judge, point) for point in points]
    return [try_to(read_fix, bytes(raw)) for raw in raws]


def find_points(value: Any) -> list[Any]:
    """Raises FixRefused where there is no array of points."""
    if isinstance(value, Members):
        if repeated := tuple(islice(find_repeated(value), MAX_FAULTS)):
            raise FixRefused(*repeated)
        value = dict(value).get("points")
    if isinstance(value, Members) or not isinstance(value, list):
        raise FixRefused(Fault("invalid", "neither an array nor an object with an array `points`"))
    return value


def check_length(points: list[T], most: int) -> list[T]:
    """Before any of them is looked at. Raises FixRefused."""
    if len(points) > most:
        raise FixRefused(Fault("too_many", f"{len(points):,} points; {most:,} are the most"))
    return points


def try_to(read: Callable[[Any], NewFix], value: Any) -> NewFix | FixRefused:
    try:
        return read(value)
    except FixRefused as refusal:
        return refusal


def read_json(body: bytes, errors: str = "strict") -> Any:
    """Its objects are Members, its numbers floats, NaN and the infinities among them.

    Raises FixRefused for what is no JSON.
    """
    try:
        return json.loads(body.decode(errors=errors), object_pairs_hook=Members, parse_int=float)
    except RecursionError:
        raise FixRefused(Fault("parse_error", "nested too deeply")) from None
    except ValueError as error:
        raise FixRefused(Fault("parse_error", f"not JSON in UTF-8: {error}")) from error


def judge(value: Any) -> NewFix:
    """Raises FixRefused with every fault, and not only the first."""
    if not isinstance(value, Members):
        raise FixRefused(Fault("invalid", "not a JSON object"))
    faults = list(islice(find_repeated(value), MAX_FAULTS))
    found: dict[str, Any] = {}
    for name in Report.__struct_fields__:
        try:
            found[name] = read_member(name, dict(value))
        except FixRefused as refusal:
            faults += refusal.faults
    if {"timestamp", "lat", "long"} <= found.keys():
        try:
            moment = find_moment(found["timestamp"], lat=found["lat"], long=found["long"])
        except ValueError as error:
            faults.append(Fault("invalid", str(error), "timestamp"))
    if faults:
        raise FixRefused(*faults)
    return make_fix(Report(**found), moment)


def find_repeated(members: Members) -> Iterable[Fault]:
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            yield Fault("repeated", "is there more than once", show_name(name[:100]))
        seen.add(name)


def read_member(name: str, members: dict[str, Any]) -> datetime | float | str:
    """Raises FixRefused with the fault of this member."""
    if name not in members:
        raise FixRefused(Fault("required", "is missing", name))
    value = members[name]
    if value is None:
        raise FixRefused(Fault("null", "must not be null", name))
    try:
        if name in RANGES:
            return check_number(value, *RANGES[name])
        if not isinstance(value, str):
            raise ValueError("must be a text")
        return read_timestamp(value) if name == "timestamp" else check_user_id(value)
    except ValueError as error:
        raise FixRefused(Fault("invalid", str(error), name)) from error


def check_number(value: Any, least: float, most: float) -> float:
    if not isinstance(value, float):  # which no boolean is
        raise ValueError("must be a number")
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    if not least <= value <= most:
        msg = f"must be from {least:,.0f} to {most:,.0f}"
        raise ValueError(msg)
    return value


def check_user_id(text: str) -> str:
    """Raises ValueError for what names no user, or what PostgreSQL cannot hold."""
    if not text.strip():
        raise ValueError("must not be empty")
    if len(text) > MAX_USER_ID_CHARACTERS:
        msg = f"has {len(text)} characters; {MAX_USER_ID_CHARACTERS} are the most"
        raise ValueError(msg)
    return check_text(text)
