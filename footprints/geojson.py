"""Text of one footprint → the rings of its polygons: how much is read, and what is refused."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Positions of longitude and latitude in degrees, one in each row.
Ring = Floats
# The shell, then its holes.
Part = list[Ring]

# Every opening bracket as a step of 1 and every closing one as a step of -1, one byte each.
BRACKET_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
ALL_BUT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
NO_NUMBER: Final = re.compile(rb"-?(?:NaN|Infinity)")
ERROR_PATH: Final = re.compile(r"(.*) - at `\$(.*)`")


class PolygonError(ValueError):
    """A footprint that cannot become a polygon; `reason` is for whoever sent it."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Limits:
    """What is looked at before any parser sees the text."""

    max_bytes: int = 16 * 1024 * 1024
    max_depth: int = 32
    max_vertices: int = 200_000


@dataclass(frozen=True)
class Rings:
    parts: list[Part]
    vertex_count: int
    dropped_z: bool


class Document(msgspec.Struct):
    # A key that occurs twice counts as last written, as in most JSON readers.
    type: str | None = None
    geometry: msgspec.Raw = msgspec.Raw()
    coordinates: msgspec.Raw = msgspec.Raw()


Flat = tuple[float, float]
Tall = Annotated[list[float], msgspec.Meta(min_length=2)]
DOCUMENT: Final = msgspec.json.Decoder(Document)
FLAT: Final[dict[str, Any]] = {
    "Polygon": msgspec.json.Decoder(list[list[Flat]]),
    "MultiPolygon": msgspec.json.Decoder(list[list[list[Flat]]]),
}
TALL: Final[dict[str, Any]] = {
    "Polygon": msgspec.json.Decoder(list[list[Tall]]),
    "MultiPolygon": msgspec.json.Decoder(list[list[list[Tall]]]),
}


def read_rings(text: str, limits: Limits) -> Rings:
    """The rings as they are written, which may be open, empty or cross themselves.

    Every latitude is within ±90 and every longitude within ±540. Raises PolygonError.
    """
    data = _encode(text, limits)
    _check_nesting(data, limits)
    kind, member, coordinates = _find_coordinates(data)
    _check_values(coordinates, limits)
    parts, is_tall = _decode_parts(coordinates, kind, member)
    positions = _flatten(parts, is_tall)
    _check_positions(positions, limits)
    return Rings(_split(positions, parts), len(positions), dropped_z=is_tall)


def read_geometry(text: str) -> dict[str, Any]:
    """The GeoJSON geometry of a footprint's text that `read_rings` takes, as it came.

    Its type is the declared one, else told by the nesting.
    """
    kind, _, coordinates = _find_coordinates(text.encode())
    return {"type": kind, "coordinates": msgspec.json.decode(coordinates)}


def _encode(text: str, limits: Limits) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise PolygonError("invalid_text", "The text holds half of a character.") from error
    if len(data) > limits.max_bytes:
        raise PolygonError("too_large", f"The text is longer than {limits.max_bytes:,} bytes.")
    return data


def _check_nesting(data: bytes, limits: Limits) -> None:
    steps = _without_strings(data).translate(BRACKET_STEPS, ALL_BUT_BRACKETS)
    # Each innermost array is taken for a position: exact enough to stop a bomb.
    if steps.count(b"\x01\xff") > limits.max_vertices:
        raise _too_many_vertices(limits)
    depths = np.frombuffer(steps, np.int8).cumsum(dtype=np.int32)
    if depths.max(initial=0) > limits.max_depth:
        raise PolygonError("too_deep", f"The text is nested deeper than {limits.max_depth} levels.")


def _without_strings(data: bytes) -> bytes:
    if b"\\" in data:
        return STRING.sub(b"", data)
    return b"".join(data.split(b'"')[::2])


def _too_many_vertices(limits: Limits) -> PolygonError:
    return PolygonError(
        "too_many_vertices", f"There are more than {limits.max_vertices:,} positions."
    )


def _check_values(coordinates: bytes, limits: Limits) -> None:
    # One position may hold any number of values; eight each is more than any format has.
    if coordinates.count(b",") > 8 * limits.max_vertices:
        raise _too_many_vertices(limits)


def _find_coordinates(data: bytes) -> tuple[str, str, bytes]:
    """Kind of polygon, name of the member for messages, its JSON text."""
    document = _decode_document(data, "The footprint")
    member = "coordinates"
    if document.type == "Feature":
        member = "geometry.coordinates"
        document = _decode_document(_feature_geometry(document), "geometry")
    coordinates = bytes(document.coordinates)
    return _kind(document.type, coordinates), member, coordinates


def _decode_document(data: bytes, name: str) -> Document:
    try:
        return DOCUMENT.decode(data)
    except msgspec.ValidationError as error:
        if "$.type" in str(error):
            raise PolygonError("unsupported_type", "type must be a text.") from error
        raise PolygonError("not_an_object", f"{name} must be a JSON object.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(data, error) from error


def _malformed(data: bytes, error: Exception) -> PolygonError:
    found = NO_NUMBER.search(_without_strings(data))
    if found:
        return PolygonError("not_finite", f"{found[0].decode()} is not a number in JSON.")
    return PolygonError("invalid_json", f"The text is not JSON: {error}")


def _feature_geometry(document: Document) -> bytes:
    geometry = bytes(document.geometry)
    if not geometry:
        raise PolygonError("missing_geometry", "The Feature has no member geometry.")
    if geometry == b"null":
        raise PolygonError("null_geometry", "geometry is null.")
    return geometry


def _kind(declared: str | None, coordinates: bytes) -> str:
    if declared not in (None, "Polygon", "MultiPolygon"):
        reason = f"type is {declared[:40]!r}; only Polygon and MultiPolygon are taken."
        raise PolygonError("unsupported_type", reason)
    if not coordinates:
        raise PolygonError("missing_coordinates", "There is no member coordinates.")
    return declared or _kind_by_nesting(coordinates)


def _kind_by_nesting(coordinates: bytes) -> str:
    opening = len(coordinates) - len(coordinates.lstrip(b"[ \t\r\n"))
    depth = coordinates.count(b"[", 0, opening)
    if depth == 4:
        return "MultiPolygon"
    # Without a comma it holds no position, and is refused as either kind.
    if depth == 3 or b"," not in coordinates:
        return "Polygon"
    reason = f"coordinates are nested {depth} deep; a Polygon has 3 levels, a MultiPolygon 4."
    raise PolygonError("unsupported_type", reason)


def _decode_parts(coordinates: bytes, kind: str, member: str) -> tuple[list[Any], bool]:
    """Parts of rings of positions, and whether some position had more than two values."""
    is_tall = False
    try:
        decoded = FLAT[kind].decode(coordinates)
    except msgspec.ValidationError:
        decoded = _decode_tall(coordinates, kind, member)
        is_tall = True
    return ([decoded] if kind == "Polygon" else decoded), is_tall


def _decode_tall(coordinates: bytes, kind: str, member: str) -> Any:
    try:
        return TALL[kind].decode(coordinates)
    except msgspec.ValidationError as error:
        raise _wrong_coordinates(str(error), member) from error


def _wrong_coordinates(message: str, member: str) -> PolygonError:
    found = ERROR_PATH.match(message)
    what, where = found.groups() if found else (message, "")
    if "out of range" in what:
        return PolygonError("not_finite", f"{member}{where} is too large for a number.")
    return PolygonError("invalid_coordinates", f"{member}{where}: {what.replace('`', '')}.")


def _flatten(parts: list[Any], is_tall: bool) -> Floats:
    positions: Iterable[Any] = chain.from_iterable(chain.from_iterable(parts))
    if is_tall:
        positions = (position[:2] for position in positions)
    return np.fromiter(chain.from_iterable(positions), np.float64).reshape(-1, 2)


def _check_positions(positions: Floats, limits: Limits) -> None:
    if not len(positions):
        raise PolygonError("empty_coordinates", "coordinates are empty.")
    if len(positions) > limits.max_vertices:
        raise _too_many_vertices(limits)
    _check_range(positions[:, 0], "longitude", 540)
    _check_range(positions[:, 1], "latitude", 90)


def _check_range(values: Floats, name: str, most: float) -> None:
    if values.max() > most or values.min() < -most:
        worst = float(values[np.abs(values).argmax()])
        raise PolygonError(f"{name}_out_of_range", f"The {name} {worst:g} is beyond ±{most:g}.")


def _split(positions: Floats, parts: list[Any]) -> list[Part]:
    """The positions in rings and parts again; parts without a ring are left out."""
    ends = np.cumsum([len(ring) for ring in chain.from_iterable(parts)])
    rings = iter(np.split(positions, ends[:-1]))
    return [list(islice(rings, len(part))) for part in parts if part]
