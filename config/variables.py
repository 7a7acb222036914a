"""Variables of the environment as the settings want them: each is read here, or refused by name."""

import hmac
import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from limits import RateLimitItem, RateLimitItemPerMinute
from redis.connection import parse_url

from config.api.rates import parse_rates

BASE_DIR = Path(__file__).resolve().parent.parent
CONNECTION_SECONDS = 60  # for which a thread keeps its connection to the database
POSTGRESQL = re.compile("(postgres|postgresql|postgis|psql|pgsql)://")
NAME = re.compile("[^@:/?#]*")
DATABASE_FORM = (
    "it is not postgresql://user:password@host:port/name, where @ : / ? # % of a password are"
    " written as %40 %3A %2F %3F %23 %25"
)
REDIS_FORM = "it is not redis://host:port/number, or unix:///path?db=number"

env = environ.Env()
# Compose passes on what was left empty, which must not hide the key that `migrate` made.
if not os.environ.get("SECRET_KEY"):
    os.environ.pop("SECRET_KEY", None)
# The real environment wins over `.env`, and `.env` over what bin/up wrote down for manage.py.
for file in (BASE_DIR / ".env", BASE_DIR / ".local" / "env"):
    if file.is_file():
        env.read_env(file, parse_comments=True)


def read_flag(name: str) -> bool:
    """Variable `name` as yes or no (no where unset); raises ImproperlyConfigured on any other."""
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    text = env.str(name, default="").lower() or "0"
    if text not in words:
        raise ImproperlyConfigured(f"{name}: {text} is neither 1 nor 0")
    return words[text]


def read_choices(name: str, allowed: set[str]) -> frozenset[str]:
    """The comma-separated words of variable `name`; raises ImproperlyConfigured on any other."""
    words = frozenset(word.strip() for word in env.list(name, default=[]) if word.strip())
    if unknown := words - allowed:
        msg = f"{name}: {', '.join(sorted(unknown))} is not one of {', '.join(sorted(allowed))}"
        raise ImproperlyConfigured(msg)
    return words


def read_networks(name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """The comma-separated networks of variable `name`; raises ImproperlyConfigured on any other."""
    words = [word.strip() for word in env.list(name, default=[]) if word.strip()]
    try:
        return tuple(ip_network(word) for word in words)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def read_number(name: str, default: int, *, smallest: int = 1, largest: int) -> int:
    """Variable `name` as a whole number within bounds; raises ImproperlyConfigured on any other."""
    text = env.str(name, default="") or str(default)
    if not (text.isascii() and text.isdecimal() and smallest <= int(text) <= largest):
        bounds = f"{smallest} to {largest}"
        raise ImproperlyConfigured(f"{name}: {text} is not a whole number from {bounds}")
    return int(text)


def read_rates(name: str) -> dict[str, RateLimitItem]:
    """The limits of variable `name`; raises ImproperlyConfigured on what is none. The login always
    has one: without it a password can be guessed."""
    try:
        rates = parse_rates(env.str(name, default=""), {"read", "ingest", "import", "login"})
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error
    return {"login": RateLimitItemPerMinute(10)} | rates


def read_url(name: str) -> str:
    """Variable `name`, empty where unset; raises ImproperlyConfigured on what is no URL."""
    text: str = env.str(name, default="")
    if text and not text.startswith(("https://", "http://")):
        raise ImproperlyConfigured(f"{name}: {text} does not begin with https:// or http://")
    return text


def read_database(name: str) -> dict[str, Any]:
    """Variable `name` as a Django database; `?host=/folder` names a Unix socket.

    Raises ImproperlyConfigured on what is no such URL.
    """
    try:
        database: dict[str, Any] = dict(env.db_url(name))
    except ValueError:
        database = {}
    # A password is never shown. With a slash in it, its rest is taken for the name.
    is_named = NAME.fullmatch(database.get("NAME", "?")) is not None
    if not (POSTGRESQL.match(env.str(name)) and is_named):
        raise ImproperlyConfigured(f"{name}: {DATABASE_FORM}")
    options = database.setdefault("OPTIONS", {})
    # To compile a query takes longer than what it gains, of seconds as well. PostGIS's functions
    # are thought so dear that a grid took 0.8 s to be compiled, and 0.2 s to be answered.
    options["options"] = f"-c jit=off {options.get('options', '')}".strip()
    return database | {
        "ENGINE": "config.postgis",
        "HOST": options.pop("host", database["HOST"]),
        # A new connection costs as much as a page: PostGIS is loaded anew for each.
        "CONN_MAX_AGE": CONNECTION_SECONDS,
        "CONN_HEALTH_CHECKS": True,
    }


def read_reader(name: str, owner: str, *, seconds: int) -> dict[str, Any]:
    """Variable `name`, or where it is unset variable `owner`, as a database for reading alone, by
    statements that take no longer than `seconds`."""
    database = read_database(name if env.str(name, default="") else owner)
    options = database["OPTIONS"]
    limits = f"-c statement_timeout={seconds * 1000} -c default_transaction_read_only=on"
    # To start processes for a query of milliseconds takes longer than what it gains.
    speed = "-c min_parallel_table_scan_size=64MB -c min_parallel_index_scan_size=64MB"
    # The role may set the path of its later sessions to what it likes.
    path = "-c search_path=public"
    options["options"] = f"{options['options']} {limits} {speed} {path}"
    return database | {"TEST": {"MIRROR": "default"}}


def read_redis(name: str, seconds: float = 0.25) -> str:
    """Variable `name` with socket timeouts: a hanging Redis must never hold up a request.

    Raises ImproperlyConfigured on what is no such URL.
    """
    url = env.str(name)
    try:
        parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError:
        raise ImproperlyConfigured(f"{name}: {REDIS_FORM}") from None
    glue = "&" if "?" in url else "?"
    return f"{url}{glue}socket_timeout={seconds}&socket_connect_timeout={seconds}"


def read_signing_key(name: str) -> str:
    """Variable `name`; where it is unset it is derived from SECRET_KEY, which it does not tell.

    Raises ImproperlyConfigured where it is shorter than what HS256 needs (RFC 7518, 3.2).
    """
    key: str = env.str(name, default="")
    if not key:
        return hmac.digest(env.str("SECRET_KEY").encode(), name.encode(), "sha256").hex()
    if len(key.encode()) < 32:
        raise ImproperlyConfigured(f"{name}: shorter than 32 bytes")
    return key
