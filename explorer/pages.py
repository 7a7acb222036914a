"""The explorer's page: a table with filters, facets, figures of groups and histograms."""

import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import resolve
from django.views.decorators.http import require_safe
from django_htmx.http import push_url, replace_url

from config.api.filtersets import MAX_VALUE_CHARACTERS
from config.api.pages import Answer, PageRequest, ask, needs, needs_token
from config.api.spooling import FORMS
from explorer import aggregates, facets
from explorer.aggregates import FUNCTIONS, MOST_GROUPED, MOST_METRICS, Metric
from explorer.page_address import (
    AGGREGATE,
    DATASETS,
    FACETS,
    HAVING,
    HISTOGRAM,
    KEPT,
    ROWS,
    TABS,
    Address,
    has_comma,
    read_address,
)
from explorer.page_figures import (
    present_bins,
    present_facets,
    present_groups,
    present_rows,
    show_group,
    show_metric,
)
from explorer.page_filters import (
    list_chips,
    list_controls,
    list_faults,
    show_title,
    write_kept,
)
from explorer.tables import Table

VIEW = "view"  # what a filter that is typed replaces
PRESENTERS: Mapping[str, Callable[[Address, Mapping[str, Any]], dict[str, Any]]] = MappingProxyType(
    {
        ROWS.name: present_rows,
        FACETS.name: present_facets,
        AGGREGATE.name: present_groups,
        HISTOGRAM.name: present_bins,
    }
)
# What of the address the tab's own controls show.
SHOWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        ROWS.name: ("fields", "texts"),
        FACETS.name: ("facet", "limit"),
        AGGREGATE.name: ("group_by", "metrics", "limit", *HAVING),
        HISTOGRAM.name: ("field", "bins"),
    }
)
SIGNS = {"gte": "≥", "gt": ">", "lte": "≤", "lt": "<", "exact": "="}


@require_safe
@needs("read")
def show_explorer(request: PageRequest, name: str = "games") -> HttpResponseBase:
    """A dataset as the address says."""
    address = read_address(request, DATASETS[name])
    if not request.htmx and address.query != request.GET:
        return redirect(str(address))
    answer = ask_api(request, address) if address.can_ask else None
    template = "explorer/explorer.html"
    if request.htmx:
        template = "explorer/view.html" if request.htmx.target == VIEW else "explorer/form.html"
    response = render(request, template, describe_view(request, address, answer))
    if request.htmx:
        is_new = str(address) != request.htmx.current_url_abs_path
        (push_url if is_new else replace_url)(response, str(address))
    return response


def ask_api(request: HttpRequest, address: Address) -> Answer:
    """One question, whatever the tab."""
    view = resolve(address.dataset.find_api(address.tab)).func
    return ask(view, request, address.question)


def describe_view(request: PageRequest, address: Address, answer: Answer | None) -> dict[str, Any]:
    faults = list_faults(address, answer.faults) if answer else []
    if address.query.get("tab", ROWS.name) not in TABS:
        faults.append(("tab", "tab", f"There is no tab “{address.query['tab']}”."))
    if has_comma(address.query):
        faults.append(tell_of_comma(address.query.get("having_value", "")))
    columns = list_controls(address)
    sent = QueryDict(request.GET.get(KEPT, "")) if request.htmx.target == VIEW else None
    context = {
        "address": address,
        "dataset": address.dataset,
        "datasets": DATASETS.values(),
        "tab": address.tab.name,
        "tabs": [(tab, address.link_tab(tab)) for tab in TABS.values()],
        "columns": columns,
        "most_characters": MAX_VALUE_CHARACTERS,
        "chips": list_chips(address),
        "kept": write_kept(address, columns, SHOWN[address.tab.name], sent),
        "faults": faults,
        "exports": [(form.suffix, address.export(form.suffix)) for form in FORMS],
        "curl": write_curl(request, address),
        **describe_choices(address),
    }
    if answer and answer.is_good:
        context["result"] = PRESENTERS[address.tab.name](address, answer.data)
    return context


def tell_of_comma(value: str) -> tuple[str, str, str]:
    why = "a number is wanted, such as 1.5, or a date, such as 2008-10-21"
    return "Groups whose", "having_value", f"“{value[:40]}” has a comma: {why}."


def write_curl(request: HttpRequest, address: Address) -> str:
    """The same question for a terminal."""
    login = '-H "Authorization: Bearer $ACCESS" ' if needs_token("read") else ""
    return f"curl {login}{shlex.quote(request.build_absolute_uri(address.api_path))}"


# The tabs' own controls


def describe_choices(address: Address) -> dict[str, Any]:
    """What the open tab can be asked for."""
    table = address.dataset.table
    if address.tab == HISTOGRAM:
        measured = [c.name for c in table.columns if c.kind.has_histogram and c.has_ranges]
        return {
            "choices": [(name, show_title(name)) for name in measured],
            "most_bins": facets.MOST_BINS,
            "default_bins": facets.DEFAULT_BINS,
        }
    if address.tab == AGGREGATE:
        return describe_groups(address)
    chosen = address.read_words("facet" if address.tab == FACETS else "fields")
    is_all = address.tab == ROWS and not chosen
    return {
        "choices": [
            (column.name, show_title(column.name), is_all or column.name in chosen)
            for column in table.columns
        ],
        "most_fields": facets.MOST_FIELDS,
        "most_limit": facets.MOST_LIMIT,
        "default_limit": facets.DEFAULT_LIMIT,
    }


def describe_groups(address: Address) -> dict[str, Any]:
    """A choice for each group and metric that is asked for, and one more."""
    groups = address.read_words("group_by")
    metrics = address.metrics
    having = address.read_words("having")
    offered = list_metrics(address.dataset.table)
    titles = {metric.text: show_metric(metric.text) for _, each in offered for metric in each}
    comparable = {metric.text for _, each in offered for metric in each if metric.is_comparable}
    return {
        "groups": [*groups, ""][:MOST_GROUPED],
        "group_choices": list_groups(address.dataset.table),
        "metrics": [*metrics, ""][:MOST_METRICS],
        "metric_choices": [
            (function, [(metric.text, titles[metric.text]) for metric in each])
            for function, each in offered
        ],
        "compared": [
            (word, titles[word])
            for word in dict.fromkeys([*metrics, "count"])
            if word in comparable
        ],
        "signs": SIGNS.items(),
        "conditions": [
            (
                show_condition(word, titles),
                address.link({"having": ",".join(kept for kept in having if kept != word)}),
            )
            for word in having
        ],
        "most_limit": aggregates.MOST_LIMIT,
        "default_limit": aggregates.DEFAULT_LIMIT,
    }


def show_condition(word: str, titles: Mapping[str, str]) -> str:
    """`count__gte:5` as `Rows ≥ 5`."""
    metric, _, rest = word.partition("__")
    comparison, _, value = rest.partition(":")
    return f"{titles.get(metric, metric)} {SIGNS.get(comparison, comparison)} {value}"


def list_groups(table: Table) -> list[tuple[str, str]]:
    words = [
        word
        for column in table.columns
        for word in (column.name, *(f"{column.name}:{bucket}" for bucket in column.kind.buckets))
    ]
    return [(word, show_group(word)) for word in words]


def list_metrics(table: Table) -> list[tuple[str, list[Metric]]]:
    """By their function."""
    listed = [("", [Metric("count", "count", None)])]
    for function in FUNCTIONS:
        columns = [column for column in table.columns if function in column.kind.metrics]
        listed.append((function, [Metric(f"{function}:{c.name}", function, c) for c in columns]))
    return listed
