"""Who answers for one version? Its warm processes; what dies, leaks or hangs is replaced.

A :class:`Worker` is asked from the event loop alone and answers in order; a request is one write
and one read there, without a task or a timer of its own. A :class:`Pool` holds a version's
workers. A worker that has not moved for ``timeout_s`` while something waits is killed: whoever
waited that long hears of it (504), the others are asked of another worker, once. Replacements
start in a thread, one that leaks answers until its successor is warm, and one that keeps dying
is started ever more seldom (every 30 s at the least).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from twinhelm.core.clock import Clock
from twinhelm.core.errors import Overloaded, TwinhelmError, Unavailable
from twinhelm.mlops.deploy.seeds import Limits, Seeds, Started
from twinhelm.mlops.deploy.worker.frames import FULL, Form, Frame, Inbox, pack
from twinhelm.mlops.mlmodel import Described

__all__ = ["Died", "Ended", "Pool", "Reply", "TooSlow", "Worker"]

MOST_WAITING = 1000
"""Requests that may wait for one worker; more are turned away."""
SLOWEST_S = 30.0
LONG_LIFE_S = 60.0
"""A worker that lived so long starts the count of deaths anew."""
READ_BYTES = 1 << 18


class Died(Unavailable):
    """The process ended before it answered."""


class TooSlow(Unavailable):
    """No answer came in the time that the product gives its model; the process was replaced."""

    status = 504


class Ended(Unavailable):
    """The version answers no more; another one does."""


class Reply(NamedTuple):
    """An answer as the caller gets it; ``id`` is the prediction's, ``version`` who gave it."""

    status: int
    id: str
    body: bytes
    rows: int
    differing: int = 0
    version: str = ""
    full: bool = False
    """The process had no memory left for it."""


class Worker:
    """One process; lives on one event loop from its first question on."""

    def __init__(
        self, started: Started, version: str, limits: Limits, clock: Clock,
        gone: Callable[[Worker], None], full: Callable[[Worker], None],
    ) -> None:  # fmt: skip
        self.about, self.pid, self._version = started.about, started.pid, version
        self.born_s = clock.monotonic_s()
        self.waiting: dict[int, tuple[asyncio.Future[Reply], float]] = {}
        self._connection, self._kill = started.connection, started.kill
        self._limits, self._clock, self._gone, self._full = limits, clock, gone, full
        self._inbox, self._unsent, self._number = Inbox(), bytearray(), 0
        self._room = memoryview(bytearray(READ_BYTES))
        self._moved_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._connection.setblocking(False)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear of its end, and of its answers, on this loop; again is no error."""
        if self._loop is None and self._connection.fileno() >= 0:
            self._loop = loop
            loop.add_reader(self._connection.fileno(), self._read)

    def ask(self, form: Form, name: str, body: bytes, beside: bytes) -> asyncio.Future[Reply]:
        """Send a request; ``beside`` is a champion's answer to compare with, or empty."""
        loop = asyncio.get_running_loop()
        self.attach(loop)
        made: asyncio.Future[Reply] = loop.create_future()
        if self._connection.fileno() < 0:
            made.set_exception(Died("the process has ended"))
            return made
        if len(self.waiting) >= MOST_WAITING:
            said = f"{len(self.waiting)} requests wait for this version's process"
            raise Overloaded(said, hint="send slower, or raise rollout.workers", retry_after_s=1.0)
        now_s = self._clock.monotonic_s()
        if not self.waiting:
            self._moved_s = now_s
        self._number = (self._number + 1) & 0xFFFFFFFF
        self.waiting[self._number] = (made, now_s)
        if self._timer is None:
            self._timer = loop.call_later(self._limits.timeout_s, self._look)
        self._send(pack(Frame(self._number, form, name, body + beside, len(beside))))
        return made

    def end(self, why: TwinhelmError | None = None) -> None:
        """Kill it and let go; whoever waits gets ``why`` or :class:`Died`. Twice is no error."""
        if self._connection.fileno() < 0:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._connection.fileno())
            self._loop.remove_writer(self._connection.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self._connection.close()
        self._kill()
        waiting, self.waiting = self.waiting, {}
        for made, _ in waiting.values():
            if not made.done():
                made.set_exception(why or Died("the process ended before it answered"))
        self._gone(self)

    def _send(self, data: bytes) -> None:
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self._connection.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.end()
            return
        if sent < len(data):
            self._unsent += data[sent:]
            if self._loop is not None:
                self._loop.add_writer(self._connection.fileno(), self._write)

    def _write(self) -> None:
        data, self._unsent = bytes(self._unsent), bytearray()
        if self._loop is not None:
            self._loop.remove_writer(self._connection.fileno())
        self._send(data)

    def _read(self) -> None:
        try:
            size = self._connection.recv_into(self._room)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            size = 0
        if not size:
            self.end()
            return
        full = 0
        for number, status, name, body, rows, other, flags in self._inbox.feed(self._room[:size]):
            full |= flags & FULL
            made, _ = self.waiting.pop(number, (None, 0.0))
            if made is not None and not made.done():
                spent = status == 500 and bool(flags & FULL)
                made.set_result(Reply(status, name, bytes(body), rows, other, self._version, spent))
        self._moved_s = self._clock.monotonic_s()
        if full:
            self._full(self)

    def _look(self) -> None:
        """End it where it has not moved for too long; else look again when it could have."""
        self._timer = None
        if not self.waiting or self._loop is None:
            return
        timeout_s, now_s = self._limits.timeout_s, self._clock.monotonic_s()
        rest_s = self._moved_s + timeout_s - now_s
        if rest_s > 1e-3:
            self._timer = self._loop.call_later(rest_s, self._look)
            return
        said = f"the model gave no answer within {timeout_s:g} s; its process was replaced"
        late = TooSlow(said, hint="send fewer rows, or raise rollout.timeout_s")
        for made, since_s in list(self.waiting.values()):
            if now_s - since_s >= timeout_s - 1e-3 and not made.done():
                made.set_exception(late)
        self.end()


class Pool:
    """The workers of one version; its controls may be called from any thread."""

    def __init__(
        self, product: str, version: str, model: Described, limits: Limits, seeds: Seeds,
        clock: Clock,
    ) -> None:  # fmt: skip
        self.product, self.version = product, version
        self.model, self.limits = model, limits
        self.workers: list[Worker] = []
        self.loop: asyncio.AbstractEventLoop | None = None
        self.under_way = 0
        self._seeds, self._clock = seeds, clock
        self._turn, self._refilling = threading.Lock(), threading.Lock()
        self._changing = threading.Lock()
        self._ended = threading.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._deaths = 0

    def fill(self) -> None:
        """Start what is missing and return when it is warm; raises what :class:`Seeds` raises."""
        with self._turn:
            while len(self.workers) < self.limits.workers and not self._ended.is_set():
                self._add()

    def fill_later(self) -> None:
        """Start what is missing in a thread, as often as it takes."""
        missing = len(self.workers) < self.limits.workers and not self._ended.is_set()
        if missing and self._refilling.acquire(blocking=False):
            threading.Thread(target=self._refill, name="twinhelm-models", daemon=True).start()

    async def ask(self, form: Form, name: str, body: bytes, beside: bytes = b"") -> Reply:
        """Ask the worker with the least to do; raises :class:`Unavailable` kinds."""
        self.under_way += 1
        self.loop = self.loop or asyncio.get_running_loop()
        try:
            for last in (False, True):
                worker = min(self.workers, key=_load, default=None) or await self._next()
                try:
                    reply = await worker.ask(form, name, body, beside)
                except Died:
                    continue
                if not reply.full or last:
                    return reply
                worker.end()  # a fresh one may have room for it
            said = f"two processes of {self.product}/{self.version} died over this request"
            raise Died(said, hint="the request may be what ends them: see the model's code")
        finally:
            self.under_way -= 1

    def drain(self, patience_s: float) -> None:
        """Wait until nothing is under way, at most so long, and end all processes."""
        pause = threading.Event()
        until_s = self._clock.monotonic_s() + patience_s
        while self.under_way and self._clock.monotonic_s() < until_s:
            pause.wait(0.005)
        self.close()

    def close(self) -> None:
        """End all processes now."""
        self._ended.set()
        with self._changing:
            workers, self.workers = self.workers, []
        for worker in workers:
            self._on_loop(worker.end)
        self._on_loop(self._wake)

    async def _next(self) -> Worker:
        """Wait for a worker to become warm, at most as long as an answer may take."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self.limits.timeout_s
        self.fill_later()
        while not self.workers:
            if self._ended.is_set():
                raise Ended(f"{self.product}/{self.version} answers no more")
            made: asyncio.Future[None] = loop.create_future()
            self._waiting.append(made)
            if self.workers:  # it came between the question and now
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(made, max(until_s - loop.time(), 0.0))
            if loop.time() >= until_s and not self.workers:
                said = f"no process of {self.product}/{self.version} is ready"
                raise Unavailable(said, hint="it is being started", retry_after_s=2.0)
        return min(self.workers, key=_load)

    def _add(self) -> None:
        started = self._seeds.start(self.product, self.version, self.model, self.limits)
        worker = Worker(started, self.version, self.limits, self._clock, self._gone, self._full)
        with self._changing:
            self.workers = [*self.workers, worker]
        if self._ended.is_set():
            self._on_loop(worker.end)
        elif self.loop is not None:
            loop = self.loop
            self._on_loop(lambda: worker.attach(loop))
            self._on_loop(self._wake)

    def _refill(self) -> None:
        try:
            while len(self.workers) < self.limits.workers and not self._ended.is_set():
                pause_s = min(0.05 * 2**self._deaths, SLOWEST_S) if self._deaths else 0.0
                if self._ended.wait(pause_s):
                    return
                try:
                    self.fill()
                except TwinhelmError:
                    self._deaths += 1
        finally:
            self._refilling.release()
        self.fill_later()

    def _gone(self, worker: Worker) -> None:
        lived_s = self._clock.monotonic_s() - worker.born_s
        self._deaths = 0 if lived_s > LONG_LIFE_S else self._deaths + 1
        self._drop(worker)
        self.fill_later()

    def _full(self, worker: Worker) -> None:
        """Put a fresh process in the place of one that has grown too large, then let it go."""
        if worker in self.workers and not self._ended.is_set() and self._turn.acquire(False):
            threading.Thread(target=self._renew, args=(worker,), daemon=True).start()

    def _renew(self, worker: Worker) -> None:
        try:
            self._add()
        except TwinhelmError:
            return  # the old one goes on, and says again that it is full
        finally:
            self._turn.release()
        self._drop(worker)
        pause = threading.Event()
        while worker.waiting:
            pause.wait(0.005)
        self._on_loop(worker.end)

    def _drop(self, worker: Worker) -> None:
        with self._changing:
            self.workers = [each for each in self.workers if each is not worker]

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for made in waiting:
            if not made.done():
                made.set_result(None)

    def _on_loop(self, work: Callable[[], None]) -> None:
        """Do it on the loop that the workers live on, or here where there is none yet."""
        loop = self.loop
        if loop is None or loop.is_closed():
            work()
        else:
            with suppress(RuntimeError):  # the loop closed just now, and the sockets with it
                loop.call_soon_threadsafe(work)


def _load(worker: Worker) -> int:
    return len(worker.waiting)
