"""Taxi zones: squares of 0.01°, one north-east of the other."""

import factory

from explorer.models import TaxiZone
from tests.factories.footprints import draw_square


class TaxiZoneFactory(factory.django.DjangoModelFactory[TaxiZone]):
    class Meta:
        model = TaxiZone

    location_id = factory.Sequence(lambda n: n + 1)
    zone = factory.Sequence(lambda n: f"Zone {n + 1}")
    borough = "Queens"
    service_zone = "Boro Zone"
    geometry = factory.Sequence(lambda n: draw_square(-74 + n * 0.02, 40 + n * 0.02))
