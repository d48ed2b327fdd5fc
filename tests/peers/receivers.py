"""Receivers of messages that check what they get: HTTP endpoints, and a mail server.

An :class:`Endpoint` takes requests on a port that the system chose, checks each as its owner would
and answers what it is told to. A :class:`MailServer` speaks SMTP (RFC 5321) with STARTTLS and AUTH
PLAIN; a message counts when its last dot was answered.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from twinhelm.core.json import loads

__all__ = ["Endpoint", "MailServer", "Taken"]


@dataclass
class Taken:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        """The body, read as JSON."""
        return loads(self.body)


@dataclass
class Endpoint:
    """``check`` raises for what its owner would refuse (400); ``answers`` come first, in order."""

    check: Callable[[Taken], None] = lambda taken: None
    status: int = 200
    taken: list[Taken] = field(default_factory=list)
    answers: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    wrong: list[str] = field(default_factory=list)
    heard: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Endpoint:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                taken = Taken(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                status, headers = endpoint._take(taken)
                self.send_response(status)
                for name, value in {**headers, "content-length": "2"}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, taken: Taken) -> tuple[int, dict[str, str]]:
        with self.heard:
            if self.answers:
                return self.answers.popleft()
            try:
                self.check(taken)
            except (AssertionError, KeyError, ValueError) as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
                return 400, {}
            self.taken.append(taken)
            self.heard.notify_all()
            return self.status, {}

    def wait(self, ready: Callable[[list[Taken]], bool], patience_s: float = 120) -> list[Taken]:
        """Wait until what was taken is enough."""
        with self.heard:
            assert self.heard.wait_for(lambda: ready(self.taken), patience_s), self.taken
            return list(self.taken)


class MailServer:
    """A mail server; ``refuse`` holds answers for the next messages, such as "451 later"."""

    def __init__(self, *, certificate: tuple[Path, Path] | None = None, password: str = "") -> None:
        self.messages: list[EmailMessage] = []
        self.refuse: deque[str] = deque()
        self.secure: list[bool] = []
        self._password, self._tls = password, None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> MailServer:
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        started = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(started, self._loop).result(20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())
            await writer.drain()

        secure = signed_in = False
        await say("220 receiver ESMTP")
        while line := await reader.readline():
            word, _, rest = line.decode().strip().partition(" ")
            match word.upper():
                case "EHLO" | "HELO":
                    offers = ["receiver"]
                    offers += ["STARTTLS"] if self._tls and not secure else []
                    offers += ["AUTH PLAIN"] if self._password and (secure or not self._tls) else []
                    for at, offer in enumerate(offers):
                        await say(f"250{' ' if at == len(offers) - 1 else '-'}{offer}")
                case "STARTTLS" if self._tls:
                    await say("220 go ahead")
                    await writer.start_tls(self._tls)
                    secure = True
                case "AUTH":
                    said = base64.b64decode(rest.split()[-1]).decode().split("\0")[-1]
                    signed_in = said == self._password
                    await say("235 welcome" if signed_in else "535 wrong password")
                case "MAIL" if self._password and not signed_in:
                    await say("530 sign in first")
                case "MAIL" | "RCPT" | "RSET" | "NOOP":
                    await say("250 ok")
                case "DATA":
                    await say("354 end with a dot")
                    body = b""
                    while (part := await reader.readline()) != b".\r\n":
                        body += part.removeprefix(b".") if part.startswith(b"..") else part
                    if self.refuse:
                        await say(self.refuse.popleft())
                        continue
                    parsed = message_from_bytes(body, policy=policy.default)
                    assert isinstance(parsed, EmailMessage)
                    self.messages.append(parsed)
                    self.secure.append(secure)
                    await say("250 taken")
                case "QUIT":
                    await say("221 bye")
                    return
                case _:
                    await say("502 unknown")
