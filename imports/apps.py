"""Imports: CSV files of any size into rows of a registered dataset."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class ImportsConfig(AppConfig):
    name = "imports"

    def ready(self) -> None:
        autodiscover_modules("datasets")
