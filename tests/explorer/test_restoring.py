"""What PostgreSQL computes of games, in a restored dump and after an upgrade."""

import subprocess
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg import sql
from psycopg.rows import dict_row
from stores import choose_server, find_postgres_servers

from explorer.models import Game
from imports.jobs import read_connection_parameters
from imports.models import Import
from tests.explorer.loaded import store_games
from tests.factories.explorer import GameFactory


@pytest.fixture
def restored() -> Iterator[dict[str, Any]]:
    """How to reach an empty database beside the test's own."""
    parameters = read_connection_parameters()
    name = f"{parameters['dbname']}_restored"
    drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    with psycopg.connect(**parameters, autocommit=True) as owner:
        owner.execute(drop)
        owner.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        yield {**parameters, "dbname": name}
        owner.execute(drop)


def read_games(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    with psycopg.connect(**parameters, row_factory=dict_row) as reader:
        return reader.execute("SELECT * FROM explorer_game ORDER BY app_id").fetchall()


def name_database(parameters: Mapping[str, Any]) -> str:
    return psycopg.conninfo.make_conninfo(
        **{key: parameters[key] for key in ("dbname", "user", "host", "port") if key in parameters}
    )


@pytest.mark.django_db(transaction=True)
def test_dump_of_games_is_restored_with_all_that_is_computed(
    restored: dict[str, Any], tmp_path: Path
) -> None:
    store_games(50)
    GameFactory(
        app_id=10**6,
        supported_languages=r"['caf\xe9', 'English']",
        developers="Foo, GmbH & Co. KG,Bar",
    )
    binaries = choose_server(find_postgres_servers(), tmp_path).binaries
    dump = subprocess.run(
        [binaries / "pg_dump", name_database(read_connection_parameters())],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout

    subprocess.run(
        [binaries / "psql", "-qXv", "ON_ERROR_STOP=1", name_database(restored)],
        input=dump,
        stdout=subprocess.DEVNULL,
        check=True,
    )

    rows = read_games(restored)
    assert rows == read_games(read_connection_parameters())
    assert (len(rows), rows[-1]["developers_list"][1]) == (51, "Bar")


@pytest.mark.django_db
def test_upgrade_computes_again_what_was_read_in_another_way() -> None:
    before = import_module("explorer.migrations.0004_game")
    upgrade = import_module("explorer.migrations.0006_lists_as_written")
    with connection.cursor() as cursor:
        cursor.execute(before.FUNCTIONS.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    escaped, company, usual = (
        GameFactory(supported_languages=r"['caf\xe9']"),
        GameFactory(publishers="Foo, GmbH & Co. KG"),
        GameFactory(supported_languages="['English']", developers="Foo, Inc."),
    )
    assert Game.objects.get(pk=escaped.pk).supported_languages_list == ["cafxe9"]

    with connection.cursor() as cursor:
        cursor.execute(upgrade.FUNCTIONS)
        cursor.execute(upgrade.RECOMPUTE)
        assert cursor.rowcount == 2
        cursor.execute(upgrade.DOUBT_IMPORTS)

    assert Game.objects.get(pk=escaped.pk).supported_languages_list == ["café"]
    assert Game.objects.get(pk=company.pk).publishers_list == ["Foo, GmbH & Co. KG"]
    assert Game.objects.get(pk=usual.pk).developers_list == ["Foo, Inc."]
    assert not Import.objects.filter(dataset="games", is_whole=True).exists()
