"""Very many fixes from many clients at once, through a real server: each average is that of the
first of each timestamp.
"""

import http.client
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from campaigns import Notes
from django.db.models import Sum

from locations.models import Fix, MinuteAverage
from tests.faults.conftest import MakeCrew
from tests.faults.sizes import make_random, read_sizes
from tests.locations.fixes import Expected

CLIENTS = 16
USERS = 40
SHARE_REPEATED = 0.2
BATCH = 500
PUTS = 300  # one by one, between two batches
START = datetime(2024, 7, 1, 8, tzinfo=UTC)
POINTS = read_sizes("locations").points

Point = dict[str, Any]
Answers = list[tuple[Point, str]]


def make_points(random: Random, count: int) -> Iterator[Point]:
    """Every user on a track of its own, with milliseconds; a fifth of them are repeats with other
    values, of any that came before."""
    made: list[Point] = []
    for number in range(count):
        if made and random.random() < SHARE_REPEATED:
            yield random.choice(made) | make_values(random)
        else:
            made.append(make_point(random, number))
            yield made[-1]


def make_point(random: Random, number: int) -> Point:
    at = START + timedelta(milliseconds=number * 97)
    text = at.isoformat(random.choice("T "), "milliseconds").replace("+00:00", "Z")
    return {"timestamp": text, "user_id": f"user {number % USERS}"} | make_values(random)


def make_values(random: Random) -> Point:
    return {
        "lat": random.uniform(-60, 60),
        "long": (179.0 + random.uniform(0, 2) + 180) % 360 - 180,
        "accuracy": random.choice([5.0, random.uniform(0, 1e6), random.uniform(0, 1e-6)]),
        "speed": round(random.uniform(0, 60), 2),
    }


def send(port: int, points: Sequence[Point]) -> Answers:
    """One request after the other: a batch, some fixes by themselves, a batch, and so on."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    answers: Answers = []
    while len(answers) < len(points):
        batch = points[len(answers) : len(answers) + BATCH]
        found = ask(connection, "POST", "/api/v1/locations/batch/", batch)["results"]
        answers += zip(batch, (result["status"] for result in found), strict=True)
        for point in points[len(answers) : len(answers) + PUTS]:
            answers.append((point, ask(connection, "PUT", "/location", point)["status"]))
    return answers


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: Any) -> Any:
    connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, content
    return json.loads(content)


@pytest.mark.django_db(transaction=True)
def test_every_average_is_of_the_first_of_each_timestamp(make_crew: MakeCrew, notes: Notes) -> None:
    random, seed = make_random()
    notes.remarks += [f"seed {seed}"]
    points = list(make_points(random, POINTS))
    port = make_crew().start_web()
    began = time.monotonic()

    # A repeat may reach the server at the same time as what it repeats, and before it.
    with ProcessPoolExecutor(CLIENTS) as pool:
        shares = [points[number::CLIENTS] for number in range(CLIENTS)]
        answers = [pair for found in pool.map(send, [port] * CLIENTS, shares) for pair in found]

    seconds = time.monotonic() - began
    notes.count += len(answers)
    notes.counts.update(status for _, status in answers)
    notes.measure("fixes a second", [len(points) / seconds])
    note_difference(notes, answers)
    check_averages(answers)


def note_difference(notes: Notes, answers: Answers) -> None:
    """What was answered with `stored`, by itself and as it is part of an average."""
    stored = Counter((p["user_id"], parse_time(p)) for p, status in answers if status == "stored")
    kept = Counter(Fix.objects.values_list("user_id", "submitted"))
    averaged = MinuteAverage.objects.aggregate(total=Sum("count"))["total"] or 0
    notes.rows += stored.total()
    notes.lost += max((stored - kept).total(), stored.total() - averaged)
    notes.doubled += max((kept - stored).total(), averaged - stored.total())


def parse_time(point: Point) -> datetime:
    return datetime.fromisoformat(point["timestamp"])


def check_averages(answers: Answers) -> None:
    """What was answered with `stored` is what there is, and was so once for each timestamp."""
    stored = [point for point, status in answers if status == "stored"]
    keys = Counter((point["user_id"], point["timestamp"].replace("T", " ")) for point in stored)
    assert set(keys.values()) == {1}
    assert keys.keys() == {(p["user_id"], p["timestamp"].replace("T", " ")) for p, _ in answers}
    assert Fix.objects.count() == len(stored)
    assert MinuteAverage.objects.aggregate(total=Sum("count"))["total"] == len(stored)
    minutes: dict[tuple[str, datetime], Expected] = defaultdict(Expected)
    for point in stored:
        minute = datetime.fromisoformat(point["timestamp"]).replace(second=0, microsecond=0)
        names = ("lat", "long", "accuracy", "speed")
        minutes[point["user_id"], minute].add({name: point[name] for name in names})
    assert MinuteAverage.objects.count() == len(minutes)
    for average in MinuteAverage.objects.iterator():
        check_average(average, minutes[average.user_id, average.minute].average())


def check_average(average: MinuteAverage, expected: dict[str, float]) -> None:
    found = {name: getattr(average, name) for name in expected}
    turn = 360 * round((found["long"] - expected["long"]) / 360)
    assert found | {"long": found["long"] - turn} == pytest.approx(expected, rel=1e-9, abs=1e-9)
