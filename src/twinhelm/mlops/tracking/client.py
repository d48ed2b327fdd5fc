"""A small client of an MLflow server, for the house itself: ours over its socket, or another's.

In: names, run ids, and *sources*, which is how MLflow says where a model lies (``models:/m-...``,
``models:/NAME/3``, ``models:/NAME@alias``, ``runs:/ID/path``, ``mlflow-artifacts:/path``). Out:
plain dictionaries as MLflow's REST API writes them, and files. All of it blocks. It raises
:class:`NotFound`, :class:`Denied`, :class:`BadInput` and the like as the status says, with
MLflow's message, and :class:`Unavailable` where the server does not answer.

What a server lists is not believed: a name that would leave the target folder, or more bytes
than were asked for, end a download. Files that do not go through the server (``s3:``, ``file:``)
are refused: neither is ours to read on somebody's word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlparse

import httpx

from twinhelm.core import json
from twinhelm.core.errors import (
    BadInput,
    Conflict,
    Denied,
    NotFound,
    Refused,
    TooLarge,
    TwinhelmError,
    Unauthenticated,
    Unavailable,
)

__all__ = ["Client", "Files", "check_address"]

API = "/api/2.0/mlflow/"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
POSTED = frozenset({"experiments/search", "runs/search"})
"""Searches that take their fields in a body."""

TIMEOUT_S = 60.0
MOST_DEEP = 32
MOST_FILES = 100_000
LOGGED_MODEL = re.compile(r"m-[0-9a-zA-Z]{8,64}")
ERRORS = {
    error.status: error
    for error in (BadInput, Conflict, Denied, NotFound, TooLarge, Unauthenticated)
}

Files = dict[str, int]
"""Paths below a place, with their sizes in bytes; 0 where the server did not say."""


def check_address(url: str) -> None:
    """Refuse what cannot be the address of an MLflow server; raises :class:`BadInput`."""
    parts = urlparse(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or "'" in url:
        said = f"{url[:200]!r} is no address of an MLflow server"
        raise BadInput(said, hint="such as http://mlflow.example:5000")


class Client:
    """Talks to one server. ``ready`` is called before each question, and may wait or raise."""

    def __init__(
        self,
        url: str = "http://mlflow",
        *,
        uds: Path | None = None,
        headers: Mapping[str, str] | None = None,
        ready: Callable[[], None] = lambda: None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        check_address(url)
        self._ready = ready
        if transport is None and uds is not None:
            transport = httpx.HTTPTransport(uds=str(uds))
        self._http = httpx.Client(
            base_url=url, headers=headers, transport=transport, timeout=TIMEOUT_S, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def get(self, endpoint: str, **asked: str) -> dict[str, Any]:
        """Ask ``endpoint``, such as ``runs/get``."""
        return self._ask("GET", API + endpoint, params=asked)

    def post(self, endpoint: str, method: str = "POST", **fields: Any) -> dict[str, Any]:
        """Have something done."""
        return self._ask(method, API + endpoint, json=fields)

    def pages(self, endpoint: str, what: str, **fields: Any) -> Iterator[dict[str, Any]]:
        """Read a search that comes in pages."""
        ask = self.post if endpoint in POSTED else self.get
        token = ""
        while True:
            answer = ask(endpoint, **fields, **({"page_token": token} if token else {}))
            yield from answer.get(what, ())
            token = answer.get("next_page_token", "")
            if not token:
                return

    def version(self, name: str, number: str) -> dict[str, Any]:
        """Return a registered version: ``run_id``, ``source``, ``tags`` and the rest."""
        found: dict[str, Any] = self.get("model-versions/get", name=name, version=str(number))
        return {"run_id": "", **found["model_version"]}

    def run(self, run_id: str) -> dict[str, Any]:
        """Return a run: ``info``, and ``params``, ``metrics`` (the latest), ``tags`` by name.

        ``models`` are the ids of the models it logged, as MLflow 3 keeps them.
        """
        found = self.get("runs/get", run_id=run_id)["run"]
        data = found.get("data", {})
        named = {
            what: {each["key"]: each["value"] for each in data.get(what, ())}
            for what in ("params", "metrics", "tags")
        }
        outputs = found.get("outputs", {}).get("model_outputs", ())
        return {"info": found["info"], "models": [each["model_id"] for each in outputs], **named}

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Have an alias name a version. The house's own word: no gate is asked."""
        self.post("registered-models/alias", name=name, alias=alias, version=str(version))

    def place(self, source: str) -> str:
        """Return where a source's files lie, as a path below the server's artifacts.

        Raises :class:`BadInput` where they do not go through the server.
        """
        for _ in range(4):  # a version's source may be another version, and so on
            scheme, _, rest = source.partition(":")
            rest = rest.removeprefix("/")
            if scheme == "mlflow-artifacts" and not rest.startswith("/"):
                return rest.strip("/")
            if scheme == "models" and LOGGED_MODEL.fullmatch(rest):
                info = self.get(f"logged-models/{rest}")["model"]["info"]
                source = info["artifact_uri"]
            elif scheme == "models":
                source = self._version_source(rest)
            elif scheme == "runs":
                source = self._run_source(rest)
            else:
                break
        said = f"the files of {source[:200]!r} do not lie on this MLflow server"
        raise BadInput(said, hint="log the model with artifacts going through the server")

    def files(self, place: str) -> Files:
        """List all files below a place; empty where there are none."""
        found: Files = {}
        self._walk(place, "", found, MOST_DEEP)
        return found

    def download(self, source: str, target: Path, *, max_bytes: int) -> int:
        """Copy a source's files into the folder ``target``; returns how many bytes they have.

        Raises :class:`NotFound` where there are none and :class:`TooLarge` past ``max_bytes``;
        what was copied until then stays in ``target``.
        """
        place = self.place(source)
        files = self.files(place)
        if not files:
            raise NotFound(f"{source} has no files", hint="log the model again")
        taken = 0
        for path in files:
            goal = target / path
            goal.parent.mkdir(parents=True, exist_ok=True)
            with goal.open("xb") as file, self._open(f"{place}/{path}") as answer:
                for part in answer.iter_bytes():
                    taken += len(part)
                    if taken > max_bytes:
                        said = f"{source} has more than {max_bytes} bytes"
                        raise TooLarge(said, hint="raise models.max_artifact_bytes")
                    file.write(part)
        return taken

    def upload(self, file: Path, place: str) -> None:
        """Copy a file to a place."""
        with file.open("rb") as data:
            self._ask("PUT", f"{FILES}/{quote(place)}", content=data)

    def _version_source(self, rest: str) -> str:
        name, mark, alias = rest.rpartition("@")
        if mark:
            asked = {"name": name, "alias": alias}
            number = self.get("registered-models/alias", **asked)["model_version"]["version"]
        else:
            name, _, number = rest.rpartition("/")
        asked = {"name": name, "version": number}
        uri: str = self.get("model-versions/get-download-uri", **asked)["artifact_uri"]
        return uri

    def _run_source(self, rest: str) -> str:
        """MLflow 3 keeps a model that a run logged beside the run, not below it."""
        run_id, _, path = rest.partition("/")
        run = self.run(run_id)
        below = f"{run['info']['artifact_uri']}/{path}"
        if below.startswith("mlflow-artifacts:/") and self.files(self.place(below)):
            return below
        for model_id in reversed(run["models"]):
            info = self.get(f"logged-models/{model_id}")["model"]["info"]
            if info["name"] == path:
                uri: str = info["artifact_uri"]
                return uri
        return below

    def _walk(self, place: str, below: str, found: Files, deep: int) -> None:
        path = f"{place}/{below}".strip("/")
        for each in self._ask("GET", FILES, params={"path": path}).get("files", ()):
            name = str(each["path"])
            if name in {"", ".", ".."} or re.search(r"[/\\\x00-\x1f]", name):
                raise BadInput(f"the server lists a file {name!r}, which is no plain name")
            if deep == 0 or len(found) >= MOST_FILES:
                raise TooLarge(f"{place} holds too many files, or they lie too deep")
            if each.get("is_dir"):
                self._walk(place, f"{below}{name}/", found, deep - 1)
            else:
                found[below + name] = int(each.get("file_size", 0))

    def _ask(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        self._ready()
        try:
            answer = self._http.request(method, path, **how)
        except httpx.HTTPError as error:
            raise self._away(error) from error
        if answer.status_code != 200:
            raise _error(answer)
        found = json.loads(answer.content, max_bytes=256 << 20) if answer.content else {}
        return found if isinstance(found, dict) else {}

    @contextmanager
    def _open(self, place: str) -> Iterator[httpx.Response]:
        self._ready()
        try:
            with self._http.stream("GET", f"{FILES}/{quote(place)}") as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise _error(answer)
                yield answer
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def _away(self, error: httpx.HTTPError) -> Unavailable:
        said = str(error) or type(error).__name__
        return Unavailable(f"the MLflow server at {self._http.base_url} does not answer: {said}")


def _error(answer: httpx.Response) -> TwinhelmError:
    """Make our error of MLflow's."""
    try:
        said = json.loads(answer.content)
        message = str(said["message"])
    except (TwinhelmError, KeyError, TypeError):
        message = answer.text[:200]
    told = f"MLflow answered {answer.status_code}: {message}"
    if answer.status_code >= 500 or answer.status_code == 429:
        return Unavailable(told)
    return ERRORS.get(answer.status_code, Refused)(told)
