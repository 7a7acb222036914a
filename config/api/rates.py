"""Limits as the environment writes them: `read=20/second,import=30/minute`."""

from collections.abc import Collection

from limits import RateLimitItem, parse_many

MOST = 10**9


def parse_rates(text: str, names: Collection[str]) -> dict[str, RateLimitItem]:
    """The limit of each name. Raises ValueError on any other name, and on what is no limit."""
    rates: dict[str, RateLimitItem] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, rate = (word.strip() for word in part.partition("="))
        if name not in names:
            raise ValueError(f"{name} is not one of {', '.join(sorted(names))}")
        if name in rates:
            raise ValueError(f"{name} is given twice")
        rates[name] = parse_rate(name, rate)
    return rates


def parse_rate(name: str, rate: str) -> RateLimitItem:
    try:
        [item] = parse_many(rate)
    except ValueError:  # also where there are several
        item = None
    if item is None or not 1 <= item.amount <= MOST:
        raise ValueError(f"{name}={rate} is not like {name}=20/second, or /minute, /hour, /day")
    return item
