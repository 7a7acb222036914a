"""Pages hold every row once, by any column, in both directions."""

import itertools

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from config.api import pagination
from imports.models import Import
from tests.factories.imports import ImportFactory
from tests.walking import relative, walk

pytestmark = pytest.mark.django_db

ORDERINGS = ["id", "-id", "dataset", "-dataset", "started_at", "-started_at", "status"]


@pytest.fixture
def records() -> list[Import]:
    """Rows with ties and with NULLs in `started_at`."""
    moments = [None, timezone.now(), None, timezone.now(), timezone.now()]
    datasets = ["b", "a", "b"]
    return [
        ImportFactory(dataset=dataset, started_at=moment)
        for dataset, moment, _ in itertools.islice(
            zip(itertools.cycle(datasets), itertools.cycle(moments), itertools.count()), 17
        )
    ]


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 17, 18])
def test_walk_onward_finds_every_row_in_postgresql_s_order(
    api: APIClient, records: list[Import], ordering: str, size: int
) -> None:
    sign = "-" if ordering.startswith("-") else ""
    expected = list(Import.objects.order_by(ordering, f"{sign}id").values_list("id", flat=True))

    pages, _ = walk(api, f"/api/v1/imports/?ordering={ordering}&page_size={size}", "next")

    assert list(itertools.chain(*pages)) == expected
    assert all(len(page) == size for page in pages[:-1])


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("size", [1, 3, 5])
def test_walk_back_from_the_last_page_finds_every_row(
    api: APIClient, records: list[Import], ordering: str, size: int
) -> None:
    onward = f"/api/v1/imports/?ordering={ordering}&page_size={size}"
    pages, last = walk(api, onward, "next")

    back, _ = walk(api, last, "previous")

    assert sorted(itertools.chain(*back)) == sorted(itertools.chain(*pages))
    assert [row for page in reversed(back) for row in page] == list(itertools.chain(*pages))


def test_page_is_stable_while_rows_come(api: APIClient, records: list[Import]) -> None:
    first = api.get("/api/v1/imports/?ordering=-id&page_size=5").json()
    ImportFactory()

    second = api.get(relative(first["next"])).json()

    shown = [row["id"] for row in first["results"] + second["results"]]
    assert shown == sorted((record.pk for record in records), reverse=True)[:10]


@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ("page_size=0", "page_size"),
        ("page_size=1001", "page_size"),
        ("page_size=-1", "page_size"),
        ("page_size=x", "page_size"),
        ("page_size=%D9%A3", "page_size"),
        ("cursor=x", "cursor"),
        ("cursor=WyJuIiwgbnVsbCwgMV0=", "cursor"),
        ("cursor=WyJuIiwgMSwgIngiXQ==", "cursor"),
        ("cursor=WyJuIiwgMSwgOTk5OTk5OTk5OTk5OTk5OTk5OTk5OTldCg==", "cursor"),
        ("cursor=W10=", "cursor"),
        ("cursor=WyJuIiwgMWU0MDAsIDFd", "cursor"),
        ("ordering=dataset&cursor=WyJuIiwgIlx1MDAwMCIsIDFd", "cursor"),
        ("ordering=dataset&cursor=WyJuIiwgIlx1ZDgwMCIsIDFd", "cursor"),
        ("cursor=%F0%9F%92%A9", "cursor"),
        ("ordering=url", "ordering"),
        ("ordering=--id", "ordering"),
        ("ordering=created_by__password", "ordering"),
        ("count=maybe", "count"),
        ("colour=red", "colour"),
    ],
)
def test_bad_parameter_is_a_400_that_names_it(api: APIClient, query: str, attr: str) -> None:
    response = api.get(f"/api/v1/imports/?{query}")

    assert response.status_code == 400
    assert [error["attr"] for error in response.json()["errors"]] == [attr]


def test_cursor_of_a_number_too_large_for_its_column_finds_nothing_or_is_refused(
    api: APIClient, records: list[Import]
) -> None:
    cursor = "WyJuIiwgOTk5OTk5OTk5OTk5OTk5OTk5OTk5OTksIDFd"  # a value beyond 64 bits

    assert api.get(f"/api/v1/imports/?ordering=id&cursor={cursor}").status_code in {200, 400}


@pytest.mark.parametrize(
    ("mode", "count_is"), [("exact", "exact"), ("estimated", "estimated"), ("", "exact")]
)
def test_count_says_what_it_is(
    api: APIClient, records: list[Import], mode: str, count_is: str
) -> None:
    page = api.get(f"/api/v1/imports/?count={mode}").json()

    assert page["count_is"] == count_is
    assert isinstance(page["count"], int)
    if count_is == "exact":
        assert page["count"] == len(records)


def test_count_can_be_left_out(api: APIClient, records: list[Import]) -> None:
    page = api.get("/api/v1/imports/?count=none").json()

    assert (page["count"], page["count_is"]) == (None, "none")


def test_count_is_estimated_beyond_its_limit(
    api: APIClient, records: list[Import], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "MAX_EXACT_COUNT", 10)

    assert api.get("/api/v1/imports/").json()["count_is"] == "estimated"
