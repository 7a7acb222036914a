"""What is read out of a game's texts: its date, and the elements of its lists."""

import ast
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from django.db import DataError, connection
from hypothesis import given
from hypothesis import strategies as st

from explorer.models import Game
from tests.explorer.loaded import load
from tests.explorer.test_games import write_games_file
from tests.factories.explorer import GameFactory

pytestmark = pytest.mark.django_db

Spelling = Callable[[str], str]
REFUSED_DATES = [
    ("Feb 30, 2020", "out_of_range"),
    ("Feb 29, 2021", "out_of_range"),
    ("Apr 31, 2020", "out_of_range"),
    ("Jan 0, 2020", "out_of_range"),
    ("Jan 1, 0000", "out_of_range"),
    ("0000-01-01", "out_of_range"),
    ("2021-02-29", "out_of_range"),
    ("2020-00-10", "out_of_range"),
    ("2020-13", "out_of_range"),
    ("oct 21, 2008", "invalid_value"),
    ("Oct 21 2008", "invalid_value"),
    ("21 Oct, 2008", "invalid_value"),
    ("Oct 21, 08", "invalid_value"),
    ("Oct 21,2008", "invalid_value"),
    ("Oct  2008", "invalid_value"),
    (" Oct 21, 2008", "invalid_value"),
    ("Oct 21, 2008\n", "invalid_value"),
    ("Octo 2008", "invalid_value"),
    ("2008-1-2", "invalid_value"),
    ("20081021", "invalid_value"),
    ("21/10/2008", "invalid_value"),
    ("Q1 2021", "invalid_value"),
    ("2021", "invalid_value"),
    ("Coming soon", "invalid_value"),
]


def spell_by_numbers(text: str) -> str:
    """A literal whose characters are escaped in all the ways that there are."""
    forms = ("\\{:03o}", "\\x{:02x}", "\\u{:04x}", "\\U{:08X}")
    ends = (0o377, 0xFF, 0xFFFF, 0x10FFFF)
    spelled = (
        next(form.format(ord(letter)) for form, end in choices if ord(letter) <= end)
        for place, letter in enumerate(text)
        for choices in [list(zip(forms, ends, strict=True))[place % 4 :]]
    )
    return f'"{"".join(spelled)}"'


def make_game(**texts: str | None) -> Game:
    """As the database has it."""
    return Game.objects.get(pk=GameFactory(**texts).pk)


@pytest.mark.parametrize(
    ("text", "day", "precision"),
    [
        ("Oct 21, 2008", date(2008, 10, 21), "day"),
        ("October 21, 2008", date(2008, 10, 21), "day"),
        ("Oct 1, 2008", date(2008, 10, 1), "day"),
        ("Oct 01, 2008", date(2008, 10, 1), "day"),
        ("Feb 29, 2020", date(2020, 2, 29), "day"),
        ("Feb 29, 2000", date(2000, 2, 29), "day"),
        ("Dec 31, 1999", date(1999, 12, 31), "day"),
        ("May 2020", date(2020, 5, 1), "month"),
        ("Sept 2020", date(2020, 9, 1), "month"),
        ("February 2021", date(2021, 2, 1), "month"),
        ("2008-10-21", date(2008, 10, 21), "day"),
        ("2008-10", date(2008, 10, 1), "month"),
        ("0001-01-01", date(1, 1, 1), "day"),
        ("9999-12-31", date(9999, 12, 31), "day"),
        (None, None, None),
    ],
)
def test_date_is_read(text: str | None, day: date | None, precision: str | None) -> None:
    game = make_game(release_date_text=text)

    assert (game.release_date, game.release_date_precision) == (day, precision)
    assert game.release_date_text == text


@pytest.mark.parametrize("month", range(1, 13))
@pytest.mark.parametrize("form", ["%b", "%B"])
def test_every_month_is_read_by_its_name(month: int, form: str) -> None:
    game = make_game(release_date_text=f"{date(2021, month, 1):{form}} 9, 2021")

    assert game.release_date == date(2021, month, 9)


@pytest.mark.parametrize("text", [text for text, _ in REFUSED_DATES])
def test_date_that_is_none_cannot_be_stored(text: str) -> None:
    with pytest.raises(DataError):
        GameFactory(release_date_text=text)


@pytest.mark.django_db(transaction=True)
def test_date_that_is_none_is_refused_by_its_column(tmp_path: Path) -> None:
    rows = [
        {"AppID": f"{n}", "Name": text, "Release date": text}
        for n, (text, _) in enumerate(REFUSED_DATES, start=1)
    ]

    record = load("games", tmp_path, write_games_file({"AppID": "0"}, *rows))

    found = record.rejects.order_by("line").values_list("column", "code")
    assert list(found) == [("Release date", code) for _, code in REFUSED_DATES]
    assert record.rows_loaded == 1


@pytest.mark.parametrize("column", ["developers", "publishers"])
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Gemdrops, Inc.", ["Gemdrops, Inc."]),
        ("aNCHOR Inc.,fuzz, Inc.", ["aNCHOR Inc.", "fuzz, Inc."]),
        ("CFK Co., Ltd.", ["CFK Co., Ltd."]),
        ("CFK Co., Ltd., Inc.", ["CFK Co., Ltd., Inc."]),
        ("Wise, LLC,Other", ["Wise, LLC", "Other"]),
        ("Wise,LLC", ["Wise,LLC"]),
        ("Wise, inc", ["Wise, inc"]),
        ("Wise, S.A.,Other, s.r.o.", ["Wise, S.A.", "Other, s.r.o."]),
        ("Wise, Inc. ,Other", ["Wise, Inc.", "Other"]),
        ("Ltd", ["Ltd"]),
        ("Ltd,Other", ["Ltd", "Other"]),
        ("Incredible,Coda", ["Incredible", "Coda"]),
        ("One,Inc. Games", ["One", "Inc. Games"]),
        ("One,Two,One", ["One", "Two"]),
        ("One, Inc.,One", ["One, Inc.", "One"]),
        (" One , Two ", ["One", "Two"]),
        (",,One,,Two,", ["One", "Two"]),
        (",", []),
        (" ", []),
        (", Inc.", ["Inc."]),
        (" ,\t, Inc.,One", ["Inc.", "One"]),
        ("One,, Inc.", ["One", "Inc."]),
        ("Foo, GmbH & Co. KG,Bar", ["Foo, GmbH & Co. KG", "Bar"]),
        ("Foo, GmbH&Co.KG", ["Foo, GmbH&Co.KG"]),
        ("Foo, GmbH & Co. KGaA", ["Foo, GmbH & Co. KGaA"]),
        ("Foo, AG & Co.", ["Foo, AG & Co."]),
        ("Foo, Co., Ltd,Bar", ["Foo, Co., Ltd", "Bar"]),
        ("Foo, Co. Ltd", ["Foo, Co. Ltd"]),
        ("Foo, Pty Ltd,Bar, Pty. Ltd.", ["Foo, Pty Ltd", "Bar, Pty. Ltd."]),
        ("Foo, Pte. Ltd.", ["Foo, Pte. Ltd."]),
        ("Foo, S.A. de C.V.,Bar", ["Foo, S.A. de C.V.", "Bar"]),
        ("Foo, SA de CV", ["Foo, SA de CV"]),
        ("Foo, S. de R.L. de C.V.", ["Foo, S. de R.L. de C.V."]),
        ("Foo, K.K.", ["Foo, K.K."]),
        ("Foo,Co. Ltd Games", ["Foo", "Co. Ltd Games"]),
        (None, None),
    ],
)
def test_companies_keep_their_suffixes(
    column: str, text: str | None, names: list[str] | None
) -> None:
    assert getattr(make_game(**{column: text}), f"{column}_list") == names


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("['English']", ["English"]),
        ("['English', 'Spanish - Spain']", ["English", "Spanish - Spain"]),
        ("""["Côte d'Ivoire", 'English']""", ["Côte d'Ivoire", "English"]),
        (r"""['d\'Oc "sic"', 'a\\b']""", ["""d'Oc "sic\"""", "a\\b"]),
        ("['Chinese, Simplified']", ["Chinese, Simplified"]),
        (" ['English' ,'Czech'] ", ["English", "Czech"]),
        ("['English', 'Czech', 'English']", ["English", "Czech"]),
        (
            r"['a\nb\r\t\x41\u00e9\U0001F98A\101\7\
']",
            ["a\nb\r\tAé🦊A\x07"],
        ),
        (r"['\a\b\f\v', 'caf\xe9', '\xe9']", ["\a\b\f\v", "café", "é"]),
        (r"['\q', '\8', '\ ']", [r"\q", r"\8", "\\ "]),
        # What Python cannot read, or PostgreSQL cannot store, stays as it is written.
        (
            r"['\x4', '\u00', '\UFFFFFFFF', '\U00110000', '\N{BULLET}']",
            [r"\x4", r"\u00", r"\UFFFFFFFF", r"\U00110000", r"\N{BULLET}"],
        ),
        (r"['\x00', '\0', '\u0000', '\ud83d\ude00']", [r"\x00", r"\0", r"\u0000", r"\ud83d\ude00"]),
        ("[]", []),
        (" [ ] ", []),
        (",", []),
        (" ", []),
        ("English,Czech , English", ["English", "Czech"]),
        (None, None),
    ],
)
def test_languages_are_read_as_python_writes_them(
    text: str | None, languages: list[str] | None
) -> None:
    assert make_game(supported_languages=text).supported_languages_list == languages


SPELLINGS = st.sampled_from((repr, ascii, spell_by_numbers))


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"], min_codepoint=1)), SPELLINGS)
    )
)
def test_languages_are_those_that_python_reads(pairs: list[tuple[str, Spelling]]) -> None:
    written = f"[{', '.join(spell(text) for text, spell in pairs)}]"

    with connection.cursor() as cursor:
        cursor.execute("SELECT explorer_read_literals(%s)", [written])
        [(languages,)] = cursor.fetchall()

    assert languages == list(dict.fromkeys(ast.literal_eval(written)))


@pytest.mark.parametrize("column", ["categories", "genres", "tags"])
@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("Indie", ["Indie"]),
        ("Indie,Action", ["Indie", "Action"]),
        ("Action, Inc.", ["Action", "Inc."]),
        (" Free to Play ,,Action,", ["Free to Play", "Action"]),
        ("Indie,indie,Indie", ["Indie", "indie"]),
        (" , ", []),
        (" ", []),
        (",", []),
        (None, None),
    ],
)
def test_list_is_split_at_its_commas(
    column: str, text: str | None, elements: list[str] | None
) -> None:
    assert getattr(make_game(**{column: text}), f"{column}_list") == elements
