import pytest
from django.db import connection
from figures import Line, Plot, Table
from growth_bench import (
    FORGET,
    KINDS,
    Growth,
    find_rare_words,
    fit_exponent,
    list_selective,
    make_fill,
    make_plot,
    tell,
    write_growth,
)
from loading import RATE
from rest_framework.test import APIClient

from config.api.reading import READER
from locations.models import Fix, MinuteAverage
from tests.factories.explorer import GameFactory

through_reader = pytest.mark.django_db(transaction=True, databases=["default", READER])
NAME, TEXT = "Abba Borlek", "You are Abbaba. Find the amber anchor!"


@through_reader
def test_selective_addresses_find_what_they_are_made_of(api: APIClient) -> None:
    GameFactory(name=NAME, about_the_game=TEXT, release_date_text="Feb 17, 2020", positive=1234)
    GameFactory(name="Abba", about_the_game="The amber anchor", positive=1233)
    games = [{"name": NAME, "text": TEXT, "day": "2020-02-17", "positive": 1234}]
    games += [{**game, "text": "Find the amber anchor!"} for game in games]

    counts = [api.get(one.ours[0]).json()["count"] for one in list_selective(games)]

    assert counts == [1, 1, 1, 1]


def test_rare_words_are_long_and_of_one_text() -> None:
    texts = ["Abbaba finds the anchor", "the anchor of Borlek, Borlek!", "Fen"]

    assert find_rare_words(texts) == ["Abbaba", "Borlek"]


# Stored minutes


@pytest.mark.django_db
def test_minutes_are_stored_with_a_fix_each_and_kept() -> None:
    with connection.cursor() as cursor:
        cursor.execute(make_fill(1, 10))
        cursor.execute(make_fill(11, 1_200))
        cursor.execute(FORGET)

    minutes = MinuteAverage.objects.values_list("user_id", "minute")
    assert len(minutes) == Fix.objects.count() == 1_200
    assert len({user for user, _ in minutes}) == 2
    assert set(minutes) == set(Fix.objects.values_list("user_id", "submitted"))
    assert (
        MinuteAverage.objects.filter(lat__range=(50, 55.01), long__range=(10, 16.01)).count()
        == 1_200
    )


@pytest.mark.django_db
def test_what_was_sent_is_forgotten() -> None:
    with connection.cursor() as cursor:
        cursor.execute(make_fill(1, 2).replace("-stored", "-0-7"))
        cursor.execute(FORGET)

    assert (Fix.objects.count(), MinuteAverage.objects.count()) == (0, 0)


# Exponents


@pytest.mark.parametrize(
    ("figures", "exponent"),
    [((2.0, 20.0, 200.0), 1.0), ((3.0, 3.0, 3.0), 0.0), ((1.0, 100.0, 10_000.0), 2.0)],
)
def test_exponent_is_that_of_the_power(figures: tuple[float, ...], exponent: float) -> None:
    assert fit_exponent((10, 100, 1_000), figures) == pytest.approx(exponent)


def test_exponent_is_the_least_squares_of_logarithms() -> None:
    assert fit_exponent((1, 10, 100), (1.0, 1.0, 100.0)) == pytest.approx(1.0)


# Telling

SECONDS_GROW = Growth(
    "imports", "Imports of trips", "trips", (1_000, 10_000), {"CSV": [(1.0, 3.0, 2.0), (20.0,)]}
)


def test_table_has_a_column_for_each_size_and_the_exponent() -> None:
    assert write_growth(SECONDS_GROW).splitlines() == [
        "| seconds | 1,000 trips | 10,000 trips | exponent |",
        "| --- | --- | --- | --- |",
        "| CSV | 2.00 (1.00 to 3.00) | 20.00 | 1.00 |",
    ]


def test_picture_is_of_the_medians() -> None:
    assert make_plot(SECONDS_GROW) == Plot(
        "growth/imports.png",
        "Imports of trips",
        "trips",
        "seconds",
        (1_000, 10_000),
        {"CSV (exponent 1.00)": [2.0, 20.0]},
    )


def test_section_explains_the_exponent_and_shows_the_picture() -> None:
    ratios = Table([Line("a", (1.0,)), Line("b", (2.0,), "a", 3.0)])

    section = tell(SECONDS_GROW, "Rounds: 3.", ratios)

    assert "1 is linear" in section.content
    assert "| b | 2.00 | a | 2.00 | ≤ 3.00 |" in section.content
    assert section.content.endswith("![Imports of trips](growth/imports.png)")


def test_exponent_of_rates_is_explained_as_one() -> None:
    growth = Growth("locations", "Fixes", "minutes", (1, 10), {"a": [(9.0,), (9.0,)]}, RATE)

    content = tell(growth, "Rounds: 1.").content

    assert "0 is the same rate" in content
    assert "| a | 9 | 9 | 0.00 |" in content


def test_disk_holds_the_files_and_the_largest_table() -> None:
    kind = KINDS["imports"]

    least = sum(kind.sizes) * 160 + max(kind.sizes) * 160 * 1.6
    assert least < kind.count_disk_bytes(kind.sizes) < 2 * least
