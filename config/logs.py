"""Log lines: one JSON object each for programs, or readable text for people."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

FORMATS = ("console", "json")
# These run for ever, or on behalf of what does: their lines are events, and go to standard output.
# Of any other command standard output is what somebody asked for, and only faults are told.
SERVICES = {"rqworker", "sweep", "run_import", "drain_payloads"}

# What every line has, whoever writes it.
COMMON: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def describe_logging(form: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Django's LOGGING for a process that was started with these arguments.

    Raises ImproperlyConfigured for a form that there is not.
    """
    if form not in FORMATS:
        raise ImproperlyConfigured(f"LOG_FORMAT: {form} is not one of {', '.join(FORMATS)}")
    configure_structlog()
    is_service = serves(arguments)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": make_formatter, "form": form}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "lines",
                "stream": f"ext://sys.{'stdout' if is_service else 'stderr'}",
            }
        },
        "root": {"handlers": ["console"], "level": "INFO" if is_service else "WARNING"},
        "loggers": {
            # Its warnings of a retry would stand in the middle of a progress bar.
            "urllib3": {"level": "ERROR"},
            # django-structlog tells of every request, and of every fault with its traceback.
            "django.request": {"level": "CRITICAL"},
            # These come with handlers of their own, which write another form.
            **{
                name: {"handlers": [], "propagate": True, "level": "INFO"}
                for name in ("django", "_granian", "granian.access")
            },
        },
    }


def serves(arguments: Sequence[str]) -> bool:
    if Path(arguments[0]).name != "manage.py":
        return True
    return not SERVICES.isdisjoint(arguments[1:2])


def configure_structlog() -> None:
    """Lets what structlog's loggers are told go the way of all other lines."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *COMMON,
            structlog.stdlib.PositionalArgumentsFormatter(),
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def make_formatter(form: str = "") -> ProcessorFormatter:
    """Without `form` that of LOG_FORMAT: granian's main process, which config/granian.json has use
    this, reads no settings."""
    is_json = (form or os.environ.get("LOG_FORMAT") or "json") == "json"
    ending: tuple[Processor, ...] = (
        (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())
        if is_json
        else (CONSOLE,)
    )
    return ProcessorFormatter(
        foreign_pre_chain=COMMON,
        processors=[ProcessorFormatter.remove_processors_meta, *ending],
    )


# Without the values of variables, which may be secrets.
CONSOLE = structlog.dev.ConsoleRenderer(
    colors=False, exception_formatter=structlog.dev.plain_traceback
)
