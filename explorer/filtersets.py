"""Filters of the explorer's tables: each column's, by its type."""

from collections import OrderedDict
from typing import ClassVar

import django_filters

from config.api.filtersets import ColumnFilterSet, build_filters
from explorer.tables import GAMES, TRIPS, ZONES, Table


class TableFilterSet(ColumnFilterSet):
    table: ClassVar[Table | None] = None

    @classmethod
    def get_filters(cls) -> OrderedDict[str, django_filters.Filter]:
        filters: OrderedDict[str, django_filters.Filter] = OrderedDict()
        for column in cls.table.columns if cls.table else ():
            filters |= build_filters(column.name, column.lookups, source=column.path)
        return filters


class GameFilterSet(TableFilterSet):
    table = GAMES


class TripFilterSet(TableFilterSet):
    table = TRIPS


class ZoneFilterSet(TableFilterSet):
    table = ZONES


class ZoneTripsFilterSet(ZoneFilterSet):
    """The zones' own filters, and those of the trips that are counted in them."""

    @classmethod
    def get_filters(cls) -> OrderedDict[str, django_filters.Filter]:
        return super().get_filters() | TripFilterSet.get_filters()
