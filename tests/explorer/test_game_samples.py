"""Made-up games: the same bytes for ever, and as broken as was asked for."""

import ast
import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from explorer.game_samples import BAD_KINDS, HEADER, write_games

FORMATS = ("%b %d, %Y", "%b %Y")


def read_rows(content: bytes) -> list[list[str]]:
    text = content.decode(errors="surrogateescape")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def write_rows(rows: int, *, seed: int, bad: float = 0.0) -> list[list[str]]:
    """The rows without the header."""
    return read_rows(b"".join(write_games(rows, seed=seed, bad=bad)))[1:]


def column(rows: Iterable[list[str]], name: str) -> list[str]:
    index = HEADER.decode().rstrip("\n").split(",").index(name)
    return [row[index] for row in rows]


def is_date(text: str) -> bool:
    """Whether it is one of the calendar, written as the catalogue writes it."""
    with_day = "," in text
    day = datetime.strptime(text, FORMATS[not with_day]).replace(tzinfo=UTC)
    return 1998 <= day.year <= 2025 and text == f"{day:%b} {f'{day.day}, ' * with_day}{day.year}"


def find_faults(row: list[str]) -> set[str]:
    """The kinds of which a row is broken, each told by its own mark."""
    if len(row) != 20:
        return {"missing_column" if len(row) < 20 else "extra_column"}
    marks = {
        "text_app_id": row[1] == "abc",
        "empty_app_id": not row[1],
        "text_for_price": row[5] == "n/a",
        "fraction_for_age": row[4] == "12.5",
        "impossible_date": row[3] == "Feb 30, 2020",
        "unreadable_date": row[3] == "soon",
        "text_for_flag": row[9] == "maybe",
        "invalid_utf8": "\udcff" in row[2],
    }
    return {kind for kind, is_marked in marks.items() if is_marked}


# The file


def test_write_games_gives_the_same_bytes_for_ever() -> None:
    content = b"".join(write_games(20_000, seed=1, bad=0.1))

    assert (
        hashlib.sha256(content).hexdigest()
        == "f2cacc8ca2e80ef03b9a62b47b945545f343a67eecd3cdbfe2e01e2a27895649"
    )


def test_write_games_differs_by_seed() -> None:
    assert list(write_games(5, seed=1)) != list(write_games(5, seed=2))


@pytest.mark.parametrize("rows", [0, 1, 4_999, 5_000, 5_001])
def test_write_games_gives_as_many_rows_as_asked(rows: int) -> None:
    content = b"".join(write_games(rows, seed=3))

    assert content.startswith(HEADER)
    assert len(read_rows(content)) == rows + 1


def test_write_games_yields_small_blocks_of_an_endless_file() -> None:
    blocks = list(islice(write_games(10**12, seed=4), 4))

    assert max(map(len, blocks)) < 4_000_000


def test_shorter_file_is_the_beginning_of_a_longer_one() -> None:
    short, long = (b"".join(write_games(rows, seed=5, bad=0.1)) for rows in (70, 100))

    assert long.startswith(short)


def test_lines_end_as_in_the_real_file() -> None:
    content = b"".join(write_games(5_000, seed=5))

    assert b"\r" not in content
    assert content.endswith(b"\n")


# Good rows


def test_rows_look_like_the_real_file(real_data: Path) -> None:
    content = (real_data / "games" / "game_data.csv").read_bytes()
    _, *real = read_rows(content)
    made = write_rows(2_000, seed=7)

    assert content.startswith(HEADER)
    for rows in (real, made):
        assert {len(row) for row in rows} == {20}
        assert {flag for row in rows for flag in row[9:12]} == {"TRUE", "FALSE"}
        assert all(text.isdigit() for row in rows for text in (*row[:2], *row[12:14]))
        assert all(map(is_date, column(rows, "Release date")))
        assert all(ast.literal_eval(text) for text in column(rows, "Supported languages"))


def test_every_good_row_has_every_column() -> None:
    rows = write_rows(20_000, seed=8)

    assert {len(row) for row in rows} == {20}
    assert column(rows, "") == [str(number) for number in range(20_000)]
    assert {flag for row in rows for flag in row[9:12]} == {"TRUE", "FALSE"}
    assert not any(map(find_faults, rows))


def test_app_ids_are_unique_beyond_those_that_are_shuffled_together() -> None:
    ids = [int(text) for text in column(write_rows(70_000, seed=9), "AppID")]

    assert len(set(ids)) == 70_000
    assert all(number >= 10**9 and number % 10 == 0 for number in ids)
    assert ids != sorted(ids)


def test_numbers_are_of_their_kind() -> None:
    rows = write_rows(20_000, seed=10)

    assert set(column(rows, "Required age")) == {"0", "12", "16", "17", "18"}
    assert all(re.fullmatch(r"0|\d+\.\d9", price) for price in column(rows, "Price"))
    assert set(column(rows, "Score rank")) == {"", *map(str, range(90, 101))}
    for name in ("Positive", "Negative"):
        counts = sorted(map(int, column(rows, name)))
        assert counts[10_000] < 20
        assert counts[-20] > 5_000


def test_one_date_in_fifty_has_no_day() -> None:
    dates = column(write_rows(20_000, seed=11), "Release date")

    assert all(map(is_date, dates))
    assert 300 < sum("," not in text for text in dates) < 500


@pytest.mark.parametrize("text", ['"', ",", "'", "é", "🦊", "%", "_", "\\"])
def test_names_have_signs_that_break_careless_readers(text: str) -> None:
    names = column(write_rows(5_000, seed=12), "Name")

    assert 20 < sum(text in name for name in names) < 500


def test_descriptions_can_be_searched_for_rare_words() -> None:
    texts = column(write_rows(20_000, seed=13), "About the game")

    words = Counter(word for text in texts for word in set(re.findall(r"\w+", text)))

    assert 300 < sum(len(text.encode()) for text in texts) / 20_000 < 400
    assert sum(count < 5 for count in words.values()) > 10_000
    assert sum(count > 1_000 for count in words.values()) > 200
    assert 100 < sum("\n" in text for text in texts) < 1_000
    assert sum('"' in text and "," in text for text in texts) > 1_000


def test_few_companies_make_many_games_and_many_make_few() -> None:
    rows = write_rows(50_000, seed=14)
    developers, publishers = column(rows, "Developers"), column(rows, "Publishers")

    companies = Counter(name for text in developers for name in re.split(r",(?! )", text))

    assert 10_000 < len(companies) < 40_000
    assert companies.most_common(20)[-1][1] > 200
    assert 0.05 < sum(", " in text for text in developers) / 50_000 < 0.15
    assert 0.5 < sum(map(str.__eq__, developers, publishers)) / 50_000 < 0.8
    assert 0 < developers.count("") < publishers.count("") < 5_000


@pytest.mark.parametrize("name", ["Categories", "Genres", "Tags"])
def test_terms_come_in_lists_that_are_empty_at_times(name: str) -> None:
    texts = column(write_rows(5_000, seed=15), name)

    lists = [text.split(",") for text in texts if text]

    assert 20 < texts.count("") < 1_000
    assert all(len(set(terms)) == len(terms) for terms in lists)
    assert max(map(len, lists)) > 2


# Broken rows


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 1.0])
def test_share_of_bad_rows_is_kept(share: float) -> None:
    rows = write_rows(10_000, seed=6, bad=share)

    bad = sum(map(bool, map(find_faults, rows)))

    assert len(rows) == 10_000
    assert 0.8 * share <= bad / 10_000 <= 1.2 * share


def test_every_kind_of_bad_row_occurs_alone() -> None:
    faults = [find_faults(row) for row in write_rows(20_000, seed=16, bad=0.03)]

    kinds = Counter(kind for found in faults for kind in found)

    assert set(kinds) == set(BAD_KINDS)
    assert max(map(len, faults)) == 1
    assert min(kinds.values()) > 30


@pytest.mark.parametrize("kind", BAD_KINDS)
def test_bad_row_is_broken_as_its_kind_says(kind: str) -> None:
    fields = next(csv.reader(["0,10,Arba,May 2020,0,0,0,,[],TRUE,TRUE,TRUE,0,0,,,,,,"]))

    row = BAD_KINDS[kind](fields)

    assert find_faults(fields) == set()
    assert find_faults(*read_rows(row)) == {kind}
