"""Sends the fixes of made-up phones to a running server, and proves its averages."""

import math
import re
import secrets
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser

from locations.phones import Plan
from locations.simulating import Outcome, Server, SimulationFailed, simulate

MOST_USERS = 1_000  # each is a thread and a connection
MOST_MINUTES = 525_600
MOST_SECONDS = 86_400
SHOWN_DIFFERENCES = 5
# Earlier, places had offsets of odd seconds, which timestamps cannot tell.
YEARS = range(1973, 2100)


def read_count(text: str, most: int) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise ArgumentTypeError(f"“{text}” is no whole number from 1 to {most:,}")
    return int(text)


def read_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan  # in no range


def read_share(text: str) -> float:
    share = read_number(text)
    if not 0 <= share < 1:
        raise ArgumentTypeError(f"“{text}” is no share from 0 to below 1")
    return share


def read_seconds(text: str) -> float:
    seconds = read_number(text)
    if not 0.001 <= seconds <= MOST_SECONDS:
        raise ArgumentTypeError(f"“{text}” is no number from 0.001 to {MOST_SECONDS:,}")
    return seconds


def read_start(text: str) -> datetime:
    try:
        start = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"“{text}” is no instant such as 2024-07-01T08:00Z") from error
    if start.year not in YEARS:
        raise ArgumentTypeError(f"“{text}” is not in the years {YEARS[0]} to {YEARS[-1]}")
    return start.astimezone(UTC) if start.tzinfo else start.replace(tzinfo=UTC)


def read_run(text: str) -> str:
    if not re.fullmatch("[A-Za-z0-9_.-]{1,64}", text):
        raise ArgumentTypeError(f"“{text}” is not of 1 to 64 letters, digits and “_.-”")
    return text


def read_token(text: str) -> str:
    if not re.fullmatch("[A-Za-z0-9._~+/=-]*", text):
        raise ArgumentTypeError("this is no token")  # it is a secret: it is not shown
    return text


def read_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or parts.query or parts.fragment or "@" in parts.netloc:
        raise ArgumentTypeError(f"“{text}” is no address such as http://127.0.0.1:8000")
    return text.rstrip("/")


class Command(BaseCommand):
    help = (
        "Sends the fixes of made-up phones to a server, and compares its averages with exact ones."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        usual = Plan(run="")
        add = parser.add_argument
        add("--url", type=read_url, default="http://127.0.0.1:8000")
        add("--token", type=read_token, default="", help="JWT of who may read and send locations")
        add("--users", type=partial(read_count, most=MOST_USERS), default=usual.users)
        add("--minutes", type=partial(read_count, most=MOST_MINUTES), default=usual.minutes)
        add("--interval", type=read_seconds, default=usual.interval_seconds, help="in seconds")
        add("--duplicates", type=read_share, default=usual.duplicates, help="share of repeats")
        add("--seed", type=int, default=usual.seed)
        add("--run", type=read_run, help="part of the users' ids; by chance where not set")
        add("--start", type=read_start, default=usual.start, help="when the phones set off, UTC")

    def handle(self, *args: Any, url: str, token: str, **options: Any) -> None:
        plan = Plan(
            run=options["run"] or secrets.token_hex(4),
            users=options["users"],
            minutes=options["minutes"],
            interval_seconds=options["interval"],
            duplicates=options["duplicates"],
            seed=options["seed"],
            start=options["start"],
        )
        try:
            outcome = simulate(plan, Server(url, token))
        except SimulationFailed as error:
            raise CommandError(str(error)) from error
        self._show(plan, outcome)
        if outcome.differences:
            raise CommandError(describe_differences(outcome))

    def _show(self, plan: Plan, outcome: Outcome) -> None:
        figures = {
            "run": plan.run,
            "fixes sent": f"{outcome.sent:,}",
            "stored": f"{outcome.stored:,}",
            "duplicates": f"{outcome.duplicates:,}",
            "requests per second": f"{outcome.per_second:,.0f}",
            "latency p50": f"{outcome.p50_ms:.1f} ms",
            "latency p99": f"{outcome.p99_ms:.1f} ms",
            "minutes compared": f"{outcome.minutes:,}",
            "differences": f"{len(outcome.differences):,}",
        }
        for name, figure in figures.items():
            self.stdout.write(f"{name + ':':<21}{figure:>12}")


def describe_differences(outcome: Outcome) -> str:
    shown = list(map(str, outcome.differences[:SHOWN_DIFFERENCES]))
    more = len(outcome.differences) - len(shown)
    return "\n".join(
        [
            f"not all is as it must be ({len(outcome.differences):,} differences):",
            *shown,
            *([f"and {more:,} more"] if more else []),
        ]
    )
