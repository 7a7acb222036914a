"""The least that shapely has to do for a footprint: read it, make it valid, find a point on it,
simplify it and write it as WKB.

    python tests/bench/peers/shapely_alone.py FILE COUNT

prints how many seconds the first COUNT rows take, without reading the CSV.
"""

import csv
import itertools
import json
import sys
import time

import shapely


def main(path: str, count: int) -> None:
    csv.field_size_limit(2**31 - 1)
    with open(path, newline="") as file:
        rows = csv.DictReader(file)
        texts = [row["footprints_used"] for row in itertools.islice(rows, count)]
    began = time.monotonic()
    for text in texts:
        document = json.loads(text)
        geometry = document.get("geometry", document)
        kind = "MultiPolygon" if isinstance(geometry["coordinates"][0][0][0], list) else "Polygon"
        kind = geometry.get("type", kind)
        shape = shapely.from_geojson(json.dumps({**geometry, "type": kind}))
        shape = shapely.make_valid(shape, method="structure", keep_collapsed=False)
        point = shapely.point_on_surface(shape)
        simple = shapely.simplify(shape, 0.001)
        shapely.to_wkb([shape, point, simple])
    print(time.monotonic() - began)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
