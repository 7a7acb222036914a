import select

import psycopg
from django.contrib.gis.db.backends.postgis import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Asks the server whether it is there only where something came in that nobody asked for.

    A server that ends a connection says so, and the socket can be read. One that vanished answers
    nothing, and to a question of Django's own it would not either: that question, before the first
    of each request, took a quarter of the time of a page.
    """

    def close_if_health_check_failed(self) -> None:
        if self.connection is not None and is_silent(self.connection):
            self.health_check_done = True
            return
        super().close_if_health_check_failed()


def is_silent(connection: psycopg.Connection) -> bool:
    """Whether the connection is open, and nothing waits to be read from it."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
