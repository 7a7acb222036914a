"""Examples and their answers as a page: what differs each time is masked, what is long is cut."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tests.examples.calling import Answer, Example

SHOWN = ("Content-Type", "Content-Disposition", "Location", "ETag", "X-Row-Count", "X-Sha256")
# Members of JSON that differ each time.
MASKED = frozenset(
    {
        *("created", "created_at", "started_at", "ended_at", "received_at", "processed_at"),
        *("next_attempt_at", "rows_per_second", "bytes_per_second"),
        *("access", "refresh", "key", "prefix", "idempotency_key"),
    }
)
MASKED_HEADERS = frozenset({"ETag", "X-Sha256"})
MASK = "…"
# Beyond that, figures depend on the versions of GEOS and PROJ.
DIGITS = 10
LONG_NUMBER = re.compile(r"\d+\.\d{8,}")
WIDTH = 100
MOST_CHARACTERS = 200
MOST_ITEMS = 2
MOST_LINES = 4


def write_example(example: Example, answer: Answer) -> Iterator[str]:
    if example.text:
        yield f"{example.text}\n\n"
    yield f"```\n$ {example.command}\n\n{answer.status_line.rstrip()}\n"
    for name in SHOWN:
        if value := answer.headers[name]:
            yield f"{name}: {MASK if name in MASKED_HEADERS else value}\n"
    if body := show_body(answer):
        yield f"\n{body}\n"
    yield "```\n\n"


def show_body(answer: Answer) -> str:
    text = LONG_NUMBER.sub(round_number, answer.body.decode())
    if text and answer.is_json:
        return write_json(shorten(json.loads(text)))
    return "\n".join(cut_lines(text.splitlines()))


def round_number(match: re.Match[str]) -> str:
    return f"{float(match[0]):.{DIGITS}g}"


def cut_lines(lines: list[str]) -> Iterator[str]:
    for line in lines[:MOST_LINES]:
        yield cut_text(line)
    if more := lines[MOST_LINES:]:
        yield f"… {len(more)} more lines" if len(more) > 1 else "… 1 more line"


def cut_text(text: str) -> str:
    more = len(text) - MOST_CHARACTERS
    return text if more <= 0 else f"{text[:MOST_CHARACTERS]}… {more} more characters"


def shorten(value: Any, name: str = "") -> Any:
    if name in MASKED and value:
        return MASK
    if isinstance(value, dict):
        return {key: shorten(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return list(shorten_list(value))
    return cut_text(value) if isinstance(value, str) else value


def shorten_list(items: list[Any]) -> Iterable[Any]:
    if all(isinstance(item, int | float) for item in items):
        return items
    more = len(items) - MOST_ITEMS
    tail = [f"… {more} more"] if more > 0 else []
    return [*map(shorten, items[:MOST_ITEMS]), *tail]


def write_json(value: Any, indent: int = 0) -> str:
    """On one line what fits there."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= WIDTH or not isinstance(value, dict | list):
        return line
    inner = indent + 2
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {write_json(item, inner)}" for key, item in value.items()]
    else:
        parts = [write_json(item, inner) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    lines = ",\n".join(" " * inner + part for part in parts)
    return f"{opening}\n{lines}\n{' ' * indent}{closing}"
