"""Says whom a span's call goes to, as far as the caller's own span tells.

In: the attributes of a client, producer or consumer span and its resource. Out: the number of an
entity (a database, a queue, whose spans nobody sends), or of an address (``peer.service``,
``server.address`` and port) that only time tells the entity of: spans of the callee that were
joined with the caller's by their ids teach it. So a call is known to be a call of ``catalog`` also
while ``catalog`` is dead. ``peer.service`` and key-value stores are taken for the service of that
name in the caller's namespace where one is known by its metrics. An address of which none of this
told anything for ``PATIENCE_MS`` is an entity of its own, named by what the spans say.

A loopback address is the caller's own host, and so is the place of a database in a file. Wrong
where several services hide behind one address: the newest joined span decides. Numbers are never
given twice; past ``MOST`` entities or addresses new ones are left out. About 2 us a span.

Source: OpenTelemetry semantic conventions 1.27 and before: database, messaging, server, peer.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Self

from twinhelm.aiops.clean.entities import HOST_LABELS, entity_of, naming
from twinhelm.aiops.clean.operations import attributes_in
from twinhelm.core.entities import entity_key
from twinhelm.core.labels import Labels

__all__ = ["NOBODY", "Callees", "Caller", "Entities"]

MOST = 10_000
NOBODY = -1
PATIENCE_MS = 60_000
LONGEST = 200

_LOOPBACK = re.compile(r"(?:127\.\d+\.\d+\.\d+|localhost|::1|0\.0\.0\.0)$")
_DATABASES = ("db.namespace", "db.name")
_SYSTEMS = ("db.system.name", "db.system")
_QUEUES = ("messaging.destination.name", "messaging.destination")
_ADDRESSES = ("server.address", "net.peer.name", "network.peer.address", "net.peer.ip",
              "net.sock.peer.addr")  # fmt: skip
_PORTS = ("server.port", "net.peer.port", "network.peer.port")
_FILES = re.compile(r"sqlite|duckdb|h2|hsqldb|derby")
_STORES = re.compile(r"redis|valkey|keydb|dragonfly|memcache", re.IGNORECASE)
_DEFAULT_PORTS = ("80", "443")
_URLS = ("url.full", "http.url")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/@]*@)?(\[[^\]/]*\]|[^/:?#]+)(?::(\d+))?")


@dataclass(frozen=True, slots=True)
class Caller:
    """What matters of a span's resource: a number of its own, its entity, host and namespace."""

    number: int
    who: int
    host: str
    space: str

    @classmethod
    def of(cls, labels: Labels, number: int, entities: "Entities") -> Self:
        """Read a resource; one that names nothing is ``NOBODY``."""
        said, entity = dict(labels), entity_of(labels)
        who = NOBODY if entity.startswith("other:") else entities.number(entity)
        # An instance's name is no machine's.
        hosts = (said[label] for label in HOST_LABELS if label in said and label != "instance")
        host = next(hosts, "").lower().rstrip(".")
        return cls(number, who, host, said.get("service_namespace", ""))


class Entities:
    """Entity keys by number."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, key: str) -> int:
        """Return the number of an entity, ``NOBODY`` past the bound."""
        known = self._numbers.get(key)
        if known is None:
            if len(self.keys) >= MOST:
                return NOBODY
            known = self._numbers[key] = len(self.keys)
            self.keys.append(key)
        return known

    def naming(self, number: int) -> dict[str, str]:
        """Return the labels that name an entity."""
        return naming(self.keys[number])


class Callees:
    """What is known of addresses; see the module. An address ``n`` is told as ``-2 - n``."""

    def __init__(self, entities: Entities, exists: Callable[[str], bool]) -> None:
        self._entities = entities
        self._exists = exists
        self._numbers: dict[str, int] = {}
        self._since_ms: list[int] = []
        self._names: list[tuple[str, ...]] = []
        self._learnt: list[int] = []

    def of(self, attributes: str, caller: Caller, now_ms: int) -> int:
        """Return the number of an entity (0 and up), of an address (-2 and down), or ``NOBODY``."""
        said = attributes_in(attributes)
        if not said:
            return NOBODY
        queue = _first(said, _QUEUES)
        if queue:
            return self._entities.number(entity_key("queue", queue))
        address, port = _spot(said)
        where = caller.host if _LOOPBACK.match(address) else address
        system = _first(said, _SYSTEMS)
        if system:
            name = _first(said, _DATABASES).partition("|")[0]
            if _FILES.match(system):
                where, name = caller.host, PurePath(name).stem
            name = name if name and not name.isdigit() else system
            database = entity_key("database", f"{where}/{name}" if where else name)
            if not _STORES.match(system):
                return self._entities.number(database)
            return self._address(database, (_service(name, caller.space), database), now_ms)
        peer = _first(said, ("peer.service",))
        spot = f"{where or address}:{port}" if port and port not in _DEFAULT_PORTS else where
        if not (peer or spot):
            return NOBODY
        name = _service(peer, caller.space) if peer else f"service:{spot}"
        return self._address(f"{peer}@{spot}", (name,), now_ms)

    def learn(self, address: int, entity: int) -> None:
        """Take notice that a call to an address reached an entity."""
        self._learnt[-2 - address] = entity

    def resolve(self, address: int, now_ms: int) -> int:
        """Return the entity behind an address as known now, or ``NOBODY``."""
        place = -2 - address
        if self._learnt[place] == NOBODY:
            names = self._names[place]
            last = names[-1:] if now_ms - self._since_ms[place] >= PATIENCE_MS else ()
            found = next(iter((*filter(self._exists, names), *last)), "")
            if found:
                self._learnt[place] = self._entities.number(found)
        return self._learnt[place]

    def _address(self, spot: str, names: tuple[str, ...], now_ms: int) -> int:
        """Return an address's number; ``names`` are what it may be, the last if none is known."""
        number = self._numbers.get(spot)
        if number is None:
            if len(self._since_ms) >= MOST:
                return NOBODY
            number = self._numbers[spot] = len(self._since_ms)
            self._since_ms.append(now_ms)
            self._names.append(names)
            self._learnt.append(NOBODY)
        return -2 - number


def _spot(said: Mapping[str, object]) -> tuple[str, str]:
    """Return the address called, in lower case, and the port."""
    address, port = _first(said, _ADDRESSES), _first(said, _PORTS)
    if not address and (url := _URL.match(_first(said, _URLS))):
        address, port = url[1], url[2] or ""
    return address.strip("[]").lower().rstrip("."), port


def _service(name: str, space: str) -> str:
    """Name the service that a caller may mean by a bare name: that of its own namespace."""
    return f"service:{space}/{name}" if space and "/" not in name else f"service:{name}"


def _first(said: Mapping[str, object], names: tuple[str, ...]) -> str:
    for name in names:
        found = said.get(name)
        if found:
            return str(found)[:LONGEST]
    return ""
