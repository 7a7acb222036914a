"""Answers of texts so long that they hold less than was asked for."""

from itertools import chain

import pytest
from rest_framework.test import APIClient

from config.api.reading import ANSWER_BYTES, READER
from tests.explorer.conftest import Commit
from tests.factories.explorer import GameFactory
from tests.walking import walk

pytestmark = pytest.mark.django_db(databases=["default", READER])

LENGTHS = (9, 9, 9, 20, 0, 0, 17)  # in 16ths of what a page may hold


@pytest.fixture(scope="module", autouse=True)
def _games(commit: Commit) -> None:
    for app_id, length in enumerate(LENGTHS):
        text = "x" * (ANSWER_BYTES * length // 16)
        commit(lambda: GameFactory(app_id=app_id, about_the_game=text))  # noqa: B023 (called at once)


@pytest.mark.parametrize("count", ["", "none"])
def test_long_rows_come_in_shorter_pages(api: APIClient, count: str) -> None:
    pages, last = walk(api, f"/api/v1/games/?fields=app_id,about_the_game&count={count}", "next")
    back, _ = walk(api, last, "previous")

    assert pages == [[0, 1], [2, 3], [4, 5, 6]]
    assert list(chain(*reversed(back))) == list(range(len(LENGTHS)))


def test_count_is_that_of_all_rows(api: APIClient) -> None:
    page = api.get("/api/v1/games/").json()

    assert (len(page["results"]), page["count"], page["count_is"]) == (2, len(LENGTHS), "exact")


def test_groups_of_long_texts_end_early(api: APIClient) -> None:
    found = api.get(
        "/api/v1/games/aggregate/?group_by=about_the_game&ordering=about_the_game"
    ).json()

    assert [len(group["about_the_game"]) for group in found["results"]] == [
        n * 2**20 for n in (0, 9, 17)
    ]
    assert found["has_more"]


def test_facets_of_long_texts_end_early(api: APIClient) -> None:
    found = api.get("/api/v1/games/facets/?fields=app_id,about_the_game,name").json()

    assert len(found["results"]["app_id"]) == len(LENGTHS)
    counts = [value["count"] for value in found["results"]["about_the_game"]]
    assert counts == [3, 2, 1]
    assert found["has_more"] == ["about_the_game", "name"]
