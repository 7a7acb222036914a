"""A network of a test's own, where somebody listens at every address that it may have."""

import ctypes
import os
import selectors
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import pytest

NEW_NETWORK = 0x4000_0000  # CLONE_NEWNET of <sched.h>


@dataclass
class Listeners:
    """Something listens at each of these addresses, at one port, and counts who connects."""

    port: int
    accepted: Counter[str] = field(default_factory=Counter)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    is_stopping: Event = field(default_factory=Event)

    @property
    def addresses(self) -> set[str]:
        return {str(key.data) for key in self.selector.get_map().values()}

    def add(self, address: str) -> None:
        """Leaves out what this network's loopback could not be given."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family)
        try:
            listener.bind((address, self.port))
            listener.listen(64)
        except OSError:
            listener.close()
        else:
            self.selector.register(listener, selectors.EVENT_READ, address)

    def serve(self) -> None:
        while not self.is_stopping.is_set():
            for key, _ in self.selector.select(0.02):
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.accept()[0].close()
                self.accepted[key.data] += 1

    def close(self) -> None:
        for key in list(self.selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self.selector.close()


@contextmanager
def enter_network() -> Iterator[None]:
    """This thread, and the processes that it starts, have a network of their own meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(NEW_NETWORK):
            pytest.skip(f"no network of its own: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            assert libc.setns(home, NEW_NETWORK) == 0
    finally:
        os.close(home)


def add_addresses(addresses: Sequence[str]) -> None:
    """Gives this network's loopback the addresses that Linux lets an interface have."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    lines = [
        f"addr add {text}/{'128 dev lo nodad' if ':' in text else '32 dev lo'}\n"
        for text in addresses
    ]
    command = ["ip", "-force", "-batch", "-"]
    subprocess.run(command, input="".join(lines).encode(), capture_output=True)


@contextmanager
def listen(port: int, addresses: Sequence[str]) -> Iterator[Listeners]:
    listeners = Listeners(port)
    for address in addresses:
        listeners.add(address)
    thread = Thread(target=listeners.serve, daemon=True)
    thread.start()
    try:
        yield listeners
    finally:
        listeners.is_stopping.set()
        thread.join()
        listeners.close()
