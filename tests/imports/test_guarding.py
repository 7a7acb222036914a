"""Connections are made to the addresses that were checked, and to no others."""

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from threading import Thread, Timer
from typing import Any

import pytest
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
)

from imports.engine.guarding import (
    MAX_TRIES,
    Network,
    check_address,
    check_url,
    is_denied,
    open_pool,
)
from imports.engine.records import ImportFailure
from tests.servers import Site, run_site

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"),)
WIDE = [chr(0xFF10 + n) for n in range(10)]  # digits that NFKC turns into 0 to 9
INNER = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "168.63.129.16"]


def wrap(text: str) -> Iterator[str]:
    """An IPv4 address in every form of IPv6 that may lead to it."""
    number = int(IPv4Address(text))
    for form in (
        number,  # IPv4-compatible
        int(IPv6Address("::ffff:0:0")) | number,  # mapped
        int(IPv6Address("::ffff:0:0:0")) | number,  # translated
        int(IPv6Address("64:ff9b::")) | number,  # NAT64
        int(IPv6Address("64:ff9b:1::")) | number,  # NAT64, local, /96
        int(IPv6Address("64:ff9b:1::")) | number >> 16 << 64 | (number & 0xFFFF) << 40,  # /48
        int(IPv6Address("2002::")) | number << 80,  # 6to4
        int(IPv6Address("2001::")) | number << 64,  # Teredo's server
        int(IPv6Address("2001:0:5db8:d822::")) | number ^ 0xFFFF_FFFF,  # Teredo's client
        int(IPv6Address("2606:4700::5efe:0:0")) | number,  # ISATAP
        int(IPv6Address("2606:4700::200:5efe:0:0")) | number,  # ISATAP
        int(IPv6Address("fe80::5efe:0:0")) | number,
    ):
        yield str(IPv6Address(form))


DENIED = [
    *INNER,
    *(form for text in INNER for form in wrap(text)),
    *(form for form in wrap("8.8.8.8") if not IPv6Address(form).ipv4_mapped),
    *("0.0.0.1", "0.1.2.3", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.100.100.200"),
    *("100.127.255.255", "127.255.255.255", "169.254.0.0", "169.254.170.2", "172.16.0.0"),
    *("172.31.255.255", "192.0.0.0", "192.0.0.8", "192.0.0.9", "192.0.0.170", "192.0.0.192"),
    *("192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.0.0"),
    *("192.168.255.255", "192.175.48.1", "198.18.0.0", "198.19.255.255", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "233.252.0.1", "239.255.255.250", "240.0.0.1"),
    *("255.255.255.254", "255.255.255.255", "::", "::1", "::2", "100::1", "100:0:0:1::1"),
    *("2001:1::1", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1", "2001:20::1"),
    *("2001:30::1", "2001:1ff:ffff::1", "2001:db8::1", "2620:4f:8000::1", "3ffe::1", "3fff::1"),
    *("3fff:fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0"),
    *("febf::1", "fec0::1", "feff::1", "ff00::1", "ff02::1", "ff0e::1", "2606:4700::1111%eth0"),
    *("200::1", "400::1", "1fff:ffff::1", "a000::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
]
PUBLIC = [
    *("1.0.0.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
    *("128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0"),
    *("172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0"),
    *("198.17.255.255", "198.20.0.0", "203.0.112.255", "203.0.114.0", "223.255.255.255"),
    *("::ffff:8.8.8.8", "2000::1", "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111"),
    *("2003::1", "2a00:1450:4001::200e", "2620:4f:7fff::1", "2001:db7::1", "3fff:1000::1"),
]


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that this process connects to, in order.

    An audit hook would see them too, but stays for the rest of the process, and before Python 3.12
    a thread that begins while a hook of another one runs cannot be traced: it dies.
    """
    connects: list[str] = []
    connect = socket.socket.connect

    def note(sock: socket.socket, address: tuple[Any, ...]) -> None:
        connects.append(address[0])
        connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", note)
    return connects


@pytest.fixture
def site() -> Iterator[Site]:
    with run_site() as site:
        yield site


def request(url: str, allowed: Sequence[Network] = (), **options: Any) -> bytes:
    with open_pool(allowed, lambda sock: None) as pool:
        options = {"retries": False, "redirect": False, "timeout": 5, **options}
        return pool.request("GET", url, **options).data


def answer_lookups(monkeypatch: pytest.MonkeyPatch, *answers: Sequence[str]) -> list[str]:
    """Each look-up gets the next answer; the list that is returned tells the names looked up."""
    names: list[str] = []

    def resolve(host: str, port: int, **options: Any) -> list[tuple[Any, ...]]:
        names.append(host)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (text, port, 0, 0))
            if ":" in text
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
            for text in answers[len(names) - 1]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return names


@pytest.mark.parametrize("text", DENIED)
def test_special_address_is_denied(text: str) -> None:
    assert is_denied(ip_address(text))
    for port in (80, 443, 8080):
        with pytest.raises(ImportFailure, match="url_denied"):
            check_address(text, port, ())


@pytest.mark.parametrize("text", PUBLIC)
def test_public_address_passes(text: str) -> None:
    assert not is_denied(ip_address(text))
    for port in (80, 443, 1024, 8080, 65535):
        check_address(text, port, ())


@pytest.mark.parametrize("port", [0, 1, 22, 25, 81, 442, 444, 1023])
def test_service_ports_of_public_addresses_are_denied(port: int) -> None:
    with pytest.raises(ImportFailure, match=f"port {port} "):
        check_address("8.8.8.8", port, ())


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.1.2.3", "10.1.0.0/16"),
        ("::ffff:10.1.2.3", "10.1.0.0/16"),
        ("168.63.129.16", "0.0.0.0/0"),
        ("fd00::1", "fd00::/8"),
        ("64:ff9b::808:808", "64:ff9b::/96"),
        ("8.8.8.8", "8.8.8.0/24"),
    ],
)
def test_allowed_network_is_open_at_any_port(text: str, network: str) -> None:
    for port in (22, 80, 8080):
        check_address(text, port, [ip_network("192.168.7.0/24"), ip_network(network)])


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.2.0.1", "10.1.0.0/16"),
        ("::10.1.2.3", "10.1.0.0/16"),
        ("64:ff9b::10.1.2.3", "10.1.0.0/16"),
        ("2002:a01:203::1", "10.1.0.0/16"),
        ("::ffff:10.1.2.3", "::/0"),
        ("fe80::1%eth0", "fe80::/10"),
        ("127.0.0.1", "::/0"),
        ("::1", "0.0.0.0/0"),
    ],
)
def test_address_outside_the_allowed_network_is_denied(text: str, network: str) -> None:
    with pytest.raises(ImportFailure, match="url_denied"):
        check_address(text, 80, [ip_network(network)])


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "8.8.8", "010.8.8.8", "134744072", "8.8.8.8/32", f"{WIDE[8]}.8.8.8", "[::1]"],
)
def test_text_that_is_no_address_is_denied(text: str) -> None:
    with pytest.raises(ImportFailure, match="no IP address"):
        check_address(text, 80, [ip_network("0.0.0.0/0"), ip_network("::/0")])


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "https://example.org/a.csv?x=1&y=%20#z",
        "HTTPS://EXAMPLE.org:443/",
        "http://example.org./",
        "http://example.org:/",
        "http://a_b.example.org:8080/ü?q=@",
        "http://xn--bcher-kva.example/",
        "http://8.8.8.8/",
        "http://[2606:4700::1111]:8080/",
    ],
)
def test_web_url_passes(url: str) -> None:
    parts = check_url(url)

    assert parts.scheme in {"http", "https"}
    assert parts.hostname


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("file:///etc/passwd", "only http"),
        ("ftp://example.org/", "only http"),
        ("gopher://example.org/", "only http"),
        ("//example.org/", "only http"),
        ("example.org", "only http"),
        ("", "only http"),
        ("http://", "no host"),
        ("http:///a", "no host"),
        ("http:example.org", "no host"),
        ("http://:80/", "no host"),
        ("http://user@example.org/", "user name"),
        ("http://user:s3cret@example.org/", "user name"),
        ("http://:s3cret@example.org/", "user name"),
        ("http://@example.org/", "user name"),
        ("http://example.org%40:s3cret@127.0.0.1/", "user name"),
        ("http://user:s3cret@example.org:http/", "malformed"),
        ("http://user:s3cret/@example.org/", "malformed"),
        ("http://user:s3cret@exam℀ple.org/", "malformed"),
        ("http://example.org:0/", "port is 0"),
        ("http://example.org:65536/", "port is malformed"),
        ("http://example.org:-1/", "port is malformed"),
        (f"http://example.org:{WIDE[8]}{WIDE[0]}/", "port is malformed"),
        ("http://[::1/", "malformed"),
        ("http://[::1]x/", "malformed"),
        ("http://[v1.fe80]/", "malformed"),
        ("http://[fe80::1%25eth0]/", "malformed"),
        ("http://%31%32%37.0.0.1/", "malformed"),
        ("http://exa!mple.org/", "malformed"),
        ("http://①27.0.0.1/", "ASCII"),
        (f"http://{WIDE[1]}{WIDE[2]}{WIDE[7]}.0.0.1/", "ASCII"),
        ("http://127。0。0。1/", "ASCII"),
        ("http://bücher.example/", "ASCII"),
        (" http://example.org/", "a space"),
        ("http://example.org/a b", "a space"),
        ("http://example.org\\@127.0.0.1/", "backslash"),
        ("http://example.org/\r\nHost: x", "control character"),
        ("ht\ttp://example.org/", "control character"),
        ("http://example.org/\0", "control character"),
        ("http://example.org/\u202ecsv", "control character"),
        ("http://example.org/\u00a0", "a space"),
    ],
)
def test_other_url_is_denied(url: str, what: str) -> None:
    with pytest.raises(ImportFailure, match=what) as caught:
        check_url(url)

    assert caught.value.code == "url_denied"
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "0x7f.1", "0177.0.0.1", "2130706433", "017700000001", "0", "0x0"),
        *("127.0.0.1.", "localhost", "localhost.", "LOCALHOST", "10.0.0.1", "169.254.169.254"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
        *("[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[::ffff:0:127.0.0.1]"),
        *("[fe80::1%25lo]", "[fe80::5efe:7f00:1]", "①27.0.0.1", "127。0。0。1"),
        f"{WIDE[1]}{WIDE[2]}{WIDE[7]}.0.0.1",
        *("%31%32%37.0.0.1", "user:s3cret@127.0.0.1", "a..b", f"{'a' * 64}.example"),
    ],
)
def test_inner_host_is_never_connected_to(host: str, connects: list[str]) -> None:
    # Names may be unknown, and what is no host is refused before it is looked up.
    refusals = (ImportFailure, NameResolutionError, LocationParseError)

    with listen() as port, open_pool((), lambda sock: None) as pool:
        for scheme in ("http", "https"):
            with pytest.raises(refusals):
                pool.request("GET", f"{scheme}://{host}:{port}/", retries=False, timeout=5)

    assert connects == []


def test_name_of_an_inner_address_is_never_connected_to(
    monkeypatch: pytest.MonkeyPatch, connects: list[str]
) -> None:
    answer_lookups(monkeypatch, *[[address] for address in DENIED])

    with open_pool((), lambda sock: None) as pool:
        for _ in DENIED:
            with pytest.raises(ImportFailure, match="url_denied"):
                pool.request("GET", "https://files.example/")

    assert connects == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/"])
def test_other_schemes_have_no_pool(url: str, connects: list[str]) -> None:
    with pytest.raises(urllib3.exceptions.LocationValueError):
        request(url, LOOPBACK)

    assert connects == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["8.8.8.8", "2606:4700::1111", "::ffff:10.0.0.1"],
        ["127.0.0.2", "10.0.0.1"],
        [*["8.8.8.8"] * MAX_TRIES, "10.0.0.1"],
    ],
)
def test_one_denied_address_denies_the_host(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch, connects: list[str]
) -> None:
    answer_lookups(monkeypatch, addresses)

    with pytest.raises(ImportFailure, match="neither public nor allowed"):
        request("http://files.example/", [ip_network("127.0.0.2/32")])

    assert connects == []


def test_denied_port_of_a_public_host_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch, connects: list[str]
) -> None:
    answer_lookups(monkeypatch, ["8.8.8.8"])

    with pytest.raises(ImportFailure, match="port 25 "):
        request("http://files.example:25/")

    assert connects == []


def test_name_is_looked_up_once_and_its_checked_address_used(
    site: Site, monkeypatch: pytest.MonkeyPatch, connects: list[str]
) -> None:
    names = answer_lookups(monkeypatch, ["127.0.0.2"], ["127.0.0.1"])
    url = site.serve("/", b"inner").replace("127.0.0.1", "files.example.")

    with pytest.raises(NewConnectionError):
        request(url, [ip_network("127.0.0.2/32")])

    assert names == ["files.example."]
    assert connects == ["127.0.0.2"]
    assert site.requests == []


def test_refusal_ends_the_retries(
    site: Site, monkeypatch: pytest.MonkeyPatch, connects: list[str]
) -> None:
    names = answer_lookups(monkeypatch, ["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2"])
    url = site.serve("/", b"inner").replace("127.0.0.1", "files.example")

    with pytest.raises(ImportFailure, match="url_denied"):
        request(url, [ip_network("127.0.0.2/32")], retries=5)

    assert len(names) == 2
    assert connects == ["127.0.0.2"]


def test_other_peer_than_the_one_checked_is_denied(site: Site) -> None:
    url = site.serve("/", b"inner").replace("127.0.0.1", "0.0.0.0")  # noqa: S104

    with pytest.raises(ImportFailure, match="another address"):
        request(url, [ip_network("0.0.0.0/8")])

    assert site.requests == []


def test_next_address_is_tried(
    site: Site, monkeypatch: pytest.MonkeyPatch, connects: list[str]
) -> None:
    answer_lookups(monkeypatch, ["127.0.0.2", "127.0.0.3", "127.0.0.1"])
    url = site.serve("/", b"here").replace("127.0.0.1", "files.example")

    assert request(url, LOOPBACK) == b"here"
    assert connects == ["127.0.0.2", "127.0.0.3", "127.0.0.1"]


def test_only_a_few_addresses_are_tried(
    site: Site, monkeypatch: pytest.MonkeyPatch, connects: list[str]
) -> None:
    answer_lookups(monkeypatch, [f"127.0.1.{n}" for n in range(100)])

    with pytest.raises(NewConnectionError):
        request(site.url.replace("127.0.0.1", "files.example"), LOOPBACK)

    assert len(connects) == MAX_TRIES


@pytest.mark.parametrize("answer", [[], None])
def test_failed_look_up_may_be_retried(
    answer: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if answer is None:
        monkeypatch.setattr(socket, "getaddrinfo", fail_lookup)
    else:
        answer_lookups(monkeypatch, answer)

    with pytest.raises(NameResolutionError):
        request("http://files.example/")


def fail_lookup(*args: object, **options: object) -> None:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def test_allowed_network_is_read_from(site: Site) -> None:
    url = site.serve("/file.csv", b"a,b\n")

    assert request(url, LOOPBACK) == b"a,b\n"


def test_mapped_address_is_judged_as_ipv4(site: Site) -> None:
    url = site.serve("/file.csv", b"a,b\n").replace("127.0.0.1", "[::ffff:127.0.0.1]")

    with pytest.raises(NewConnectionError):  # it passes, but the server listens on IPv4 only
        request(url.replace("[::ffff:127.0.0.1]", "[::ffff:127.0.0.2]"), LOOPBACK)
    assert request(url, LOOPBACK) == b"a,b\n"


def test_proxies_of_the_environment_are_ignored(
    site: Site, monkeypatch: pytest.MonkeyPatch, connects: list[str]
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.9:9")

    assert request(site.serve("/", b"here"), LOOPBACK) == b"here"
    assert connects == ["127.0.0.1"]


def test_redirect_to_a_denied_address_is_not_followed(site: Site, connects: list[str]) -> None:
    url = site.redirect("/", "http://169.254.169.254/latest/meta-data/")

    with pytest.raises(ImportFailure, match="url_denied"):
        request(url, LOOPBACK, redirect=True, retries=5)

    assert connects == ["127.0.0.1"]


def test_socket_is_handed_over_before_it_connects(site: Site, connects: list[str]) -> None:
    seen: list[tuple[socket.socket, int]] = []
    url = site.serve("/", b"here")

    with open_pool(LOOPBACK, lambda sock: seen.append((sock, len(connects)))) as pool:
        pool.request("GET", url)

    assert [count for _, count in seen] == [0]


class Stop(Exception):
    """Somebody does not want to go on."""


def refuse(sock: socket.socket) -> None:
    raise Stop


def test_connection_may_be_refused_by_who_is_told(site: Site, connects: list[str]) -> None:
    with open_pool(LOOPBACK, refuse) as pool, pytest.raises(Stop):
        pool.request("GET", site.url)

    assert connects == []


def test_socket_options_and_timeouts_are_respected() -> None:
    seen: list[socket.socket] = []

    with listen() as port, open_pool(LOOPBACK, seen.append) as pool:
        pool.connection_pool_kw["socket_options"] = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        began = time.monotonic()
        connection = pool.connection_from_host("127.0.0.1", port)._new_conn()
        connection.timeout = 3.5
        connection.connect()
        assert seen[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert seen[0].gettimeout() == 3.5
        connection.close()
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            pool.request("GET", f"http://127.0.0.1:{port}/", timeout=0.2, retries=False)
        with pytest.raises(HTTPError):
            pool.request("GET", f"https://127.0.0.1:{port}/", timeout=0.2, retries=False)
        assert time.monotonic() - began < 2


@contextmanager
def listen(backlog: int = 5) -> Iterator[int]:
    """A port where connections are made, and never answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        yield listener.getsockname()[1]


@contextmanager
def fill(port: int) -> Iterator[None]:
    """Leaves a port no room for more connections: who knocks waits."""
    waiting = [socket.socket() for _ in range(4)]
    for sock in waiting:
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", port))
    time.sleep(0.1)
    yield
    for sock in waiting:
        sock.close()


def test_host_that_does_not_answer_times_out() -> None:
    with listen(0) as port, fill(port), pytest.raises(ConnectTimeoutError):
        request(f"http://127.0.0.1:{port}/", LOOPBACK, timeout=0.2)


@pytest.mark.parametrize(("scheme", "backlog"), [("http", 0), ("http", 5), ("https", 5)])
def test_other_thread_ends_a_wait(scheme: str, backlog: int) -> None:
    """While it connects, during the TLS handshake, or before the answer."""
    sockets: list[socket.socket] = []
    began = time.monotonic()

    with listen(backlog) as port, open_pool(LOOPBACK, sockets.append) as pool:
        timer = Timer(0.3, lambda: sockets[-1].shutdown(socket.SHUT_RDWR))
        timer.start()
        with fill(port) if backlog == 0 else listen(), pytest.raises(HTTPError):
            pool.request("GET", f"{scheme}://127.0.0.1:{port}/", timeout=10, retries=False)
        timer.join()

    assert time.monotonic() - began < 3


@dataclass
class TLSSite:
    """A server for `files.example`, and the host names that it was asked for."""

    port: int
    names: list[str | None] = field(default_factory=list)

    def url(self, host: str = "files.example") -> str:
        return f"https://{host}:{self.port}/"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and its key, for `files.example`."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    name = ["-subj", "/CN=files.example", "-addext", "subjectAltName=DNS:files.example"]
    kind = ["-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt"]
    files = ["-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    command = ["openssl", "req", *kind, "ec_paramgen_curve:prime256v1", *name, *files]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


@pytest.fixture
def tls_site(certificate: Path) -> Iterator[TLSSite]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(10_000):  # until nobody listens
                    self.wfile.write(b"a" * 1000)
            except OSError:
                return

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = TLSSite(server.server_port)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda sock, name, context: site.names.append(name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


def test_certificate_of_a_stranger_is_refused(
    tls_site: TLSSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_lookups(monkeypatch, ["127.0.0.1"])

    with pytest.raises(SSLError, match="self-signed"):
        request(tls_site.url(), LOOPBACK)


def test_certificate_of_another_host_is_refused(
    tls_site: TLSSite, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    answer_lookups(monkeypatch, ["127.0.0.1"])

    with pytest.raises(SSLError, match="Hostname mismatch"):
        request(tls_site.url("others.example"), LOOPBACK)


def test_certificate_for_no_address_is_refused(
    tls_site: TLSSite, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    with pytest.raises(SSLError, match="IP address mismatch"):
        request(tls_site.url("127.0.0.1"), LOOPBACK)


def test_certificate_of_the_host_is_accepted(
    tls_site: TLSSite, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    answer_lookups(monkeypatch, ["127.0.0.1"])

    assert request(tls_site.url(), LOOPBACK).startswith(b"aaa")
    assert tls_site.names == ["files.example"]


def test_tls_may_be_refused_by_who_is_told(
    tls_site: TLSSite, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    answer_lookups(monkeypatch, ["127.0.0.1"])

    def refuse_tls(sock: socket.socket) -> None:
        if isinstance(sock, ssl.SSLSocket):
            raise Stop

    with open_pool(LOOPBACK, refuse_tls) as pool, pytest.raises(Stop):
        pool.request("GET", tls_site.url())


def test_shut_down_connection_hands_out_no_ciphertext(
    tls_site: TLSSite, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    answer_lookups(monkeypatch, ["127.0.0.1"])
    sockets: list[socket.socket] = []

    with open_pool(LOOPBACK, sockets.append) as pool:
        response = pool.request("GET", tls_site.url(), preload_content=False)
        body = response.read1(1000)
        time.sleep(0.2)  # until there is more to be read
        sockets[-1].shutdown(socket.SHUT_RDWR)
        with suppress(HTTPError):
            body += response.read()
        response.close()

    assert 0 < len(body) < 10_000_000
    assert set(body) == set(b"a")
