"""The guard: which URLs and addresses imports may open connections to, and how they do.

The address is checked where the connection is made, not before: a name may lead elsewhere by
then, and programs read the same URL in different ways.
"""

import re
import socket
import ssl
from collections.abc import Callable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any
from urllib.parse import SplitResult, urlsplit

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import create_urllib3_context

from imports.engine.records import ImportFailure

Network = IPv4Network | IPv6Network
OnConnect = Callable[[socket.socket], None]

AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(:[0-9]*)?")
PUBLIC_PORTS = frozenset({80, 443})
FIRST_USER_PORT = 1024  # below it are mail, remote shells and the like
MAX_TRIES = 4  # of the addresses of one host, each for a whole connect timeout

# IANA's registries of special-purpose addresses, in full: ranges that they call globally reachable
# (anycast of AS112 and AMT) hold no files either.
DENIED = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's agent of its machines; registered as public
        "169.254.0.0/16",  # link-local, the clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        # Of IPv6 only 2000::/3 is given out, and an IPv4 address inside an IPv6 one is denied
        # whatever it is, since a gateway would lead to it; ::ffff:0:0/96 alone never leaves the
        # machine as IPv6, and is judged as IPv4.
        "::/3",  # ::, ::1, ::/96, ::ffff:0:0:0/96, 64:ff9b::/96, 64:ff9b:1::/48, 100::/64
        "2001::/23",  # protocol assignments, Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone, given back
        "3fff::/20",  # documentation
        "4000::/2",  # not given out, 5f00::/16
        "8000::/1",  # not given out, fc00::/7, fe80::/10, fec0::/10, ff00::/8
    )
)
# The interface identifiers ::0:5efe:a.b.c.d and ::200:5efe:a.b.c.d, under any prefix (RFC 5214).
ISATAP_MASK, ISATAP = 0xFDFF_FFFF << 32, 0x0000_5EFE << 32


def check_url(url: str) -> SplitResult:
    """Raises ImportFailure, which never repeats the URL: a password may be anywhere in it."""
    if not url.isprintable() or " " in url or "\\" in url:
        raise _deny("the URL contains a space, a control character or a backslash")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text repeats parts of the URL
        raise _deny("the URL's host or port is malformed") from None
    if parts.scheme not in {"http", "https"}:
        raise _deny("only http and https can be imported")
    if "@" in parts.netloc:
        raise _deny("the URL contains a user name or a password")
    if not parts.hostname:
        raise _deny("the URL names no host")
    if not AUTHORITY.fullmatch(parts.netloc):
        raise _deny("the URL's host is malformed, or not in its ASCII form (xn--…)")
    if port == 0:
        raise _deny("the URL's port is 0")
    return parts


def check_address(address: str, port: int, allowed: Sequence[Network]) -> None:
    """Raises ImportFailure, which does not name the address: that would tell of inner networks."""
    try:
        parsed = ip_address(address)
    except ValueError:
        raise _deny("the URL's host leads to no IP address") from None
    if "%" in address:  # it means another machine on each network
        raise _deny("the URL's host leads to an address with a zone")
    parsed = _unwrap(parsed)
    if any(parsed in network for network in allowed):
        return
    if is_denied(parsed):
        raise _deny("the URL's host leads to an address that is neither public nor allowed")
    if port not in PUBLIC_PORTS and port < FIRST_USER_PORT:
        raise _deny(f"port {port} is not open to imports: only 80, 443 and those from 1024 on")


def is_denied(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is anything but a public unicast address."""
    if isinstance(address, IPv6Address):
        is_scoped = address.scope_id is not None
        if is_scoped or int(address) & ISATAP_MASK == ISATAP:
            return True
    return any(_unwrap(address) in network for network in DENIED)


def _unwrap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that a socket takes ::ffff:a.b.c.d for."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def open_pool(allowed: Sequence[Network], on_connect: OnConnect) -> PoolManager:
    """A pool whose every connection is guarded; URLs are still to be checked by `check_url`.

    Refusals come out of its requests as ImportFailure, never retried; all that may pass by itself
    as urllib3's errors. Environment variables that name proxies are ignored, as always by a
    PoolManager.

    `on_connect` gets each socket before it connects, and the TLS socket that takes its place
    before the handshake. Another thread may shut the latest one down, which ends whatever waits
    for it. What `on_connect` raises comes out of the request.
    """

    class TLSSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            try:
                on_connect(self)
            except BaseException:
                self.close()
                raise
            super().do_handshake(block)

        def shutdown(self, how: int) -> None:
            # SSLSocket's own drops its TLS state, and so hands out what another thread still
            # reads undeciphered.
            socket.socket.shutdown(self, how)

    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, allowed, on_connect)

    class TLSConnection(Connection, HTTPSConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class TLSPool(HTTPSConnectionPool):
        ConnectionCls = TLSConnection

    context = create_urllib3_context()  # verifies certificates and host names
    context.load_default_certs()
    context.sslsocket_class = TLSSocket
    pool = PoolManager(ssl_context=context)
    pool.pool_classes_by_scheme = {"http": Pool, "https": TLSPool}
    return pool


def _connect(
    connection: HTTPConnection, allowed: Sequence[Network], on_connect: OnConnect
) -> socket.socket:
    try:
        failure: OSError = socket.gaierror(socket.EAI_NONAME, "it has no address")
        for family, address in _resolve(connection, allowed)[:MAX_TRIES]:
            try:
                return _open_socket(connection, family, address, on_connect)
            except OSError as error:
                failure = error
        raise failure
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, f"{connection.host} does not answer") from error
    except OSError as error:
        raise NewConnectionError(connection, f"{connection.host}: {error}") from error


def _resolve(
    connection: HTTPConnection, allowed: Sequence[Network]
) -> list[tuple[socket.AddressFamily, Any]]:
    """The host's addresses, looked up once; one that is denied denies them all."""
    try:
        found = socket.getaddrinfo(connection._dns_host, connection.port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise _deny("the URL's host is malformed") from None
    for *_, address in found:
        check_address(str(address[0]), connection.port, allowed)
    return [(family, address) for family, *_, address in found]


def _open_socket(
    connection: HTTPConnection,
    family: socket.AddressFamily,
    address: Any,
    on_connect: OnConnect,
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        on_connect(sock)
        for option in connection.socket_options or ():
            sock.setsockopt(*option)
        sock.settimeout(connection.timeout)
        sock.connect(address)
        if sock.getpeername()[:2] != address[:2]:  # 0.0.0.0 connects to 127.0.0.1, for one
            raise _deny("the connection leads to another address than the one that was checked")
    except BaseException:
        sock.close()
        raise
    return sock


def _deny(detail: str) -> ImportFailure:
    return ImportFailure("url_denied", detail)
