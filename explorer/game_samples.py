"""Made-up games in the shape of the shop's catalogue: the same bytes for the same arguments."""

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

HEADER: Final = (
    b",AppID,Name,Release date,Required age,Price,DLC count,About the game,Supported languages,"
    b"Windows,Mac,Linux,Positive,Negative,Score rank,Developers,Publishers,Categories,Genres,Tags\n"
)
ROWS_PER_BLOCK: Final = 5_000
FIRST_APP_ID = 1_000_000_000
SHUFFLED: Final = 65_536  # so many rows have their identifiers out of order among themselves
SCATTER: Final = 40_503  # odd: a product with it, modulo a power of two, meets each number once

Draw = Callable[[], float]


def _quote(text: str) -> str:
    return f'"{text}"' if "," in text else text


def _part(text: str, *, by: str = " ") -> list[str]:
    """Long lists of words are short to read as one text."""
    return text.split(by)


# Words. The masks below count on a length that is a power of two, wherever one is told.

STEMS: Final = _part(  # 64
    "Ab Ar Bal Bel Bor Bra Cal Cor Cry Dal Del Dor Dra Dun El Er Fal Fen Fjö Gal Gel Gor Gra Hal "
    "Hel Hol Il Ir Jor Jun Kal Kel Kor Kra Lan Lor Lun Mal Mer Mor Nal Ner Nor Ol Or Pal Per Quo "
    "Ral Ril Ror Sal Sel Sil Tal Tor Tre Ul Val Ver Vor Wen Xan Zé",
)
TAILS: Final = _part(  # 64
    "ba bek bin bra cor cus dae del din dor dra dus fa fen fin ga gar gis gon gul ka ken kin kor "
    "la lek lin lor lum ma mar min mir mos na nel nis nor nox pa pel pha qua ra rek rin ros sa "
    "sel sin sor ta tek tis tor tra tus va vek vin vor wyn xis zar",
)
WORDS: Final = tuple(stem + tail for stem in STEMS for tail in TAILS)

# Each takes its quotes with it. Most are plain: the last lines come once in 64.
NAME_SHAPES: Final = (  # 64
    *("{0}",) * 12,
    *("{0} {1}",) * 20,
    *("{0}: {1} {2}",) * 8,
    *("{0} of {1}",) * 7,
    *("{0} {1} {2} {3}",) * 5,
    "{0} {1} {2} {3} {4}",
    "{0}'s {1}",
    '"{0}, {1}"',
    '"{0} ""{1}"" {2}"',
    '"""{0}"", {1}"',
    "Café {0}",
    "{0} 🦊 {1}",
    "{0}™",
    "100% {0}",
    "{0}_{1}",
    "{0} \\ {1}",
    "{0} (2)",
)

ADJECTIVES: Final = _part(  # 64
    "amber ancient brass bright broken buried careful clever clumsy cobalt crooked curious distant "
    "drowsy dusty echoing faded fearless floating forgotten fragile frozen gentle gilded hidden "
    "hollow honest humming idle iron jagged lonely loud luminous marble mossy nameless narrow "
    "noisy painted patient polite quiet ragged restless rusty salty scarlet secret silent silver "
    "sleepless stubborn sunken tangled thirsty tiny uneasy velvet wandering weary wicked wild "
    "young",
)
NOUNS: Final = _part(  # 128
    "anchor apprentice archive armada atlas avalanche bakery balloon barge beacon beekeeper bell "
    "blizzard border bridge caravan cartographer castle cavern cellar chapel circus citadel "
    "clock cloud coast colony comet compass convoy courier crater crown desert detective dome "
    "dragon dungeon dynasty elevator embassy engine estuary factory falcon farm ferry festival "
    "fjord forest forge fortress foundry galaxy garden gate ghost glacier golem guild harbour "
    "harvest heist hermit horizon hotel island jungle kingdom kitchen laboratory labyrinth lagoon "
    "lantern legion library lighthouse locomotive machine market marsh meadow meteor mine mirror "
    "monastery monsoon moon mountain museum nebula nomad oasis observatory orchard outpost palace "
    "parade pilgrim pirate planet prairie prison puzzle quarry railway reactor reef robot ruin "
    "satellite shrine sorcerer spaceship station storm submarine swamp temple theatre tower tunnel "
    "valley village volcano voyage waterfall wizard",
)
THINGS: Final = tuple(f"the {adjective} {noun}" for adjective in ADJECTIVES for noun in NOUNS)
DEEDS: Final = _part(  # 64
    "Abandon,Admire,Bargain with,Befriend,Besiege,Borrow,Build,Burn down,Chase,Climb,Collect,"
    "Command,Conquer,Cross,Decorate,Defend,Deliver,Discover,Dodge,Draw,Escape from,Explore,Feed,"
    "Find,Fix,Follow,Fortify,Gather around,Govern,Guard,Haunt,Heal,Hide in,Hunt,Inherit,Invent,"
    "Investigate,Jump over,Listen to,Lose,Manage,Map,Outwit,Photograph,Pilot,Plant,Plunder,Race,"
    "Rebuild,Remember,Rescue,Restore,Rob,Rule,Sail past,Search,Sneak past,Solve,Steal,Survive,"
    "Tame,Trade with,Unlock,Wake",
    by=",",
)
LINKS: Final = _part(  # 32
    " above|, across| after| against| and| around| before| behind| below| beneath| beside| beyond|"
    " despite|, far from| for| instead of| near|, never| next to|, not|, or| over|, then| through|"
    " towards| under| until| while you repair| with| without|"
    ' by the ""old rule"" of| and outsmart',
    by="|",
)
CLOSINGS: Final = _part(  # 16
    ".|.|.|.|.|.|.|!|!|!|...|?|, alone or with friends.|, at your own pace.| in over 40 levels.|"
    "; every choice counts.",
    by="|",
)
OPENINGS: Final = (  # 64
    *("You are {0}.",) * 12,
    *("Welcome to {0}!",) * 12,
    *("In {0}, nothing stays as it was.",) * 12,
    *("{0} needs you.",) * 12,
    *("This is the tale of {0}, and of you.",) * 11,
    *("Nobody has come back from {0}.",) * 3,
    'They call it ""{0}"".',
    "{0}\n\nFEATURES:",
)

# Texts that a row is put together from: formatting each anew would take several times as long.

MONTHS: Final = _part("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec")
YEARS: Final = range(1998, 2026)
FIRST_DAY, LAST_DAY = date(1998, 1, 1).toordinal(), date(2025, 12, 31).toordinal()
DAYS: Final = tuple(
    f'"{MONTHS[day.month - 1]} {day.day}, {day.year}"'
    for day in map(date.fromordinal, range(FIRST_DAY, LAST_DAY + 1))
)
MONTHS_ALONE: Final = tuple(f"{month} {year}" for year in YEARS for month in MONTHS)
AGES: Final = ("0",) * 60 + ("12", "16", "17", "18")
PRICES: Final = _part(  # 32
    "0 0 0 0 0 0.49 0.49 0.99 0.99 0.99 0.99 1.99 1.99 1.99 2.99 2.99 2.99 3.99 3.99 4.99 4.99 "
    "4.99 5.99 6.99 7.99 9.99 9.99 12.99 14.99 19.99 29.99 59.99",
)
DLC_COUNTS: Final = ("0",) * 26 + ("1", "1", "1", "2", "3", "14")
FLAGS: Final = ("TRUE", "FALSE", "FALSE", "FALSE")
SCORES: Final = ("",) * 1_013 + tuple(str(score) for score in range(90, 101))
COMPANY_ENDINGS: Final = (  # 32; a comma with a space behind it is part of a name
    *(" Games",) * 8,
    *(" Studio",) * 5,
    *("",) * 4,
    *(" Interactive", " Works", " Labs", " Soft", " Arts", " Team", " & Co", " Bros"),
    *(" Digital", " Collective", " Entertainment", " GmbH"),
    *(", Inc.", ", LLC", " Co., Ltd."),
)


def _mix(terms: str, most: int, *, empty: float) -> list[list[str]]:
    """Lists of up to so many terms, those that stand first more often; a share is empty."""
    draw = random.Random(most).random  # noqa: S311 - sample data, not secrets
    names = _part(terms, by=",")
    mixed = []
    for _ in range(2_048):
        count = 0 if draw() < empty else 1 + int(draw() * most)
        picked = [names[int(draw() * draw() * len(names))] for _ in range(count)]
        mixed.append(list(dict.fromkeys(picked)))
    return mixed


def _join(mixed: list[list[str]]) -> tuple[str, ...]:
    return tuple(_quote(",".join(names)) for names in mixed)


FOREIGN: Final = (
    "German,French,Russian,Simplified Chinese,Spanish - Spain,Japanese,Italian,Korean,Polish,"
    "Portuguese - Brazil,Traditional Chinese,Turkish,Dutch,Ukrainian,Czech,Swedish,Hungarian"
)
LANGUAGES: Final = tuple(_quote(str(["English", *names])) for names in _mix(FOREIGN, 3, empty=0.55))
CATEGORIES: Final = _join(
    _mix(
        "Single-player,Achievements,Cloud saves,Multi-player,Co-op,Controller support,Trading "
        "cards,Leaderboards,Shared screen,Level editor,Statistics,Family sharing,VR only",
        4,
        empty=0.02,
    )
)
GENRES: Final = _join(
    _mix(
        "Indie,Casual,Action,Adventure,Strategy,Simulation,RPG,Early Access,Free to Play,Sports,"
        "Racing,Violent,Education,Utilities",
        3,
        empty=0.02,
    )
)
TAGS: Final = _join(
    _mix(
        "Singleplayer,2D,Atmospheric,Puzzle,Story Rich,Fantasy,Pixel Graphics,Exploration,Cute,"
        "Funny,Horror,Retro,Platformer,Difficult,Shooter,Arcade,Relaxing,Open World,Survival,"
        "Sandbox,Mystery,Turn-Based,Sci-fi,Visual Novel,Building,Management,Roguelike,Anime,"
        "Cards,Stealth,Medieval,Space,Local Co-op,Tower Defense,Crafting,Hidden Object,Zombies,"
        "Historical,Cyberpunk,Naval,Trains,Chess,Fishing,Golf,Typing,Beekeeping",
        5,
        empty=0.13,
    )
)


def write_games(rows: int, *, seed: int, bad: float = 0.0) -> Iterator[bytes]:
    """Blocks of CSV, header first; `bad` is the share of broken rows, between 0 and 1."""
    # Only .random() is promised to give the same numbers in every version of Python.
    draw = random.Random(seed).random  # noqa: S311 - sample data, not secrets
    yield HEADER
    for first in range(0, rows, ROWS_PER_BLOCK):
        numbers = range(first, min(first + ROWS_PER_BLOCK, rows))
        yield b"".join([_row(draw, n, is_bad=draw() < bad) for n in numbers])


def _row(draw: Draw, number: int, *, is_bad: bool) -> bytes:
    fields = _write_game(draw, number)
    if not is_bad:
        return _line(fields)
    kinds = tuple(BAD_KINDS.values())
    return kinds[int(draw() * len(kinds))](fields)


def _line(fields: list[str]) -> bytes:
    return f"{','.join(fields)}\n".encode(errors="surrogateescape")


def _write_game(draw: Draw, number: int) -> list[str]:
    # One draw has 53 random bits: enough for many small choices.
    choices, lists, counts = int(draw() * 2**53), int(draw() * 2**53), int(draw() * 2**53)
    developers, publishers = _write_companies(draw)
    return [
        str(number),
        str(_app_id(number)),
        _write_name(draw),
        _write_date(choices),
        AGES[choices >> 38 & 63],
        PRICES[choices >> 44 & 31],
        DLC_COUNTS[lists & 31],
        _write_about(draw),
        LANGUAGES[lists >> 5 & 2_047],
        "TRUE" if choices >> 49 else "FALSE",
        FLAGS[lists >> 49 & 3],
        FLAGS[lists >> 51],
        str(_count(counts)),
        str(_count(counts >> 26) >> 2),
        SCORES[choices & 1_023],
        developers,
        publishers,
        CATEGORIES[lists >> 16 & 2_047],
        GENRES[lists >> 27 & 2_047],
        TAGS[lists >> 38 & 2_047],
    ]


def _app_id(number: int) -> int:
    """A multiple of ten for each number, in a mixed order, and larger than any real one: a sample
    would take the place of real games."""
    block, place = divmod(number, SHUFFLED)
    return FIRST_APP_ID + 10 * (block * SHUFFLED + place * SCATTER % SHUFFLED)


def _write_name(draw: Draw) -> str:
    choices, more = int(draw() * 2**53), int(draw() * 2**53)
    return NAME_SHAPES[choices & 63].format(
        WORDS[choices >> 6 & 4_095],
        WORDS[choices >> 18 & 4_095],
        WORDS[choices >> 30 & 4_095],
        WORDS[more & 4_095],
        WORDS[more >> 12 & 4_095],
    )


def _write_date(choices: int) -> str:
    """Later years have more games, and one date in fifty has no day."""
    share = max(choices >> 10 & 16_383, choices >> 24 & 16_383)
    texts = MONTHS_ALONE if choices % 1_021 < 20 else DAYS
    return texts[share * len(texts) >> 14]


def _count(bits: int) -> int:
    """A number below 65,536, every second one below 15."""
    return (bits & 65_535) >> max(bits >> 16 & 15, bits >> 20 & 15)


def _write_companies(draw: Draw) -> tuple[str, str]:
    """The developers and the publishers: often the same, now and then none or several."""
    makers, sellers = int(draw() * 2**53), int(draw() * 2**53)
    developers = _company(makers) if makers >> 46 else ""
    if not makers >> 42 & 15:
        developers += f",{_company(makers >> 21)}" if developers else ""
    if sellers >> 49 > 5:
        return _quote(developers), _quote(developers)
    publishers = _company(sellers) if sellers >> 49 else ""
    return _quote(developers), _quote(publishers)


def _company(bits: int) -> str:
    """One of some 70,000, some of them much more often than others."""
    rank = (bits & 131_071) >> max((bits >> 17 & 15) - 2, 0)
    number = rank * SCATTER & 131_071
    return f"{WORDS[number >> 5]}{COMPANY_ENDINGS[number & 31]}"


def _write_about(draw: Draw) -> str:
    choices = int(draw() * 2**53)
    hero = f"{WORDS[choices & 4_095]}{TAILS[choices >> 12 & 63]}"
    sentences = [_write_sentence(draw) for _ in range(2 + (choices >> 18 & 7))]
    opening = OPENINGS[choices >> 21 & 63].format(hero)
    return f'"{opening} {" ".join(sentences)}"'


def _write_sentence(draw: Draw) -> str:
    choices = int(draw() * 2**53)
    return (
        f"{DEEDS[choices & 63]} {THINGS[choices >> 6 & 8_191]}{LINKS[choices >> 19 & 31]} "
        f"{THINGS[choices >> 24 & 8_191]}{CLOSINGS[choices >> 37 & 15]}"
    )


# Broken rows

Spoil = Callable[[list[str]], bytes]


def _with_field(index: int, value: str) -> Spoil:
    return lambda fields: _line([*fields[:index], value, *fields[index + 1 :]])


def _without_last(fields: list[str]) -> bytes:
    return _line(fields[:-1])


def _with_one_more(fields: list[str]) -> bytes:
    return _line([*fields, "more"])


# Each breaks the fields of a row in its own way.
BAD_KINDS: Final[Mapping[str, Spoil]] = MappingProxyType(
    {
        "text_app_id": _with_field(1, "abc"),
        "empty_app_id": _with_field(1, ""),
        "text_for_price": _with_field(5, "n/a"),
        "fraction_for_age": _with_field(4, "12.5"),
        "impossible_date": _with_field(3, '"Feb 30, 2020"'),
        "unreadable_date": _with_field(3, "soon"),
        "text_for_flag": _with_field(9, "maybe"),
        "missing_column": _without_last,
        "extra_column": _with_one_more,
        "invalid_utf8": _with_field(2, "\udcff"),  # written as the byte 0xff
    }
)
