"""The running server, asked over HTTP like anybody asks it.

In: an address, or a data directory from which it is known. Out: what ``/api/twinhelm/v1``
answers, and its refusals as our errors. The token is the one given; else, for the server of the
data directory alone and never for another address, the one that it keeps there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from twinhelm.cli.place import data_directory, local_token, reachable, read_beacon, settings_of
from twinhelm.core import json
from twinhelm.core.errors import BadInput, Refused, TwinhelmError, Unavailable

__all__ = ["Server", "reach"]

TIMEOUT_S = 60.0
MAX_ANSWER_BYTES = 256 << 20
PREFIX = "/api/twinhelm/v1/"


class Server:
    """One server; :func:`reach` makes them."""

    def __init__(self, url: str, client: httpx.Client, *, spare_token: bool) -> None:
        self.url = url
        self._client = client
        self._spare_token = spare_token

    def get(self, path: str, **wanted: Any) -> Any:
        """Ask a question; parameters that are None are left out."""
        params = {name: value for name, value in wanted.items() if value is not None}
        answer = self._ask("GET", path, params=params)
        if answer.status_code == 401 and self._spare_token:
            # The kept token was revoked: reading may still be open to this machine.
            del self._client.headers["Authorization"]
            self._spare_token = False
            answer = self._ask("GET", path, params=params)
        return self._read(answer)

    def fetch(self, path: str) -> bytes:
        """Read a file as it is."""
        answer = self._ask("GET", path)
        if not answer.is_success:
            self._read(answer)
        return answer.content

    def post(self, path: str, body: Any = None, *, patient: bool = False) -> Any:
        """Have something done; ``patient`` waits for as long as it takes."""
        timeout = httpx.Timeout(10.0, read=None if patient else TIMEOUT_S)
        return self._read(self._ask("POST", path, json=body, timeout=timeout))

    def send(self, path: str, body: bytes, headers: dict[str, str]) -> Any:
        """Send a file to a door, as it is."""
        return self._read(self._ask("POST", path, content=body, headers=headers))

    def delete(self, path: str) -> None:
        """Have something ended or taken away."""
        self._read(self._ask("DELETE", path))

    def _ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            return self._client.request(method, PREFIX + path, **how)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise BadInput(f"{self.url} is no address of a server: {error}") from error
        except httpx.HTTPError as error:
            hint = "start it with `twinhelm up`, or name another with --server or --data"
            raise Unavailable(f"no server answers at {self.url}: {error}", hint=hint) from error

    def _read(self, answer: httpx.Response) -> Any:
        if answer.status_code == 204:
            return None
        try:
            said = json.loads(answer.content, max_bytes=MAX_ANSWER_BYTES, what="answer")
        except TwinhelmError as error:
            told = (
                f"what answers at {self.url} is no twinhelm: status {answer.status_code}, no JSON"
            )
            raise Refused(told, hint="name the server with --server") from error
        if answer.is_success:
            return said
        message, hint = f"the server answered {answer.status_code}", ""
        if isinstance(said, dict) and "error" in said:
            message, hint = str(said["error"]), str(said.get("hint", ""))
        family = Unavailable if answer.status_code in {429, 502, 503, 504} else Refused
        raise family(message, hint=hint)


@contextmanager
def reach(server: str | None, token: str | None, data: Path | None) -> Iterator[Server]:
    """Find the server and hold a connection to it; nothing is asked yet."""
    directory = data_directory(data)
    beacon = read_beacon(directory)
    if server:
        url = _address(server)
    elif beacon is not None:
        url = beacon.url
    else:
        url = reachable(_address(settings_of(data).server.listen))
    ours = not server or (beacon is not None and url == beacon.url)
    kept = local_token(directory) if ours and not token else None
    headers = {"User-Agent": "twinhelm-cli", "Accept": "application/json"}
    if token or kept:
        headers["Authorization"] = f"Bearer {token or kept}"
    try:
        # On this machine a proxy would only be in the way.
        host = urlsplit(url).hostname or ""
        proxied = host not in {"localhost", "::1"} and not host.startswith("127.")
        client = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=proxied)
    except (ValueError, UnicodeError, httpx.InvalidURL) as error:
        raise BadInput(f"the address or the token cannot be used: {error}") from error
    with client:
        yield Server(url, client, spare_token=kept is not None)


def _address(text: str) -> str:
    """Complete ``HOST:PORT`` to a URL; raises :class:`BadInput`."""
    url = text.strip()
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadInput(f"{text[:200]!r} is no address of a server", hint="such as 127.0.0.1:9700")
    return url.rstrip("/")
