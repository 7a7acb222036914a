"""The environment is read strictly: what is missing or misspelt is named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings

KEY = "k" * 32
SHOW = "import config.settings as s; print(s.DATABASES, s.ANONYMOUS_ACCESS)"


def read_settings(code: str = SHOW, **environment: str) -> subprocess.CompletedProcess[str]:
    """Imports the settings in a process of its own, with these variables changed."""
    return run_python("-c", code, **environment)


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(
        [sys.executable, *arguments],
        env={name: value for name, value in (kept | environment).items() if value != "unset"},
        cwd=django_settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"ANONYMOUS_ACCESS": "read,write"}, "ANONYMOUS_ACCESS: write is not one of"),
        ({"DEBUG": "perhaps"}, "DEBUG"),
        ({"JWT_SIGNING_KEY": "short"}, "JWT_SIGNING_KEY: shorter than 32 bytes"),
        ({"RATE_LIMITS": "read=1/moon"}, "RATE_LIMITS: read=1/moon is not like"),
        ({"NUM_PROXIES": "-1"}, "NUM_PROXIES: -1 is not a whole number from 0"),
        ({"DROPZONE_BUCKET_URL": "s3.example"}, "DROPZONE_BUCKET_URL: s3.example"),
        ({"PUBLIC_URL": "catchment.example"}, "PUBLIC_URL: catchment.example does not begin"),
        ({"REDIS_URL": "redis"}, "REDIS_URL: it is not redis://host"),
        ({"REDIS_URL": ""}, "REDIS_URL: it is not redis://host"),
        ({"DATABASE_URL": ""}, "DATABASE_URL: it is not postgresql://"),
        ({"DATABASE_URL": "mysql://me@host/db"}, "DATABASE_URL: it is not postgresql://"),
        ({"READER_DATABASE_URL": "postgres://me@host:port/db"}, "READER_DATABASE_URL: it is not"),
    ],
)
def test_bad_variable_stops_the_start_and_is_named(environment: dict[str, str], named: str) -> None:
    result = read_settings(**environment)

    assert result.returncode != 0
    assert named in result.stderr


@pytest.mark.parametrize("password", ["a/b", "1/b", "a@b/c", "a:b/c#d", "s3cret/"])
def test_password_that_spoils_its_url_is_refused_and_not_shown(password: str) -> None:
    result = read_settings(DATABASE_URL=f"postgresql://me:{password}@db:5432/catchment")

    assert result.returncode != 0
    assert "DATABASE_URL: it is not" in result.stderr
    assert "%2F" in result.stderr
    assert password not in result.stderr


def test_what_is_empty_is_as_unset() -> None:
    code = "import config.settings as s; print(s.DEBUG, s.ALLOWED_HOSTS)"

    assert read_settings(code, DEBUG="", ALLOWED_HOSTS="").stdout.split() == [
        *("False", "['localhost',", "'127.0.0.1',", "'[::1]']")
    ]


def test_key_that_is_empty_hides_none_that_was_made(tmp_path: Path) -> None:
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local/env").write_text("SECRET_KEY=made\n")
    shutil.copytree(django_settings.BASE_DIR / "config", tmp_path / "config")
    path = f"import sys; sys.path[0] = {str(tmp_path)!r}"
    code = f"{path}; import config.variables as v; print(v.env.str('SECRET_KEY'))"

    assert read_settings(code, SECRET_KEY="").stdout == "made\n"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"IMPORT_LOADERS": "none"}, "ImproperlyConfigured: IMPORT_LOADERS: none is not"),
        ({"DATABASE_URL": "postgres://me@127.0.0.1:1/db"}, "OperationalError: connection failed"),
    ],
)
def test_command_tells_in_a_line_why_it_cannot_start(
    environment: dict[str, str], named: str
) -> None:
    result = run_python("manage.py", "run_import", "1", "--skip-checks", **environment)

    assert result.returncode == 1
    assert result.stderr.startswith(named)
    assert "Traceback" not in result.stderr


def test_signing_key_is_none_that_the_secret_key_tells() -> None:
    code = "import config.settings as s; print(s.SECRET_KEY, s.SIMPLE_JWT['SIGNING_KEY'])"
    keys = [
        read_settings(code, SECRET_KEY=secret, JWT_SIGNING_KEY=key).stdout.split()
        for secret, key in (("a" * 50, "unset"), ("a" * 50, ""), ("b" * 50, ""), ("a" * 50, KEY))
    ]

    derived, same, other, chosen = (key for _, key in keys)
    assert derived == same != other
    assert len(bytes.fromhex(derived)) == 32
    assert chosen == KEY


def test_socket_folder_of_the_database_may_hold_any_letters() -> None:
    result = read_settings(DATABASE_URL="postgresql://me@/db?host=/tmp/a%20b%C3%BC")

    assert "'HOST': '/tmp/a bü'" in result.stdout
    assert "config.postgis" in result.stdout


@pytest.mark.parametrize(
    ("reader", "user"),
    [("postgresql://reads@db/db?options=-c%20work_mem%3D8MB", "reads"), ("", "owns")],
)
def test_reader_only_reads_and_not_for_long(reader: str, user: str) -> None:
    owner = "postgresql://owns@db/db"

    result = read_settings(DATABASE_URL=owner, READER_DATABASE_URL=reader)

    limits = "-c statement_timeout=5000 -c default_transaction_read_only=on"
    assert f"'USER': '{user}'" in result.stdout
    assert f"-c jit=off {'-c work_mem=8MB ' if reader else ''}{limits}" in result.stdout
    assert result.stdout.count(limits) == 1
    assert result.stdout.count("-c jit=off") == 2  # the owner's, too
