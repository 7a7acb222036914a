"""Why a payload is refused, for its sender and for those who look at it later."""

from dataclasses import dataclass
from typing import NoReturn

MAX_DEPTH = 32
MAX_POINTS = 1_000_000
MAX_DIGITS = 1_000
MAX_SHOWN_CHARACTERS = 40
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Each code that there is. They are stored and answered: none is ever renamed.
MEANINGS = {
    "unknown_encoding": "the content encoding is neither gzip nor identity",
    "bad_gzip": "the body is not gzip, or it is damaged, cut off, or has something behind it",
    "compression_bomb": "the body is, unpacked, over 10 MiB or over 100 times its size",
    "not_utf8": "the payload is not UTF-8",
    "byte_order_mark": "the payload begins with a byte order mark, which JSON has not",
    "not_json": "the payload is not JSON",
    "too_deep": f"lists and objects are nested more than {MAX_DEPTH} deep",
    "too_many_points": f"the payload holds more than {MAX_POINTS:,} points",
    "not_an_object": "the payload is JSON, but not an object",
    "duplicate_key": "an object has a name more than once",
    "lone_surrogate": "a name holds half of a character",
    "constant_outside_data": "NaN or Infinity, which are not JSON, stand elsewhere than in `data`",
    "timestamp_missing": "`time_stamp` is missing",
    "timestamp_null": "`time_stamp` is null",
    "timestamp_not_text": "`time_stamp` is not a text",
    "timestamp_malformed": "`time_stamp` is not of the form 2019-05-01T06:00:00-04:00",
    "timestamp_without_offset": "`time_stamp` has no offset from UTC, such as Z or -04:00",
    "timestamp_bad_offset": "the offset of `time_stamp` is not from -23:59 to +23:59",
    "timestamp_hour_24": "`time_stamp` has an hour 24: midnight is 00:00 of the next day",
    "timestamp_leap_second": "`time_stamp` has a second 60, which clocks here do not have",
    "timestamp_impossible": "`time_stamp` is a date or a time that does not exist",
    "timestamp_out_of_years": "`time_stamp` is not in the years 1 to 9999 of UTC",
    "data_missing": "`data` is missing",
    "data_null": "`data` is null",
    "data_not_list": "`data` is not a list",
    "data_empty": "`data` is an empty list",
    "nested_value": "a value in `data` is a list or an object",
    "text_value": "a value in `data` is a text",
    "boolean_value": "a value in `data` is true or false",
    "null_value": "a value in `data` is null",
    "nan_value": "a value in `data` is NaN",
    "infinite_value": "a value in `data` is Infinity or -Infinity",
    "too_many_digits": f"a number in `data` has more than {MAX_DIGITS:,} digits",
    "out_of_range": "a number is out of the range of doubles (5e-324 to 1.8e308, and 0)",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a payload is refused: a code of MEANINGS, and a sentence for its sender."""

    code: str
    reason: str


class PayloadRefused(Exception):
    """A payload that cannot be summarised, with every reason that can be told."""

    def __init__(self, *reasons: Reason) -> None:
        super().__init__("; ".join(reason.reason for reason in reasons))
        self.reasons = reasons


def explain(code: str, detail: str = "") -> Reason:
    return Reason(code, f"{MEANINGS[code]}: {detail}" if detail else MEANINGS[code])


def refuse(code: str, detail: str = "") -> NoReturn:
    raise PayloadRefused(explain(code, detail))


def show(text: str) -> str:
    """Some of what was sent, without characters that PostgreSQL cannot hold."""
    if len(text) > MAX_SHOWN_CHARACTERS:
        text = text[: MAX_SHOWN_CHARACTERS - 1] + "…"
    return f"“{''.join(c if c.isprintable() else REPLACEMENT for c in text)}”"
