"""The composition of the apps, known to Django for its commands, its keys and its groups."""

from importlib import import_module

from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig
from django.core.checks import register
from django.db.models.signals import post_migrate

from config.checks import check_reader
from config.groups import make_groups


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Catchment"

    def ready(self) -> None:
        register(check_reader)
        post_migrate.connect(make_groups, sender=self)
        import_module("config.trail")  # whose models are there by now


class AssetsConfig(StaticFilesConfig):
    """The static files that are served: of what npm brings, not what only developers read."""

    ignore_patterns = [
        *("CVS", ".*", "*~", "*.map", "*.d.ts", "*-dev.mjs", "README*", "package.json"),
        *("land-*.json", "countries-10m.json", "countries-110m.json"),
    ]
