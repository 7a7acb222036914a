"""Footprints in the admin: what was repaired can be found."""

import pytest
from django.test import Client

from tests.factories.footprints import FootprintFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/footprints/footprint/"


def test_repaired_footprints_are_listed_by_themselves(admin_client: Client) -> None:
    repairs = [{"code": "self_intersection", "reason": "Self-intersection at 1 2"}]
    FootprintFactory(org_id=4711, repairs=repairs, area_change=0.125)
    FootprintFactory(org_id=4712)

    repaired = admin_client.get(f"{LIST}?repaired=true").content.decode()
    others = admin_client.get(f"{LIST}?repaired=false").content.decode()

    assert "4711" in repaired
    assert "0.125" in repaired
    assert "4712" not in repaired
    assert "4711" not in others
    assert "4712" in others
