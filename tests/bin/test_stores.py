import os
from pathlib import Path

import pytest
from stores import (
    Home,
    PostgresServer,
    choose_data_folder,
    choose_server,
    choose_sockets,
    find_processes_in,
    inspect_server,
    make_owned,
    quote_setting,
    read_major,
)
from supervisor import Refusal

OLD = PostgresServer(15, Path("/usr/lib/postgresql/15/bin"))
NEW = PostgresServer(17, Path("/usr/lib/postgresql/17/bin"))


def test_choose_server_takes_the_newest_for_a_new_cluster(tmp_path: Path) -> None:
    assert choose_server([OLD, NEW], tmp_path) == NEW


def test_choose_server_takes_the_one_that_made_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("15\n")

    assert choose_server([OLD, NEW], tmp_path) == OLD


def test_choose_server_names_the_version_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("16\n")

    with pytest.raises(Refusal, match="install postgresql-16"):
        choose_server([OLD, NEW], tmp_path)


def test_choose_server_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="PostgreSQL 15 or newer"):
        choose_server([], tmp_path)


@pytest.mark.parametrize(
    ("folder", "major"),
    [("/usr/lib/postgresql/15/bin", 15), ("/usr/pgsql-17/bin", 17)],
)
def test_read_major_from_the_folder(folder: str, major: int) -> None:
    assert read_major(Path(folder)) == major


@pytest.mark.parametrize(("version", "is_accepted"), [("14.9", False), ("16.1", True)])
def test_inspect_server_asks_for_version_and_postgis(
    tmp_path: Path, version: str, is_accepted: bool
) -> None:
    binaries = tmp_path / "bin"
    extensions = tmp_path / "share/extension"
    binaries.mkdir()
    extensions.mkdir(parents=True)
    server = binaries / "postgres"
    server.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
    server.chmod(0o755)

    without = inspect_server(binaries)
    (extensions / "postgis.control").touch()
    found = inspect_server(binaries)

    assert without is None
    assert (found is not None) == is_accepted


def test_choose_sockets_prefers_the_checkout() -> None:
    assert choose_sockets(Path("/srv/app/.local/run"), None) == Path("/srv/app/.local/run")


@pytest.mark.parametrize("folder", ["/srv/" + "é" * 50, "/srv/a,b"])
def test_choose_sockets_avoids_long_paths_and_commas(folder: str) -> None:
    chosen = choose_sockets(Path(folder) / "run", None)

    assert len(str(chosen)) < 40
    assert chosen.name.endswith(f"-{os.geteuid()}")
    assert chosen != choose_sockets(Path(folder) / "test/run", None)


def test_make_owned_refuses_a_link_left_by_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")

    with pytest.raises(Refusal, match="belongs to somebody else"):
        make_owned(tmp_path / "link", None)


def test_make_owned_closes_an_own_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o755)

    make_owned(folder, None)

    assert folder.stat().st_mode & 0o777 == 0o700


def test_data_folder_falls_back_where_postgres_cannot_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.FALLBACK", tmp_path / "fallback")
    monkeypatch.setattr("stores.can_enter", lambda _folder, _user: False)
    local = tmp_path / "checkout/.local/test"

    chosen = choose_data_folder(tmp_path / "checkout", local)

    assert chosen.name == "test"
    assert chosen.is_relative_to(tmp_path / "fallback")


def test_data_folder_never_leaves_existing_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.can_enter", lambda _folder, _user: False)
    local = tmp_path / ".local"
    (local / "postgres").mkdir(parents=True)
    (local / "postgres/PG_VERSION").write_text("15")

    with pytest.raises(Refusal, match="can no longer enter"):
        choose_data_folder(tmp_path, local)


def test_urls_quote_the_socket_folder() -> None:
    home = Home(Path("/data"), Path("/a b/ü"), None)

    assert home.database_url == "postgresql://catchment@/catchment?host=%2Fa%20b%2F%C3%BC"
    assert home.reader_url == "postgresql://catchment_reader@/catchment?host=%2Fa%20b%2F%C3%BC"
    assert home.redis_url == "unix:///a%20b/%C3%BC/redis.sock?db=0"


def test_quote_setting() -> None:
    assert quote_setting("dir's\\x") == "dir''s\\\\x"


def test_find_processes_in_a_folder_by_their_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert find_processes_in(tmp_path) == {os.getpid()}
    assert find_processes_in(tmp_path / "elsewhere") == set()
