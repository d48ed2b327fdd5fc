"""Which names this server answers to, and which pages may talk to it.

A web page elsewhere can point its own name at 127.0.0.1 (DNS rebinding) or send forms and open
sockets to us from a victim's browser. So a request's ``Host`` must be one that we know: on a
loopback address only loopback names and ``server.allowed_hosts``; on a wider address also the
listen address and any literal IP address, since a literal cannot be rebound. And an ``Origin``,
where a browser sends one, must be the very address that was asked, or an allowed host.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from twinhelm.core.errors import BadInput
from twinhelm.core.settings import ServerSettings

__all__ = ["HostRule", "is_loopback", "listen_address", "split_host"]

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def listen_address(listen: str) -> tuple[str, int]:
    """Split ``HOST:PORT``; raises :class:`BadInput` that says what is wrong with it.

    >>> listen_address("[::1]:9700")
    ('::1', 9700)
    """
    host, colon, port = listen.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not bare or (":" in bare and bare == host):
        raise BadInput(
            f"server.listen is {listen!r}, which is not HOST:PORT",
            hint="write 127.0.0.1:9700, or [::1]:9700 for IPv6",
        )
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise BadInput(
            f"the port in server.listen {listen!r} is {port!r}", hint="0 to 65535 is possible"
        )
    return bare, int(port)


def is_loopback(host: str) -> bool:
    """Tell whether a listen host can only be reached from this machine."""
    if host == "localhost":
        return True
    address = _literal(host)
    return address is not None and address.is_loopback


@dataclass(frozen=True, slots=True)
class HostRule:
    """The rule for one listen address; ``allowed`` are names or ``name:port``."""

    host: str
    allowed: frozenset[str]

    @staticmethod
    def of(server: ServerSettings) -> HostRule:
        """Read the rule from settings."""
        host, _ = listen_address(server.listen)
        return HostRule(host, frozenset(name.lower() for name in server.allowed_hosts))

    def answers_to(self, header: str) -> bool:
        """Tell whether a ``Host`` header names us; the port is free (tunnels change it)."""
        name, _ = split_host(header)
        if name in LOOPBACK_NAMES or name in self.allowed or header.lower() in self.allowed:
            return True
        if is_loopback(self.host):
            return False
        return name == self.host.lower() or _literal(name) is not None

    def may_come_from(self, origin: str, host_header: str) -> bool:
        """Tell whether a page of ``origin`` may change things at the asked ``Host``."""
        scheme, mark, rest = origin.lower().partition("://")
        if not mark or scheme not in {"http", "https"}:
            return False
        usual = {"http": 80, "https": 443}[scheme]
        name, port = split_host(rest)
        asked, asked_port = split_host(host_header)
        # A TLS proxy in front keeps the host and drops the port that its scheme implies.
        if name == asked and (port or usual) == (asked_port or usual):
            return True
        return rest in self.allowed or (name in self.allowed and port in {None, usual})


def split_host(header: str) -> tuple[str, int | None]:
    """Split a ``Host`` header into lower-case name and port; an unreadable one gives ``""``."""
    header = header.strip().lower()
    if header.startswith("["):
        name, bracket, rest = header[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return "", None
        port = rest[1:]
    else:
        name, _, port = header.partition(":")
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5):
        return "", None
    return name.removesuffix("."), int(port) if port else None


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
