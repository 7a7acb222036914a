"""Games, and taxi zones: squares of 0.01°, one north-east of the other."""

from decimal import Decimal

import factory

from explorer.models import Game, TaxiZone
from tests.factories.footprints import draw_square
from tests.factories.imports import ImportFactory


class TaxiZoneFactory(factory.django.DjangoModelFactory[TaxiZone]):
    class Meta:
        model = TaxiZone

    location_id = factory.Sequence(lambda n: n + 1)
    zone = factory.Sequence(lambda n: f"Zone {n + 1}")
    borough = "Queens"
    service_zone = "Boro Zone"
    geometry = factory.Sequence(lambda n: draw_square(-74 + n * 0.02, 40 + n * 0.02))


class GameFactory(factory.django.DjangoModelFactory[Game]):
    class Meta:
        model = Game

    app_id = factory.Sequence(lambda n: 10 * (n + 1))
    import_record = factory.SubFactory(ImportFactory, dataset="games")
    name = factory.Sequence(lambda n: f"Game {n + 1}")
    release_date_text = "Oct 21, 2008"
    required_age = 0
    price = Decimal("19.99")
    windows = True
    genres = "Casual,Indie"
