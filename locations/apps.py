"""Locations: one average per user and UTC minute."""

from django.apps import AppConfig


class LocationsConfig(AppConfig):
    name = "locations"
