#!/usr/bin/env python
"""Django's command line for Catchment."""

import os
import signal
import sys

# Ctrl-C while Django is still being imported ends the command without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.core.management import execute_from_command_line  # noqa: E402
from django.db import OperationalError  # noqa: E402

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
    except (ImproperlyConfigured, OperationalError) as error:
        # Whoever set a variable wrongly, or whose database is down, needs no traceback for it.
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"{type(error).__name__}: {error}")
