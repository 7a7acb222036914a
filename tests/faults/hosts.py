"""Hosts that must never be connected to, and what a resolver answers when it is asked for them."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from tests.imports.test_guarding import DENIED

PUBLIC = "93.184.215.14"
BROADCASTS = {"127.255.255.255", "255.255.255.255"}

# Hosts as a URL has them, and the addresses that they lead to.
ADDRESSES: Mapping[str, Sequence[str]] = {
    f"[{text}]" if ":" in text else text: [text] for text in DENIED if "%" not in text
}
SPELLINGS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("127.1", "0x7f.1", "0177.0.0.1", "2130706433", "0x7f000001"), ("127.0.0.1",)),
    **dict.fromkeys(("017700000001", "①27.0.0.1", "127。0。0。1", "%31%32%37.1"), ("127.0.0.1",)),
    **dict.fromkeys(("10.1", "0xa.1", "012.0.0.1", "167772161"), ("10.0.0.1",)),
    **dict.fromkeys(("0xa9fea9fe", "2852039166", "169.254.43518"), ("169.254.169.254",)),
    **dict.fromkeys(("0", "0x0", "0.0.0.0"), ("0.0.0.0",)),  # noqa: S104
    "[0:0:0:0:0:ffff:7f00:1]": ["::ffff:7f00:1"],
    "[fe80::1%25lo]": ["fe80::1%lo"],
    f"{PUBLIC}@10.0.0.1": ["10.0.0.1"],
    f"{PUBLIC}\\@10.0.0.1": ["10.0.0.1"],
}
NAMES: Mapping[str, Sequence[str]] = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "127.0.0.1.": ["127.0.0.1"],
    "inner.example": ["10.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "agent.example": ["168.63.129.16"],
    "carrier.example": ["100.64.0.1"],
    "inner6.example": ["fd00:ec2::254"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "zone.example": ["fe80::1%lo"],
    "nat64.example": ["64:ff9b::a00:1"],
    "public-first.example": [PUBLIC, "192.168.1.1"],
    "public-last.example": ["192.168.1.1", PUBLIC],
    "public-often.example": [*[PUBLIC] * 5, "::1"],
    "xn--bcher-kva.example": ["192.168.1.1"],
    "a_b.example": ["192.168.1.1"],
}
UNKNOWN: Mapping[str, Sequence[str]] = {"nowhere.example": []}
HOSTS = {**ADDRESSES, **SPELLINGS, **NAMES, **UNKNOWN}


def name_rebinding(number: int) -> str:
    return f"rebinding-{number}.example"


def list_answers() -> dict[str, list[list[str]]]:
    """What names lead to, at each look-up; the rebinding ones first to the public server."""
    names = {host: [list(found)] for host, found in {**NAMES, **UNKNOWN}.items()}
    rebinding = {
        name_rebinding(number): [[PUBLIC], list(found)]
        for number, found in enumerate(HOSTS.values())
    }
    return names | rebinding


def list_addresses() -> list[str]:
    """What HOSTS lead to, as far as a socket can be connected to just that."""
    found = {text for addresses in HOSTS.values() for text in addresses}
    parsed = {ip_address(text) for text in found - BROADCASTS - {PUBLIC} if "%" not in text}
    plain = {getattr(address, "ipv4_mapped", None) or address for address in parsed}
    return sorted(str(one) for one in plain if not (one.is_unspecified or one.is_multicast))
