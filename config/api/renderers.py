"""Media types that the API speaks beside JSON."""

from typing import Any

import msgspec
from rest_framework.renderers import JSONRenderer


class GeoJsonRenderer(JSONRenderer):
    """GeoJSON under its own name (RFC 7946), for clients that ask for nothing else."""

    media_type = "application/geo+json"
    format = "geojson"


class RawJSONRenderer(JSONRenderer):
    """JSON of which parts are written already."""

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        return b"" if data is None else msgspec.json.encode(data, enc_hook=str)
