"""Files of taxi zones, as tests need them."""

import json
from typing import Any

from django.contrib.gis.geos import MultiPolygon, Polygon

from tests.files import draw_ring

HEADER = b'"LocationID","Borough","Zone","service_zone"\n'
LOOKUP = HEADER + b'1,"EWR","Newark Airport","EWR"\n264,"Unknown","N/A","N/A"\n'
SQUARE = {"type": "Polygon", "coordinates": [draw_ring(-74, 40)]}
SHAPE = MultiPolygon(Polygon(draw_ring(-74, 40)), srid=4326)
NEWARK = {"locationid": "1", "zone": "Newark Airport", "borough": "EWR"}


def write_feature(geometry: object = SQUARE, **properties: object) -> dict[str, Any]:
    return {"type": "Feature", "properties": {**NEWARK, **properties}, "geometry": geometry}


def write_map(*features: object) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()
