"""The composition of the apps, known to Django for its commands only."""

from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig
from django.core.checks import register

from config.checks import check_reader


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Catchment"

    def ready(self) -> None:
        register(check_reader)


class AssetsConfig(StaticFilesConfig):
    """The static files that are served: of what npm brings, not what only developers read."""

    ignore_patterns = ["CVS", ".*", "*~", "*.map", "*.d.ts", "*-dev.mjs", "README*", "package.json"]
