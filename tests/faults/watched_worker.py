"""A manage.py that notes where it connects to and what it looks up, its forked processes included.

    python -m tests.faults.watched_worker WATCH rqworker imports --burst

`WATCH` is a file: a `Watch` as JSON.
"""

import json
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from django.core.management import execute_from_command_line
from urllib3.connection import HTTPConnection

from imports.engine import fetching, guarding
from imports.engine.guarding import Network

CONNECTS = frozenset({"connect", "connect_ex", "sendto", "sendmsg"})
LOOK_UP = "look-up"
INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})
EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))

Found = list[tuple[socket.AddressFamily, Any]]

find_checked = guarding._resolve
find_numbers = socket.getaddrinfo


@dataclass(frozen=True)
class Watch:
    """What to answer look-ups with, and where to note them.

    The n-th look-up of a name in a process gets its n-th answer, and the first again after the
    last. An answer is the addresses, however written; without any the name is not known.
    """

    log: str
    names: Mapping[str, Sequence[Sequence[str]]]
    hole: str = ""


@dataclass(frozen=True)
class Log:
    """Lines that several processes write: each is one write to the end of the file."""

    file: int

    def note(self, event: str, host: str) -> None:
        os.write(self.file, json.dumps([event, host]).encode() + b"\n")

    def watch(self, name: str) -> None:
        """Notes the calls of a socket's method, with the address where one is given.

        An audit hook would see them too, but before Python 3.12 a thread that begins while a hook
        of another one runs cannot be traced: it dies.
        """
        method = getattr(socket.socket, name)

        def call(sock: socket.socket, *values: Any) -> Any:
            if sock.family in INTERNET:
                peer = values[-1]
                self.note(name, str(peer[0]) if isinstance(peer, tuple) else "")
            return method(sock, *values)

        setattr(socket.socket, name, call)


@dataclass
class Resolver:
    """Stands in for `socket.getaddrinfo`; asks no name server."""

    log: Log
    names: Mapping[str, Sequence[Sequence[str]]]
    counts: Counter[str] = field(default_factory=Counter)

    def look_up(self, host: str, port: int, **options: Any) -> list[tuple[Any, ...]]:
        self.log.note(LOOK_UP, host)
        answers = self.names.get(host) or [[host]]
        answer = answers[self.counts[host] % len(answers)]
        self.counts[host] += 1
        if not answer:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        options["flags"] = socket.AI_NUMERICHOST
        return [entry for text in answer for entry in find_numbers(text, port, **options)]


def check_nothing(connection: HTTPConnection, allowed: Sequence[Network]) -> Found:
    return find_checked(connection, EVERYWHERE)


def look_up_twice(connection: HTTPConnection, allowed: Sequence[Network]) -> Found:
    """Checks one answer, and hands out the next."""
    find_checked(connection, allowed)
    return find_checked(connection, EVERYWHERE)


# What a guard must not do: the watch must see it.
HOLES: Mapping[str, Callable[[HTTPConnection, Sequence[Network]], Found]] = {
    "": find_checked,
    "checks nothing": check_nothing,
    "looks up twice": look_up_twice,
}


def start(watch: Watch) -> None:
    log = Log(os.open(watch.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    vars(socket)["getaddrinfo"] = Resolver(log, watch.names).look_up
    vars(guarding)["_resolve"] = HOLES[watch.hole]
    vars(fetching)["RETRY_PAUSES"] = (0.0,) * len(fetching.RETRY_PAUSES)
    for name in CONNECTS:
        log.watch(name)


if __name__ == "__main__":
    start(Watch(**json.loads(Path(sys.argv[1]).read_text())))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    execute_from_command_line(["manage.py", *sys.argv[2:]])
