"""Fixtures that start the real twinhelm server as its own process, as an operator would."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from peers.processes import Peer, answers, free_port
from twinhelm.core.roles import Role

__all__ = ["Twinhelm", "start_twinhelm", "twinhelm_server"]


class Twinhelm(Peer):
    """A running ``twinhelm up``: ``data`` is its directory, ``url`` its address."""

    def __init__(
        self, data: Path, *flags: str, env: Mapping[str, str] | None = None, patience_s: float = 60
    ) -> None:
        self.data = data
        self.address = f"127.0.0.1:{free_port()}"
        url = f"http://{self.address}"
        super().__init__(
            [
                *(str(Path(sys.executable).with_name("twinhelm")), "up"),
                *("--data", str(data), "--listen", self.address, *flags),
            ],
            url=url,
            log=data.with_name(f"{data.name}.log"),
            ready=answers(f"{url}/-/ready"),
            env=env,
            patience_s=patience_s,
        )
        self._tokens: dict[Role, str] = {}

    def token(self, role: Role = Role.ADMIN) -> str:
        """A token of that role, made beside the running server the first time it is asked for."""
        # Not at the top: most tests need no server and should not wait for the whole house.
        from twinhelm.app import open_ledger
        from twinhelm.core.clock import SystemClock
        from twinhelm.core.settings import load_settings
        from twinhelm.events.identities import Identities

        if role not in self._tokens:
            settings = load_settings({"data": self.data})
            records, journal = open_ledger(settings)
            try:
                people = Identities(journal, records, SystemClock(), settings.auth)
                self._tokens[role] = people.create_token(f"test-{role.name}", [role], by="test")
            finally:
                records.close()
        return self._tokens[role]

    def headers(self, role: Role = Role.ADMIN) -> dict[str, str]:
        """The headers of a request in that role."""
        return {"Authorization": f"Bearer {self.token(role)}"}


@pytest.fixture
def start_twinhelm(tmp_path: Path) -> Iterator[Callable[..., Twinhelm]]:
    """``start_twinhelm(*flags, env=..., data=...)``: a server; by default it watches no host."""
    servers: list[Twinhelm] = []

    def start(
        *flags: str, env: Mapping[str, str] | None = None, data: Path | None = None
    ) -> Twinhelm:
        folder = data or tmp_path / f"twinhelm-{len(servers)}"
        server = Twinhelm(folder, *(flags or ("--no-host",)), env=env)
        servers.append(server)
        server.start()
        return server

    try:
        yield start
    finally:
        for server in reversed(servers):
            server.stop()


@pytest.fixture
def twinhelm_server(start_twinhelm: Callable[..., Twinhelm]) -> Twinhelm:
    """One server that watches no host."""
    return start_twinhelm()
