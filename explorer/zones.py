"""The city's taxi zones: what a file tells of them, and how it completes what is there."""

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec
import shapely
from django.conf import settings
from django.contrib.gis.geos import GEOSGeometry
from django.db import connection, transaction

from explorer.models import TaxiZone
from imports.engine.csvrows import RecordError, find_end, parse_record, read_rows
from imports.engine.fetching import Policy, find_source
from imports.engine.records import MIB, Chunk, Reject
from imports.engine.sources import Rewound, Source

MAX_BYTES: Final = 64 * MIB
MAX_ID: Final = 2**31 - 1
INTEGER: Final = re.compile("[0-9]{1,10}", re.ASCII)
SHOWN_CHARACTERS: Final = 40
LOCK: Final = "LOCK TABLE explorer_taxizone IN SHARE ROW EXCLUSIVE MODE"
FIELDS: Final = ("zone", "borough", "service_zone", "geometry")
# As names are folded.
READ_NAMES: Final = frozenset({"locationid", "zone", "borough", "servicezone"})


class ZonesError(ValueError):
    """A file that zones cannot be read from: says where, and which field is at fault."""


@dataclass(frozen=True)
class Zone:
    """What a file tells of a zone, or of a part of it; None is what it does not tell."""

    location_id: int
    zone: str
    borough: str
    service_zone: str | None
    geometry: shapely.MultiPolygon | None

    def complete(self, row: TaxiZone) -> bool:
        """Whether that changed anything."""
        told: dict[str, Any] = {"zone": self.zone, "borough": self.borough}
        if self.service_zone is not None:
            told["service_zone"] = self.service_zone
        if self.geometry is not None:
            told["geometry"] = GEOSGeometry(memoryview(shapely.to_wkb(self.geometry)), srid=4326)
        changed = {name: value for name, value in told.items() if getattr(row, name) != value}
        for name, value in changed.items():
            setattr(row, name, value)
        return bool(changed)


@dataclass(frozen=True)
class Outcome:
    """How many zones a file had, and how many of them are new, or not what they were."""

    read: int
    new: int
    changed: int


@dataclass(frozen=True)
class Entry:
    """A feature or a row: where it stands, its fields, and the GeoJSON of its shape."""

    place: str
    fields: Mapping[str, Any]
    geometry: str = "null"


class Feature(msgspec.Struct):
    properties: dict[str, Any]
    geometry: msgspec.Raw


class Collection(msgspec.Struct):
    type: Literal["FeatureCollection"]
    features: list[msgspec.Raw]


def load_zones(url: str) -> Outcome:
    """All of a file, or nothing. Raises ZonesError, and ImportFailure where it cannot be read."""
    return store_zones(read_zones(fetch_file(url)))


def fetch_file(url: str) -> bytes:
    policy = Policy(settings.IMPORT_ALLOWED_NETWORKS, settings.IMPORT_MAX_BYTES)
    with closing(find_source(url, policy)) as source:
        source.open()
        while True:
            try:
                return _read_source(source)
            except Rewound:
                continue


def _read_source(source: Source) -> bytes:
    data = bytearray()
    for block in source.blocks():
        data += block
        if len(data) > MAX_BYTES:
            raise ZonesError(f"the file is larger than {MAX_BYTES // MIB} MB")
    return bytes(data)


def read_zones(data: bytes) -> list[Zone]:
    """The zones of the city's GeoJSON, or of its lookup CSV. Raises ZonesError."""
    _check_encoding(data)
    data = data.removeprefix(codecs.BOM_UTF8)
    start = data.lstrip()[:1]
    if not start:
        raise ZonesError("the file is empty")
    parts: dict[int, list[Zone]] = {}
    for entry in _read_features(data) if start in b"{[" else _read_rows(data):
        try:
            zone = _read_zone(entry)
            _add_part(parts.setdefault(zone.location_id, []), zone)
        except ZonesError as error:
            raise ZonesError(f"{entry.place}: {error}") from error
    if not parts:
        raise ZonesError("the file has no zones")
    return [_unite_parts(zones) for zones in parts.values()]


def store_zones(zones: Sequence[Zone]) -> Outcome:
    """Completes the zones that are there, and adds the others."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(LOCK)  # of two files at a time each would miss what the other brings
        stored = TaxiZone.objects.in_bulk()
        rows = [stored.get(zone.location_id) or TaxiZone(zone.location_id) for zone in zones]
        changed = [row for zone, row in zip(zones, rows, strict=True) if zone.complete(row)]
        TaxiZone.objects.bulk_create(
            changed, update_conflicts=True, unique_fields=["location_id"], update_fields=FIELDS
        )
    new_count = sum(row.location_id not in stored for row in changed)
    return Outcome(len(zones), new_count, len(changed) - new_count)


# Entries


def _check_encoding(data: bytes) -> None:
    """Of a letter's two bytes in UTF-16 one is NUL, which no text of zones has."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data[:2]:
        raise ZonesError("the file is UTF-16, not UTF-8; only UTF-8 can be read")


def _read_features(data: bytes) -> Iterator[Entry]:
    try:
        collection = msgspec.json.decode(_decode(data), type=Collection)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ZonesError(f"this is no GeoJSON FeatureCollection: {error}") from error
    for number, raw in enumerate(collection.features, start=1):
        place = f"feature {number}"
        try:
            feature = msgspec.json.decode(raw, type=Feature)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ZonesError(f"{place}: {error}") from error
        yield Entry(place, feature.properties, bytes(feature.geometry).decode())


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ZonesError(f"line {line}: byte {error.start + 1} of the file is not UTF-8") from error


def _read_rows(data: bytes) -> Iterator[Entry]:
    end = find_end(data, 0) or len(data)
    header = _read_header(data[:end])
    first_line = data.count(b"\n", 0, end) + 1
    rows = Chunk(0, end, len(data), first_line, first_line, data[end:], crc32=0)
    for row in read_rows(rows, header):
        if isinstance(row, Reject):
            place = f"line {row.record.line}" + (row.column and f": {row.column}")
            raise ZonesError(f"{place}: {row.reason}")
        record, fields = row
        yield Entry(f"line {record.line}", fields)


def _read_header(raw: bytes) -> Sequence[str]:
    try:
        header = parse_record(raw.rstrip(b"\r\n"))
    except RecordError:
        header = []
    if "locationid" not in map(_fold_name, header):
        shown = repr(raw[:SHOWN_CHARACTERS]).removeprefix("b")
        detail = "this is neither GeoJSON nor CSV with a column LocationID; it begins with"
        raise ZonesError(f"{detail} {shown}")
    _check_names(header)
    return header


def _check_names(names: Iterable[str]) -> None:
    """Raises ZonesError where two of them name the same of what is read."""
    seen: dict[str, str] = {}
    for name in names:
        folded = _fold_name(name)
        if folded in seen and folded in READ_NAMES:
            raise ZonesError(f"{_show(seen[folded])} and {_show(name)} name the same column")
        seen[folded] = name


# Zones


def _read_zone(entry: Entry) -> Zone:
    _check_names(entry.fields)
    fields = {_fold_name(name): value for name, value in entry.fields.items()}
    return Zone(
        location_id=_read_id(fields),
        zone=_read_name(fields, "zone"),
        borough=_read_name(fields, "borough"),
        service_zone=_read_text(fields, "service_zone"),
        geometry=_read_shape(entry.geometry),
    )


def _fold_name(name: str) -> str:
    return name.strip().lower().replace("_", "")


def _read_id(fields: Mapping[str, Any]) -> int:
    value = fields.get("locationid")
    if value in (None, ""):
        raise ZonesError("location_id is missing")
    is_written = isinstance(value, str) and INTEGER.fullmatch(value.strip())
    number = int(value) if is_written else value
    # A bool is an int too.
    if type(number) is not int or not 0 < number <= MAX_ID:
        raise ZonesError(f"location_id: {_show(value)} is no integer from 1 to {MAX_ID}")
    return number


def _read_name(fields: Mapping[str, Any], name: str) -> str:
    text = _read_text(fields, name)
    if text is None:
        raise ZonesError(f"{name} is missing")
    return text


def _read_text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(_fold_name(name))
    if value in (None, ""):
        return None
    if not isinstance(value, str) or "\0" in value:
        raise ZonesError(f"{name}: {_show(value)} is no text")
    return value


def _show(value: Any) -> str:
    return repr(value)[:SHOWN_CHARACTERS]


def _add_part(parts: list[Zone], part: Zone) -> None:
    if parts and replace(parts[0], geometry=None) != replace(part, geometry=None):
        number = part.location_id
        raise ZonesError(f"location_id: {number} came before, with another name, or borough")
    parts.append(part)


def _unite_parts(parts: Sequence[Zone]) -> Zone:
    shapes = [part.geometry for part in parts if part.geometry is not None]
    if len(shapes) < 2:
        return replace(parts[0], geometry=next(iter(shapes), None))
    return replace(parts[0], geometry=_as_multipolygon(shapely.union_all(shapes)))


# Shapes


def _read_shape(text: str) -> shapely.MultiPolygon | None:
    """Valid, in degrees, and flat."""
    if text == "null":
        return None
    try:
        shape = shapely.force_2d(shapely.from_geojson(text))
        if shape.geom_type not in ("Polygon", "MultiPolygon"):
            raise ZonesError(f"geometry: a {shape.geom_type} is no polygon")
        _check_range(shape)
        if not shape.is_valid:
            # What collapses to lines and points is left out.
            shape = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    except shapely.errors.ShapelyError as error:
        raise ZonesError(f"geometry: {error}") from error
    if shape.is_empty:
        raise ZonesError("geometry: it encloses no area")
    return _as_multipolygon(shape)


def _check_range(shape: Any) -> None:
    west, south, east, north = shape.bounds  # NaN of an empty shape
    for value, name, most in (
        *((west, "longitude", 180), (east, "longitude", 180)),
        *((south, "latitude", 90), (north, "latitude", 90)),
    ):
        if abs(value) > most:
            detail = "coordinates must be degrees of longitude and latitude (EPSG:4326)"
            raise ZonesError(f"geometry: {value:.10g} is no {name}; {detail}")


def _as_multipolygon(shape: Any) -> shapely.MultiPolygon:
    return shapely.multipolygons(shapely.get_parts(shape))
