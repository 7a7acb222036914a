"""Files of games: every value as it stands there, and games merged by their number."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from explorer.game_samples import BAD_KINDS, write_games
from explorer.models import Game
from imports.choices import Status
from imports.datasets import datasets
from imports.engine import cutting
from imports.jobs import create_import, delete_import, run_import
from imports.models import Import
from tests.explorer.loaded import load, read_date, read_games
from tests.explorer.test_game_samples import find_faults

pytestmark = pytest.mark.django_db(transaction=True)

COLUMNS = datasets["games"].columns
NAMES = [column.name for column in COLUMNS]
TARGETS = [column.target for column in COLUMNS]
USUAL = {"": "0", "AppID": "10", "Name": "Arba", "Release date": "May 2020", "Price": "19.99"}
# How a row of each kind is refused.
REFUSALS = {
    "text_app_id": ("AppID", "invalid_value"),
    "empty_app_id": ("AppID", "missing_value"),
    "text_for_price": ("Price", "invalid_value"),
    "fraction_for_age": ("Required age", "invalid_value"),
    "impossible_date": ("Release date", "out_of_range"),
    "unreadable_date": ("Release date", "invalid_value"),
    "text_for_flag": ("Windows", "invalid_value"),
    "missing_column": ("Tags", "missing_columns"),
    "extra_column": ("", "extra_columns"),
    "invalid_utf8": ("Name", "invalid_utf8"),
}


def write_games_file(*rows: Mapping[str, str], columns: Sequence[str] = NAMES) -> bytes:
    """A file of games of which only the named columns are not as usual."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([(USUAL | dict(row)).get(name, "") for name in columns] for row in rows)
    return file.getvalue().encode()


def read_stored() -> list[dict[str, Any]]:
    return list(Game.objects.order_by("app_id").values(*TARGETS))


def tell_names() -> dict[int, str | None]:
    return dict(Game.objects.values_list("app_id", "name"))


def load_good(folder: Path, body: bytes) -> Import:
    record = load("games", folder, body)
    assert (record.status, record.rows_rejected) == (Status.FINISHED, 0), record.error_detail
    return record


def read_real_file(folder: Path) -> bytes:
    return (folder / "games" / "game_data.csv").read_bytes()


# Values


def test_every_value_of_the_real_file_is_stored(real_data: Path, tmp_path: Path) -> None:
    body = read_real_file(real_data)
    expected = sorted(read_games(body), key=lambda row: int(row["app_id"]))

    record = load_good(tmp_path, body)

    assert (record.rows_loaded, record.rows_added) == (100, 100)
    assert read_stored() == expected
    assert [str(row["price"]) for row in read_stored()] == [str(row["price"]) for row in expected]
    assert "\x85" in str(Game.objects.get(app_id=810740).about_the_game)


def test_release_dates_of_the_real_file_are_days_and_months(
    real_data: Path, tmp_path: Path
) -> None:
    load_good(tmp_path, read_real_file(real_data))

    stored = [(str(game.release_date_text), game) for game in Game.objects.all()]
    assert [game.release_date for _, game in stored] == [read_date(text) for text, _ in stored]
    months = [text for text, game in stored if game.release_date_precision == "month"]
    assert (len(stored), months) == (100, ["May 2020"])


def test_generated_file_is_stored_whole(tmp_path: Path) -> None:
    body = b"".join(write_games(20_000, seed=21))

    record = load_good(tmp_path, body)

    assert (record.rows_loaded, record.rows_added) == (20_000, 20_000)
    assert read_stored() == sorted(read_games(body), key=lambda row: int(row["app_id"]))


@pytest.mark.parametrize("columns", [NAMES[1:], NAMES[::-1], [*NAMES[5:], *NAMES[1:5]]])
def test_columns_may_come_in_another_order_and_the_first_may_be_absent(
    tmp_path: Path, columns: list[str]
) -> None:
    load_good(tmp_path, write_games_file({}, columns=columns))

    game = Game.objects.get()
    assert (game.app_id, game.name, str(game.price)) == (10, "Arba", "19.99")
    assert game.source_index == (0 if "" in columns else None)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "AppID"])
def test_empty_value_is_null(tmp_path: Path, name: str) -> None:
    load_good(tmp_path, write_games_file({name: ""}))

    target = datasets["games"].columns_by_name[name].target
    assert Game.objects.values_list(target, flat=True).get() is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Price", "5.00"),
        ("Price", "-0.1234567890123456789"),
        ("Score rank", "98.50"),
        ("Positive", "9223372036854775807"),
        ("Name", " spaces "),
        ("Name", 'He said "no", and left'),
        ("About the game", "one\ntwo\r\nthree\u2028four\x85"),
        ("Tags", "\\N"),
    ],
)
def test_value_is_stored_as_it_stands_in_the_file(tmp_path: Path, name: str, text: str) -> None:
    load_good(tmp_path, write_games_file({name: text}))

    target = datasets["games"].columns_by_name[name].target
    assert str(Game.objects.values_list(target, flat=True).get()) == text


# Games that come again


def test_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    body = b"".join(write_games(500, seed=1))
    load_good(tmp_path, body)
    before = list(Game.objects.order_by("pk").values())

    record = load_good(tmp_path, body)

    assert (record.rows_loaded, record.rows_added) == (500, 0)
    assert list(Game.objects.order_by("pk").values()) == before


def test_later_file_changes_what_differs_and_adds_what_is_new(tmp_path: Path) -> None:
    first = load_good(
        tmp_path, write_games_file(*({"AppID": f"{n}", "Tags": "2D"} for n in range(5)))
    )

    second = load_good(
        tmp_path,
        write_games_file(
            {"AppID": "1", "Tags": "2D"},
            {"AppID": "2", "Tags": "2D", "Release date": "Oct 21, 2008"},
            {"AppID": "3", "Tags": ""},
            {"AppID": "9", "Tags": "Cute"},
        ),
    )

    assert (second.rows_loaded, second.rows_added) == (4, 1)
    told = Game.objects.order_by("app_id").values_list(
        "app_id", "import_record_id", "release_date_precision", "tags_list"
    )
    assert list(told) == [
        (0, first.pk, "month", ["2D"]),
        (1, first.pk, "month", ["2D"]),
        (2, second.pk, "day", ["2D"]),
        (3, second.pk, "month", None),
        (4, first.pk, "month", ["2D"]),
        (9, second.pk, "month", ["Cute"]),
    ]


@pytest.mark.parametrize("loaders", [1, 2])
def test_last_row_of_a_game_in_the_file_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, loaders: int
) -> None:
    settings.IMPORT_LOADERS = loaders
    monkeypatch.setattr(cutting, "CHUNK_BYTES", 1_000)
    rows = [{"AppID": f"{n % 30}", "Name": f"row {n}"} for n in range(600)]

    record = load_good(tmp_path, write_games_file(*rows))

    assert record.chunks.count() > 10
    assert (record.rows_loaded, record.rows_added) == (600, 30)
    assert tell_names() == {n % 30: f"row {n}" for n in range(600)}


@pytest.mark.parametrize("chunk_bytes", [1_000, 2**22])
@pytest.mark.parametrize("loaders", [1, 2])
def test_last_good_row_of_a_game_stands_where_bad_rows_are_around(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    loaders: int,
    chunk_bytes: int,
) -> None:
    settings.IMPORT_LOADERS = loaders
    monkeypatch.setattr(cutting, "CHUNK_BYTES", chunk_bytes)
    rows = [
        {"AppID": f"{n % 30}", "Name": f"row {n}", "Price": "n/a" if n % 7 == 3 else "1"}
        for n in range(600)
    ]

    record = load("games", tmp_path, write_games_file(*rows), max_rejects=100)

    good = {n % 30: f"row {n}" for n in range(600) if n % 7 != 3}
    assert (record.status, record.rows_rejected) == (Status.FINISHED, 86), record.error_detail
    assert tell_names() == good


def test_deleted_import_takes_the_games_whose_values_it_brought(
    api: APIClient, tmp_path: Path
) -> None:
    load_good(tmp_path, write_games_file({"AppID": "1"}, {"AppID": "2"}))
    second = load_good(tmp_path, write_games_file({"AppID": "2", "Name": "new"}, {"AppID": "3"}))

    assert delete_import(second.pk)

    listed = {row["name"]: row for row in api.get("/api/v1/datasets/").json()["results"]}
    assert listed["games"]["row_count"] == 1
    assert tell_names() == {1: "Arba"}
    assert not Import.objects.filter(pk=second.pk).exists()


def reload(file: Path) -> Import:
    """An import of a file that stands there as it did."""
    record = create_import("games", str(file))
    run_import(record.pk)
    record.refresh_from_db()
    return record


@pytest.fixture
def two_files(tmp_path: Path) -> tuple[Path, Path]:
    """Two files that have one game in common, with other values."""
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_bytes(write_games_file({"AppID": "1"}, {"AppID": "2", "Name": "old"}))
    second.write_bytes(write_games_file({"AppID": "2", "Name": "new"}, {"AppID": "3"}))
    return first, second


def test_file_comes_again_after_another_was_deleted_that_shared_its_games(
    two_files: tuple[Path, Path],
) -> None:
    first, second = two_files
    reload(first)
    assert delete_import(reload(second).pk)

    assert reload(first).status == Status.FINISHED

    assert tell_names() == {1: "Arba", 2: "old"}
    assert reload(first).status == Status.UNCHANGED


def test_file_comes_again_after_another_changed_its_games(two_files: tuple[Path, Path]) -> None:
    first, second = two_files
    reload(first)
    assert reload(second).status == Status.FINISHED

    record = reload(first)

    assert (record.status, record.rows_added) == (Status.FINISHED, 0)
    assert tell_names() == {1: "Arba", 2: "old", 3: "Arba"}


def test_file_that_came_last_is_unchanged_however_many_came_before(
    two_files: tuple[Path, Path],
) -> None:
    first, second = two_files
    reload(first)
    last = reload(second)

    record = reload(second)

    assert (record.status, record.same_as) == (Status.UNCHANGED, last)
    assert reload(second).status == Status.UNCHANGED


def test_import_that_brought_nothing_into_the_table_leaves_the_others_whole(
    two_files: tuple[Path, Path], tmp_path: Path
) -> None:
    first, _ = two_files
    kept = reload(first)
    failed = load("games", tmp_path, b"no,header\n")
    assert delete_import(failed.pk)
    assert delete_import(reload(first).pk)

    assert reload(first).same_as == kept


# Rows that are refused


@pytest.mark.parametrize("kind", BAD_KINDS)
def test_bad_row_is_refused_by_its_column(tmp_path: Path, kind: str) -> None:
    good = [write_games_file({"AppID": f"{n}"}).splitlines(keepends=True) for n in (1, 2)]
    bad = BAD_KINDS[kind](good[0][1].decode().rstrip("\n").split(","))

    record = load("games", tmp_path, b"".join([*good[0], bad, good[1][1]]))

    [reject] = record.rejects.all()
    assert (reject.line, reject.column, reject.code) == (3, *REFUSALS[kind])
    assert sorted(tell_names()) == [1, 2]


@pytest.mark.parametrize(
    ("value", "code"),
    [(b"x", "invalid_value"), (b"1e", "invalid_value"), (b"\xff", "invalid_utf8")],
)
def test_bad_value_of_the_column_without_a_name_is_refused_by_the_name_of_the_tables(
    tmp_path: Path, value: bytes, code: str
) -> None:
    header, row = write_games_file({"": "@"}).splitlines(keepends=True)

    record = load("games", tmp_path, header + row.replace(b"@", value))

    [reject] = record.rejects.all()
    assert (reject.column, reject.code) == ("source_index", code)


def test_bad_rows_among_many_are_refused_and_no_others(tmp_path: Path) -> None:
    body = b"".join(write_games(5_000, seed=22, bad=0.01))
    reader = csv.reader(io.StringIO(body.decode(errors="surrogateescape"), newline=""))
    line, expected = 1, {}
    for row in reader:
        for kind in find_faults(row) if line > 1 else ():
            expected[line] = REFUSALS[kind]
        line = reader.line_num + 1

    record = load("games", tmp_path, body)

    found = record.rejects.values_list("line", "column", "code")
    assert {line: (column, code) for line, column, code in found} == expected
    assert 30 < len(expected) == record.rows_rejected == 5_000 - record.rows_loaded
    assert Game.objects.count() == record.rows_loaded


def test_every_column_of_a_game_can_be_imported() -> None:
    fields = {field.column for field in Game._meta.concrete_fields if not field.generated}

    assert set(TARGETS) == fields - {"import_id"}
