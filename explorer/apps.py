"""Explorer: tables for analysts to filter, aggregate and export."""

from django.apps import AppConfig


class ExplorerConfig(AppConfig):
    name = "explorer"
