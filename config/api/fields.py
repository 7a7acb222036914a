"""Columns of kinds that Django does not have."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

MAX_EXPONENT = 16_000  # PostgreSQL keeps 16,383 digits behind the point


class NumericField(models.Field[Any, Any]):
    """PostgreSQL's `numeric` without a scale: every digit stays as it came."""

    description = "A decimal number of any precision"

    def db_type(self, connection: Any) -> str:
        return "numeric"

    def to_python(self, value: Any) -> Decimal | None:
        if value is None:
            return None
        try:
            number = Decimal(value)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise ValidationError("“%(value)s” is no number", params={"value": value}) from error
        if not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
            raise ValidationError("“%(value)s” is out of range", params={"value": value})
        return number
