"""Filters of payloads and measurements."""

import re
from typing import Any

from django.db.models import Q

from config.api.filtersets import (
    CHOICE,
    IDENTIFIER,
    INTEGER,
    STRING,
    TEXT_IDENTIFIER,
    ColumnFilterSet,
    Lookup,
    match,
)
from dropzone.models import Measurement, Payload

DIGEST = re.compile("[0-9a-fA-F]{64}", re.ASCII)


def parse_digest(text: str) -> bytes:
    if DIGEST.fullmatch(text) is None:
        msg = f"“{text[:80]}” is not 64 hexadecimal digits"
        raise ValueError(msg)
    return bytes.fromhex(text)


def match_code(name: str, code: Any) -> Q:
    return Q(**{f"{name}__contains": [{"code": code}]})


class PayloadFilterSet(ColumnFilterSet):
    """`code` finds those that were rejected for it, among other reasons."""

    columns = {
        "id": IDENTIFIER,
        "sha256": (Lookup("", parse_digest, match("exact"), STRING),),
        "state": CHOICE,
        "sender": TEXT_IDENTIFIER,
        "idempotency_key": TEXT_IDENTIFIER,
        "code": (Lookup("", str, match_code, STRING),),
    }
    sources = {"code": "reasons"}

    class Meta:
        model = Payload
        fields: tuple[str, ...] = ()


class MeasurementFilterSet(ColumnFilterSet):
    """`count` by itself says how a list's rows are counted: the column is filtered by range."""

    columns = {"count": INTEGER[1:], "payload": IDENTIFIER}
    sources = {"payload": "payload_id"}

    class Meta:
        model = Measurement
        fields: tuple[str, ...] = ()
