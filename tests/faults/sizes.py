"""How large the campaigns are: small in each run of all tests, large in `bin/test faults`.

`FAULTS=large` chooses the large ones. `FAULT_ROUNDS`, `FAULT_ROWS` and `FAULT_POINTS` change those
of any campaign, and `FAULT_SEED` what is left to chance, which is noted with the figures.
"""

import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

LOT = 25  # rounds of one test, so that tests side by side end at about the same time


@dataclass(frozen=True)
class Sizes:
    """Rounds are kills, stops, restarts, cancels or addresses, rows are those of a file, points
    are fixes or payloads."""

    rounds: int = 0
    rows: int = 0
    points: int = 0


SMALL: Mapping[str, Sizes] = {
    "kills": Sizes(rounds=4, rows=20_000),
    "zombies": Sizes(rounds=2, rows=20_000),
    "restarts": Sizes(rounds=1, rows=20_000),
    "redis": Sizes(rounds=2, rows=10_000),
    "cancels": Sizes(rounds=5, rows=20_000),
    "cancels at the end": Sizes(rounds=2, rows=3_000),
    "neighbours": Sizes(rounds=1, rows=5_000),
    "guard": Sizes(rounds=24),
    "size": Sizes(rows=20_000_000),
    "locations": Sizes(points=8_000),
    "payloads": Sizes(points=1_500),
}
LARGE: Mapping[str, Sizes] = {
    "kills": Sizes(rounds=200, rows=200_000),
    "zombies": Sizes(rounds=50, rows=100_000),
    "restarts": Sizes(rounds=10, rows=100_000),
    "redis": Sizes(rounds=30, rows=50_000),
    "cancels": Sizes(rounds=100, rows=50_000),
    "cancels at the end": Sizes(rounds=20, rows=3_000),
    "neighbours": Sizes(rounds=10, rows=5_000),
    "guard": Sizes(rounds=1_000),  # all there are
    "size": Sizes(rows=200_000_000),
    "locations": Sizes(points=100_000),
    "payloads": Sizes(points=10_000),
}


def read_sizes(campaign: str) -> Sizes:
    known = (LARGE if os.environ.get("FAULTS") == "large" else SMALL)[campaign]
    return Sizes(
        rounds=int(os.environ.get("FAULT_ROUNDS", known.rounds)),
        rows=int(os.environ.get("FAULT_ROWS", known.rows)),
        points=int(os.environ.get("FAULT_POINTS", known.points)),
    )


def split_rounds(campaign: str) -> list[int]:
    """The rounds of a campaign as those of several tests."""
    rounds = read_sizes(campaign).rounds
    return [min(LOT, rounds - done) for done in range(0, rounds, LOT)]


def make_random() -> tuple[random.Random, int]:
    """What decides, and the seed that makes it decide the same again."""
    seed = int(os.environ.get("FAULT_SEED", time.time_ns() % 10**6))
    return random.Random(seed), seed  # noqa: S311 - chance, not secrets
