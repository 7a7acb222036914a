"""Who asks: the address of a client, behind proxies too."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from django.conf import settings

Address = IPv4Address | IPv6Address


def find_address(meta: Mapping[str, Any]) -> Address | None:
    """The client's address as the outermost of NUM_PROXIES saw it; None where the server listens on
    a Unix socket.

    What stands further left in X-Forwarded-For was written by the client, who may write anything.
    """
    peer = str(meta.get("REMOTE_ADDR", ""))
    proxies = settings.NUM_PROXIES
    forwarded = str(meta.get("HTTP_X_FORWARDED_FOR", "")) if proxies else ""
    if not forwarded:
        return parse_address(peer)
    hops = forwarded.rsplit(",", proxies)[-proxies:]
    return parse_address(hops[0].strip()) or parse_address(peer)


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """None where it is none; a port at its end is left out."""
    host = text.partition("]")[0].removeprefix("[")
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def find_network(meta: Mapping[str, Any]) -> str:
    """The client's address, of IPv6 its /64: who has one of these has them all. Empty for none."""
    address = find_address(meta)
    if isinstance(address, IPv6Address):
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return "" if address is None else str(address)
