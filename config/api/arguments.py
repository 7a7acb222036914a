"""Arguments that commands of several apps take."""

import math
from argparse import ArgumentTypeError
from pathlib import Path

MOST_DAYS = 36_500
SECONDS = (0.1, 3_600.0)


def read_days(text: str) -> int:
    """A whole number of days from 1 on. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_DAYS):
        raise ArgumentTypeError(f"{text} is not a whole number from 1 to {MOST_DAYS}")
    return int(text)


def read_interval(text: str) -> float:
    """Seconds between two rounds. Raises ArgumentTypeError."""
    least, most = SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan  # in no range
    if not least <= seconds <= most:
        raise ArgumentTypeError(f"{text} is not a number of seconds from {least:g} to {most:g}")
    return seconds


def read_text(text: str) -> str:
    """Text as a database can hold it. Raises ArgumentTypeError."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentTypeError(f"{text!r} is not UTF-8") from error
    return text


def read_path(text: str) -> Path:
    """A path; an empty one would be the folder that somebody is in. Raises ArgumentTypeError."""
    if not text:
        raise ArgumentTypeError("it is empty")
    return Path(text)
