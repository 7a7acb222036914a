"""The composition of the apps, known to Django for its commands only."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Catchment"
