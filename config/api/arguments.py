"""Arguments that commands of several apps take."""

from argparse import ArgumentTypeError

MOST_DAYS = 36_500


def read_days(text: str) -> int:
    """A whole number of days from 1 on. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_DAYS):
        raise ArgumentTypeError(f"{text} is not a whole number from 1 to {MOST_DAYS}")
    return int(text)
