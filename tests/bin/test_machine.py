import os
import shutil
import socket
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from environment import (
    clean_environment,
    read_env_file,
    read_port,
    read_secret_key,
    read_value,
)
from machine import (
    INSTALL_SCRIPT,
    Needs,
    Stamp,
    check_disk,
    check_port,
    fingerprint_static,
    hold_lock,
    install_packages,
    missing_packages,
    unfinished_packages,
)
from supervisor import Refusal


def test_read_env_file_absent_is_empty(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}


def test_read_env_file_skips_comments_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# comment\n\nPORT=9000\nexport DEBUG = 1\nEMPTY=\n")

    assert read_env_file(path) == {"PORT": "9000", "DEBUG": "1", "EMPTY": ""}


def test_read_env_file_names_the_line_that_is_no_setting(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("PORT=9000\nwhatever\n")

    with pytest.raises(Refusal, match=r"Line 2 of .*\.env is not NAME=value"):
        read_env_file(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("a=b", "a=b"),
        ("with # comment", "with"),
        ("#only a comment", ""),
        ("anchor#kept", "anchor#kept"),
        ('"quoted # kept"', "quoted # kept"),
        ("'single' # comment", "single"),
        ('"unfinished', '"unfinished'),
        ("", ""),
    ],
)
def test_read_value(text: str, value: str) -> None:
    assert read_value(text) == value


def test_clean_environment_drops_what_belongs_to_other_projects() -> None:
    cleaned = clean_environment(
        {
            "PGHOST": "elsewhere",
            "VIRTUAL_ENV": "/x",
            "DJANGO_SETTINGS_MODULE": "other",
            "HOME": "/h",
        }
    )

    assert cleaned["HOME"] == "/h"
    assert cleaned["DJANGO_SETTINGS_MODULE"] == "config.settings"
    assert not {"PGHOST", "VIRTUAL_ENV"} & set(cleaned)


@pytest.mark.parametrize("text", ["", "0", "65536", "http", "-1", "80.5", "٣"])
def test_read_port_refuses_what_is_no_port(text: str) -> None:
    with pytest.raises(Refusal, match="PORT must be a number"):
        read_port({"PORT": text})


def test_read_port_accepts_a_port() -> None:
    assert read_port({"PORT": "8000"}) == 8000


def test_check_port_in_use_names_the_variable() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(Refusal, match=f"Port {port} .* set PORT"):
            check_port(port)


def test_check_port_free_again_passes() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]

    check_port(port)


def test_check_disk_full_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=5_000_000)
    monkeypatch.setattr("machine.shutil.disk_usage", lambda _folder: usage)

    with pytest.raises(Refusal, match="5 MB of free disk space"):
        check_disk(tmp_path)


def test_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"

    key = read_secret_key(path)

    assert len(key) >= 50
    assert read_secret_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secret_key_that_two_make_at_once_is_one(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    start = Barrier(8)

    def make(_number: int) -> str:
        start.wait()
        return read_secret_key(path)

    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(make, range(8)))

    assert keys == {path.read_text()}
    assert list(tmp_path.iterdir()) == [path]


def test_hold_lock_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    with hold_lock(path, "bin/up"), pytest.raises(Refusal, match="bin/up is already running"):
        hold_lock(path, "bin/up")
    with hold_lock(path, "bin/up"):
        pass


def test_missing_packages_are_named_by_what_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("machine.find_postgres_servers", list)
    monkeypatch.setattr("machine.find_redis_server", lambda: None)
    monkeypatch.setattr("machine.find_browser", lambda: None)
    monkeypatch.setattr("machine.ctypes.util.find_library", lambda _name: None)
    monkeypatch.setattr("machine.shutil.which", lambda _name: None)
    servers = {"postgresql", "postgresql-postgis", "redis-server"}

    everything = missing_packages(Needs(browser=True, curl=True))
    own_servers = missing_packages(Needs(postgres=False, redis=False))

    assert {*servers, "gdal-bin", "chromium", "curl"} <= set(everything)
    assert "gdal-bin" in own_servers
    assert not servers & set(own_servers)


@pytest.mark.parametrize("has_compose", [True, False])
def test_install_without_apt_points_at_compose_where_the_checkout_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_compose: bool
) -> None:
    monkeypatch.setattr("machine.shutil.which", lambda _name: None)
    monkeypatch.setattr("machine.CHECKOUT", tmp_path)
    if has_compose:
        (tmp_path / "docker-compose.yml").touch()

    with pytest.raises(Refusal, match="postgresql redis-server") as caught:
        install_packages(["postgresql", "redis-server"], tmp_path / "log", tmp_path / "note")

    assert ("`docker compose up`" in str(caught.value)) == has_compose
    assert not (tmp_path / "note").exists()


def test_install_script_is_what_a_shell_reads() -> None:
    subprocess.run(["sh", "-n"], input=INSTALL_SCRIPT.encode(), check=True)


@pytest.fixture
def root_with_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("machine.shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("machine.os.geteuid", lambda: 0)


@pytest.mark.usefixtures("root_with_apt")
def test_install_that_succeeds_leaves_no_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("machine.INSTALL_SCRIPT", 'cat "$0.note"; echo "asked for $*"')
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sh.note").symlink_to("note")

    install_packages(["one", "two"], tmp_path / "log", tmp_path / "note")

    assert (tmp_path / "log").read_text() == "one twoasked for one two\n"
    assert not (tmp_path / "note").exists()


@pytest.mark.usefixtures("root_with_apt")
def test_install_that_fails_shows_its_log_and_keeps_the_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("machine.INSTALL_SCRIPT", "echo 'E: no such package' >&2; exit 100")

    with pytest.raises(Refusal, match=r"Installing one failed; see .*log:\n  E: no such package"):
        install_packages(["one"], tmp_path / "log", tmp_path / "note")

    assert (tmp_path / "note").read_text() == "one"


@pytest.mark.parametrize(
    ("audit", "unfinished"),
    [("", []), ("echo 'unpacked but not yet configured'; exit 1", ["one", "two"])],
)
def test_unfinished_packages_count_while_dpkg_has_work_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: str, unfinished: list[str]
) -> None:
    dpkg = tmp_path / "dpkg"
    dpkg.write_text(f"#!/bin/sh\n{audit}\n")
    dpkg.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    without_note = unfinished_packages(tmp_path / "note")
    (tmp_path / "note").write_text("one two")
    with_note = unfinished_packages(tmp_path / "note")

    assert without_note == []
    assert with_note == unfinished


def test_fingerprint_static_changes_with_the_assets_only(tmp_path: Path) -> None:
    for name in ("assets/map.js", "imports/views.py", "static/map.js", "uv.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    before = fingerprint_static(tmp_path)

    (tmp_path / "imports/views.py").write_text("22")
    (tmp_path / "static/map.js").write_text("22")
    after_other_changes = fingerprint_static(tmp_path)
    (tmp_path / "assets/map.js").write_text("22")
    after_an_asset = fingerprint_static(tmp_path)
    (tmp_path / "uv.lock").write_text("22")
    after_the_lock = fingerprint_static(tmp_path)

    assert after_other_changes == before
    assert len({before, after_an_asset, after_the_lock}) == 3


def test_stamp_counts_only_while_its_result_exists(tmp_path: Path) -> None:
    stamp = Stamp(tmp_path / "stamp", tmp_path / "result")

    stamp.write("digest")
    without_result = stamp.stands_for("digest")
    (tmp_path / "result").mkdir()

    assert not without_result
    assert stamp.stands_for("digest")
    assert not stamp.stands_for("other")
