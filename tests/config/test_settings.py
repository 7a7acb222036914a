"""The environment is read strictly: what is missing or misspelt is named."""

import os
import subprocess
import sys

import pytest
from django.conf import settings as django_settings

KEY = "k" * 32
SHOW = "import config.settings as s; print(s.DATABASES, s.ANONYMOUS_ACCESS)"


def read_settings(code: str = SHOW, **environment: str) -> subprocess.CompletedProcess[str]:
    """Imports the settings in a process of its own, with these variables changed."""
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(
        [sys.executable, "-c", code],
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
    ],
)
def test_bad_variable_stops_the_start_and_is_named(environment: dict[str, str], named: str) -> None:
    result = read_settings(**environment)

    assert result.returncode != 0
    assert named in result.stderr


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
    assert f"{'-c work_mem=8MB ' if reader else ''}{limits} -c jit=off" in result.stdout
    assert result.stdout.count(limits) == 1
