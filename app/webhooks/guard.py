"""Where a webhook may go: the rules for URLs and for the addresses behind their names. Opens no connection.

Customers name URLs that this service then calls from inside its own network. So a URL's form is checked when it is
stored, and the addresses behind its name on every attempt, by the connection itself (``app.webhooks.transport``):
a name that answered harmlessly once may answer 127.0.0.1 the next time. One address that is not public refuses all.
What a refusal says is shown to the customer, so it never tells which address a name stands for here.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from app.settings import Settings

MAX_URL_LENGTH = 2000
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LAST_LABEL_NUMBER = re.compile(r"([0-9]+|0x[0-9a-f]*)")
# names that mean something only inside a network, and the cloud's metadata services
_LOCAL_SUFFIXES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
)
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# global by the registry, but no public server
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's own services, metadata among them
        "192.0.0.0/24",  # protocol assignments; a metadata service of Oracle's
        "192.88.99.0/24",  # 6to4 relays
        "::/96",  # IPv4-compatible, deprecated
        "2001::/23",  # Teredo and other protocol assignments
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "64:ff9b:1::/48",  # NAT64 inside one network
        "fec0::/10",  # site-local, deprecated
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Resolver = Callable[[str, int], Sequence[str]]


class Refused(Exception):
    """This target is not allowed; the text names the rule and the mend, and may be shown to the customer."""


@dataclass(frozen=True)
class AddressPolicy:
    """What is allowed beyond https to public addresses."""

    allow_http: bool = False
    allow_private: bool = False


def policy_of(settings: Settings) -> AddressPolicy:
    """The deployment's policy: plain http only in development, private addresses only where a setting says so."""
    return AddressPolicy(
        allow_http=settings.environment == "development",
        allow_private=settings.webhook_allow_private,
    )


def parse(url: str, policy: AddressPolicy) -> httpx.URL:
    """The URL, if its form is allowed; raises Refused. The very object that is returned must be used to connect."""
    if len(url) > MAX_URL_LENGTH:
        raise Refused(f"the URL has {len(url)} characters; {MAX_URL_LENGTH} are allowed")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Refused(f"this is not a URL: {error}") from None
    if parsed.scheme not in (("https", "http") if policy.allow_http else ("https",)):
        raise Refused("the URL must start with https://")
    if parsed.userinfo:
        raise Refused("the URL holds a user name or password; put what the receiver must know into the path or query")
    if parsed.fragment:
        raise Refused("the URL has a fragment (#…), which is never sent; remove it")
    _check_port(parsed.port)
    _check_host(parsed.raw_host.decode("ascii"), policy)
    return parsed


def _check_port(port: int | None) -> None:
    if port is not None and port not in (80, 443) and not 1024 <= port <= 65535:
        raise Refused(f"port {port} is not one for web servers; use 443, or one from 1024 to 65535")


def _check_host(host: str, policy: AddressPolicy) -> None:
    if ":" in host or _LAST_LABEL_NUMBER.fullmatch(host.rsplit(".", 1)[-1]):
        # any other way to write an address (decimal, hex, octal, shortened, with a zone) is read differently by
        # different programs, so only the canonical one is read at all
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise Refused(f"{host} is not an IP address in its usual form; use a name") from None
        checked([str(address)], policy)
        return
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Refused("the URL's host is not a valid name; use one like hooks.example.com")
    if policy.allow_private:
        return
    if len(labels) < 2 or any(host.endswith("." + suffix) for suffix in _LOCAL_SUFFIXES):
        raise Refused(f"{host} is a name inside a network; use one that is public")


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name, as text; raises OSError where there are none."""
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def checked(addresses: Sequence[str], policy: AddressPolicy) -> list[str]:
    """The addresses, if every one of them is allowed; raises Refused, also for none."""
    if not addresses:
        raise Refused("the URL's host has no address; check the name")
    if not policy.allow_private and not all(_is_public(address) for address in addresses):
        raise Refused("the URL's host is at an address that is not public; use a server that the internet can reach")
    return list(addresses)


def _is_public(text: str) -> bool:
    try:
        address: _Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        address = _inner(address)
    if any(address.version == network.version and address in network for network in _NEVER):
        return False
    # is_global alone lets multicast pass, and reserved ranges of newer registries
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _inner(address: ipaddress.IPv6Address) -> _Address:
    """The IPv4 address that an IPv6 one carries (mapped, 6to4, NAT64), or itself."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
