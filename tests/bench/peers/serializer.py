"""The usual way: points of footprints as a GeoJSON list of djangorestframework-gis.

    python tests/bench/peers/serializer.py COUNT

prints how many seconds the first COUNT footprints take, from the query to the bytes.
"""

import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
sys.path.insert(0, os.getcwd())
django.setup()

from rest_framework.renderers import JSONRenderer  # noqa: E402
from rest_framework_gis.serializers import GeoFeatureModelSerializer  # noqa: E402

from footprints.models import Footprint  # noqa: E402


class PointSerializer(GeoFeatureModelSerializer):  # type: ignore[misc]
    class Meta:
        model = Footprint
        id_field = "id"
        geo_field = "point"
        fields = ("id", "point", "org_id", "source_event_timestamp", "area_m2")


def main(count: int) -> None:
    rows = Footprint.objects.only(*PointSerializer.Meta.fields)[:count]
    began = time.monotonic()
    content = JSONRenderer().render(PointSerializer(rows, many=True).data)
    seconds = time.monotonic() - began
    assert content.count(b'"Feature"') == count
    print(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]))
