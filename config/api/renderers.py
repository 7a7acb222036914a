"""Media types that the API speaks beside JSON."""

from rest_framework.renderers import JSONRenderer


class GeoJsonRenderer(JSONRenderer):
    """GeoJSON under its own name (RFC 7946), for clients that ask for nothing else."""

    media_type = "application/geo+json"
    format = "geojson"
