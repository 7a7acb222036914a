"""Taxi zones in the admin."""

import pytest
from django.test import Client

from tests.factories.explorer import TaxiZoneFactory


@pytest.mark.django_db
def test_admin_tells_which_zones_have_a_shape(admin_client: Client) -> None:
    TaxiZoneFactory(zone="Astoria")
    TaxiZoneFactory(zone="Outside of NYC", geometry=None)

    page = admin_client.get("/admin/explorer/taxizone/?o=4").content.decode()

    assert page.index("Outside of NYC") < page.index("Astoria")
    assert page.index("icon-no") < page.index("icon-yes")
