"""Footprints: organisations' usage polygons, repaired, each with a point and its heat."""

from django.apps import AppConfig


class FootprintsConfig(AppConfig):
    name = "footprints"
