"""Figures of groups of rows: how the question is read, and the one statement that answers it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec
from django.db import connections
from django.db.models import QuerySet
from psycopg import sql
from rest_framework.request import Request

from config.api.errors import show_name
from config.api.filtersets import bound_day, parse_number
from config.api.reading import ANSWER_BYTES
from explorer.querying import (
    COMMA,
    find_column,
    read_count,
    read_words,
    refuse,
    show,
    unnest,
    write_column,
    write_source,
)
from explorer.tables import Column, Table

PARAMETERS = ("group_by", "metrics", "having", "ordering", "limit")
MOST_GROUPED = 3
MOST_METRICS = 20
DEFAULT_LIMIT = 1_000
MOST_LIMIT = 10_000

BUCKET_FORMS: Mapping[str, str] = MappingProxyType(
    {
        "year": "YYYY",
        "month": "YYYY-MM",
        "day": "YYYY-MM-DD",
        "hour": 'YYYY-MM-DD"T"HH24:MI:SS"Z"',
    }
)
# The two middle values, or twice the middle one: the second fraction leads to the next of up to a
# thousand million. PostgreSQL's own percentile_cont() makes a double of them.
MIDDLE = "(percentile_disc(ARRAY[0.5, 0.5000000001]) WITHIN GROUP (ORDER BY {0}))"
FUNCTIONS: Mapping[str, sql.SQL] = MappingProxyType(
    {
        "count": sql.SQL("count({})"),
        "distinct": sql.SQL("count(DISTINCT {})"),
        "sum": sql.SQL("sum({})"),
        "avg": sql.SQL("trim_scale(avg({}))"),
        "min": sql.SQL("min({})"),
        "max": sql.SQL("max({})"),
        "median": sql.SQL(f"trim_scale(0.5 * ({MIDDLE}[1]::numeric + {MIDDLE}[2]))"),
        "stddev": sql.SQL("trim_scale(stddev_samp({}))"),
    }
)
# To unnest the lists beside the rows would count each row as often as it has elements.
DISTINCT_ELEMENTS = sql.SQL(
    "(SELECT count(DISTINCT element)"
    "   FROM jsonb_array_elements(jsonb_agg(to_jsonb({0})) FILTER (WHERE {0} IS NOT NULL)) AS list,"
    "        jsonb_array_elements_text(list) AS element)"
)
# Groups beyond the bytes that an answer may have come without their JSON.
STATEMENT = sql.SQL(
    """
    SELECT CASE WHEN coalesce(sum(octet_length(line)) OVER before, 0) < {bytes} THEN line END
      FROM (SELECT row_to_json(answer)::text
              FROM (SELECT {cells} FROM {source} {lists} {grouping} {having} {ordering}
                     LIMIT {limit}) AS answer) AS written (line)
    WINDOW before AS (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    """
)
COMPARISONS: Mapping[str, sql.SQL] = MappingProxyType(
    {
        "gt": sql.SQL("{} > {}"),
        "gte": sql.SQL("{} >= {}"),
        "lt": sql.SQL("{} < {}"),
        "lte": sql.SQL("{} <= {}"),
        "exact": sql.SQL("{} = {}"),
    }
)
AND = sql.SQL(" AND ")
ASCENDING = sql.SQL("{} ASC NULLS LAST")
DESCENDING = sql.SQL("{} DESC NULLS LAST")


@dataclass(frozen=True)
class Group:
    """A column to group by, as it was asked for; a list by its elements, a time by its bucket."""

    text: str
    column: Column
    bucket: str
    alias: str

    @property
    def key(self) -> sql.Composable:
        if self.column.elements:
            return sql.Identifier(self.alias, "value")
        value = write_column(self.column)
        if not self.bucket:
            return value
        if self.column.kind.name == "timestamp":
            value = sql.SQL("{} AT TIME ZONE 'UTC'").format(value)
        return sql.SQL("date_trunc({}, {})").format(sql.Literal(self.bucket), value)

    @property
    def shown(self) -> sql.Composable:
        if not self.bucket:
            return show(self.column, self.key)
        form = sql.Literal(BUCKET_FORMS[self.bucket])
        return sql.SQL("to_char({}, {})").format(self.key, form)


@dataclass(frozen=True)
class Metric:
    """A figure of a group, as it was asked for: `count`, or a function of a column."""

    text: str
    function: str
    column: Column | None

    @property
    def value(self) -> sql.Composable:
        if self.column is None:
            return sql.SQL("count(*)")
        if self.function == "distinct" and self.column.elements:
            return DISTINCT_ELEMENTS.format(sql.Identifier("matching", self.column.elements))
        return FUNCTIONS[self.function].format(write_column(self.column))

    @property
    def is_number(self) -> bool:
        """Whether it is one whatever the column holds, whose values the others are."""
        return self.function not in {"min", "max"}

    @property
    def is_comparable(self) -> bool:
        return self.column is None or self.is_number or self.column.has_ranges

    @property
    def is_moment(self) -> bool:
        is_time = self.column is not None and self.column.kind.name == "timestamp"
        return is_time and not self.is_number

    @property
    def shown(self) -> sql.Composable:
        return (
            self.value if self.column is None or self.is_number else show(self.column, self.value)
        )

    def parse(self, text: str) -> Any:
        """A value to compare this figure with. Raises ValueError."""
        if self.column is None or self.is_number:
            return parse_number(text)
        for lookup in self.column.lookups:
            if lookup.suffix == "__gte":
                return lookup.parse(text)
        msg = f"{self.text} cannot be compared"
        raise ValueError(msg)


@dataclass(frozen=True)
class Condition:
    """What a group's figure must be."""

    metric: Metric
    comparison: str
    value: Any

    def write(self) -> sql.Composable:
        bounds = {self.comparison: self.value}
        if self.metric.is_moment and not isinstance(self.value, datetime):
            bounds = bound_day(self.comparison, self.value)
        return AND.join(
            COMPARISONS[comparison].format(self.metric.value, sql.Literal(value))
            for comparison, value in bounds.items()
        )


@dataclass(frozen=True)
class Question:
    """What is asked of the rows that match."""

    groups: Sequence[Group]
    metrics: Sequence[Metric]
    conditions: Sequence[Condition]
    ordering: Sequence[sql.Composable]
    limit: int

    @property
    def columns(self) -> Iterable[Column]:
        metrics = [*self.metrics, *(condition.metric for condition in self.conditions)]
        asked = [group.column for group in self.groups]
        asked += [metric.column for metric in metrics if metric.column is not None]
        return {column.name: column for column in asked}.values()


def aggregate(rows: QuerySet[Any], question: Question) -> dict[str, Any]:
    """The groups in the order that was asked for, as JSON."""
    with connections[rows.db].cursor() as cursor:
        cursor.execute(write_statement(question, write_source(cursor, rows, question.columns)))
        groups = cursor.fetchall()
    shown = [msgspec.Raw(group.encode()) for (group,) in groups[: question.limit] if group]
    return {"results": shown, "has_more": len(groups) > len(shown)}


def write_statement(question: Question, source: sql.Composable) -> sql.Composed:
    asked: list[Group | Metric] = [*question.groups, *question.metrics]
    keys = [group.key for group in question.groups]
    lists = [
        unnest(group.column, group.alias) for group in question.groups if group.column.elements
    ]
    return STATEMENT.format(
        cells=COMMA.join(
            sql.SQL("{} AS {}").format(each.shown, sql.Identifier(each.text)) for each in asked
        ),
        source=source,
        lists=sql.SQL(" ").join(lists),
        grouping=clause(sql.SQL("GROUP BY "), COMMA, keys),
        having=clause(sql.SQL("HAVING "), AND, [each.write() for each in question.conditions]),
        ordering=clause(sql.SQL("ORDER BY "), COMMA, [*question.ordering, *keys]),
        limit=sql.Literal(question.limit + 1),
        bytes=sql.Literal(ANSWER_BYTES),
    )


def clause(words: sql.SQL, glue: sql.SQL, parts: Sequence[sql.Composable]) -> sql.Composable:
    """Nothing where there are no parts."""
    return words + glue.join(parts) if parts else sql.SQL("")


# How the question is read


def read_question(request: Request, table: Table) -> Question:
    """Raises ValidationError that names the parameter."""
    groups = read_groups(read_words(request, "group_by"), table)
    metrics = read_metrics(read_words(request, "metrics") or ["count"], table, "metrics")
    terms = {group.text: group.key for group in groups}
    terms |= {metric.text: metric.value for metric in metrics}
    return Question(
        groups,
        metrics,
        [read_condition(word, table) for word in read_words(request, "having")],
        [read_term(word, terms) for word in read_words(request, "ordering")],
        read_count(request, "limit", DEFAULT_LIMIT, MOST_LIMIT),
    )


def read_groups(words: Sequence[str], table: Table) -> list[Group]:
    if len(words) > MOST_GROUPED or len(set(words)) < len(words):
        raise refuse("group_by", f"at most {MOST_GROUPED} columns, each once")
    return [read_group(word, table, f"list_{place}") for place, word in enumerate(words)]


def read_group(word: str, table: Table, alias: str) -> Group:
    name, _, bucket = word.partition(":")
    column = find_column(table, name, "group_by")
    if ":" in word and not column.kind.buckets:
        raise refuse("group_by", f"{name} is no time, and has no buckets")
    if ":" in word and bucket not in column.kind.buckets:
        known = ", ".join(column.kind.buckets)
        raise refuse("group_by", f"{name} has no bucket “{show_name(bucket[:40])}”, only {known}")
    return Group(word, column, bucket, alias)


def read_metrics(words: Sequence[str], table: Table, parameter: str) -> list[Metric]:
    if len(words) > MOST_METRICS or len(set(words)) < len(words):
        raise refuse(parameter, f"at most {MOST_METRICS}, each once")
    return [read_metric(word, table, parameter) for word in words]


def read_metric(word: str, table: Table, parameter: str) -> Metric:
    if word == "count":
        return Metric(word, "count", None)
    function, _, name = word.partition(":")
    if function not in FUNCTIONS or not name:
        known = ", ".join(FUNCTIONS)
        raise refuse(
            parameter,
            f"“{show_name(word[:40])}” is neither count nor one of {known}, : and a column",
        )
    column = find_column(table, name, parameter)
    if function not in column.kind.metrics:
        known = ", ".join(column.kind.metrics)
        raise refuse(parameter, f"{function} of {name}, which has only {known}")
    return Metric(word, function, column)


def read_condition(word: str, table: Table) -> Condition:
    """Such as `count__gte:5` or `avg:price__lt:10`."""
    metric, _, rest = word.partition("__")
    comparison, _, text = rest.partition(":")
    if comparison not in COMPARISONS:
        known = ", ".join(COMPARISONS)
        raise refuse(
            "having", f"“{show_name(word[:60])}” is not a metric, __, one of {known}, : and a value"
        )
    found = read_metric(metric, table, "having")
    try:
        return Condition(found, comparison, found.parse(text))
    except ValueError as error:
        raise refuse("having", str(error)) from error


def read_term(word: str, terms: Mapping[str, sql.Composable]) -> sql.Composed:
    name = word.removeprefix("-")
    if name not in terms:
        raise refuse(
            "ordering", f"“{show_name(name[:40])}” is neither grouped by nor a metric asked for"
        )
    direction = DESCENDING if word.startswith("-") else ASCENDING
    return direction.format(terms[name])
