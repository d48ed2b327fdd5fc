"""Who comes to the shop, when, and what do they do there? The users, as a load generator.

Sessions arrive at random by the clock and whether or not the shop keeps up (an open loop), as
many as make ``plan.rate`` pages a second on average: a quarter more at noon, a quarter less at
midnight, four fifths on the last two days of a week of ``day_s`` long days. A user looks at some
pages, with pauses between them, follows a recommendation now and then, and sometimes fills a cart
and orders. After a page that failed most leave.

``config/crowd.json`` changes it live: ``factor`` times as many sessions, and the shares ``buy``
(sessions that order), ``click`` (recommendations followed) and ``strange`` (looks at products
that few ever asked for).

What users felt is counted by page: requests, failures (no answer within 15 s, or status 500 and
above), seconds. The choices are seeded; the times at which they fall are the machine's.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import orjson

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop import CATEGORIES, MATERIALS, NOUNS, PRODUCTS
from twinhelm.lab.shop.runtime import Service
from twinhelm.lab.words import now_s

__all__ = ["ORDINARY", "PAGES", "Crowd", "User", "rhythm", "run"]

PAGES = ("home", "category", "search", "product", "click", "add", "cart", "checkout")
ORDINARY = {"factor": 1.0, "buy": 0.25, "click": 0.35, "strange": 0.05}
"""The crowd as it is where nothing is configured."""
SWING = 0.25
WEEKEND = 0.8
WEEKEND_DAYS = 2
WEEK_DAYS = 7
STAY = 0.65
"""Chance of another look after each."""
MOST_LOOKS = 15
FILLED = 2
"""So many times as many fill a cart as order; the others leave it standing."""
PAGES_A_SESSION = 5.0
"""Of an ordinary session, on average; ``tests/lab/test_crowd.py`` holds it to that."""
PAUSE_S = 0.8
LEAVE = 0.7
"""Chance that a user leaves after a page that failed."""
PATIENCE_S = 15.0
MOST_SESSIONS = 400
"""Who comes when so many are in the shop is turned away, and counts as a failed home page."""
KNOWN = 500
"""Most looks are at products 1 to this, the more the smaller their number."""
USERS = 20_000


def rhythm(at_s: float, day_s: float) -> float:
    """Return how busy the shop is at a time (epoch s), 1 on average over a working day."""
    day, hour = divmod(at_s / day_s, 1.0)
    busy = 1.0 - SWING * math.cos(2 * math.pi * hour)
    return busy * (WEEKEND if day % WEEK_DAYS >= WEEK_DAYS - WEEKEND_DAYS else 1.0)


class User:
    """One session's choices. ``share`` answers what part of the users would do a thing."""

    def __init__(self, dice: random.Random, share: Callable[[str], float]) -> None:
        self.number = dice.randrange(1, USERS)
        self.seen: list[int] = []
        self.offered: list[int] = []
        """Products that the last page recommended."""
        self._dice = dice
        self._share = share

    def first(self) -> tuple[str, str]:
        """Return the page that a session begins with: its name and path."""
        draw = self._dice.random()
        if draw < 0.5:
            return "home", "/"
        return self._search() if draw < 0.75 else self._product(self._pick())

    def next(self) -> tuple[str, str]:
        """Return the page looked at next; a recommendation where one is followed."""
        draw = self._dice.random()
        if self.offered and draw < self._share("click"):
            return "click", f"/products/{self._dice.choice(self.offered)}"
        kind = self._dice.random()
        if kind < 0.25:
            return "category", f"/categories/{CATEGORIES[self._often(len(CATEGORIES))]}"
        if kind < 0.5:
            return self._search()
        return ("home", "/") if kind < 0.6 else self._product(self._pick())

    def stays(self) -> bool:
        """Tell whether the user looks at one more page."""
        return self._dice.random() < STAY

    def leaves(self) -> bool:
        """Tell whether a page that failed was one too many."""
        return self._dice.random() < LEAVE

    def fills_cart(self) -> bool:
        """Tell whether this is one who puts something into the cart."""
        return self._dice.random() < FILLED * self._share("buy")

    def orders(self) -> bool:
        """Tell whether this is one who orders what is in the cart."""
        return self._dice.random() < max(1 / FILLED, self._share("buy"))

    def wanted(self) -> list[int]:
        """Return what the user puts into the cart: one or two products."""
        wanted = [self.seen[-1] if self.seen else self._pick()]
        return wanted if self._dice.random() < 0.6 else [*wanted, self._pick()]

    def pause_s(self) -> float:
        """Return how long the user reads."""
        return self._dice.expovariate(1 / PAUSE_S)

    def _search(self) -> tuple[str, str]:
        noun = NOUNS[self._often(len(NOUNS))]
        typed = noun[: self._dice.randint(2, len(noun))]
        return "search", f"/search?q={MATERIALS[self._often(len(MATERIALS))]}%20{typed}"

    def _product(self, number: int) -> tuple[str, str]:
        self.seen = [*self.seen, number][-5:]
        return "product", f"/products/{number}"

    def _pick(self) -> int:
        if self._dice.random() < self._share("strange"):
            return self._dice.randint(KNOWN + 1, PRODUCTS)
        return 1 + self._often(KNOWN)

    def _often(self, count: int) -> int:
        """Draw from 0 to below ``count``, small numbers more often."""
        return int(count * self._dice.random() ** 2)


class Crowd:
    """All users of one shop."""

    def __init__(self, service: Service, *, seed: int = 1) -> None:
        self._service = service
        self._dice = random.Random(seed)  # noqa: S311 - whims, no secrets
        self._gateway = service.plan.url("gateway")
        self._inside: set[asyncio.Task[None]] = set()
        made = service.instruments
        self._sessions = made.counter("crowd.sessions", "Users who came")
        self._requests = made.counter("crowd.requests", "Pages asked for", "page")
        self._failures = made.counter("crowd.failures", "Pages that failed", "page")
        self._seconds = made.histogram("crowd.page.seconds", "Time until a page came", "page")
        made.gauge("crowd.sessions.active", "Users in the shop", lambda: len(self._inside))
        for page in PAGES:  # so that the first failure is an increase, and not a new series
            self._requests(0, page=page)
            self._failures(0, page=page)

    async def work(self) -> None:
        """Send users for as long as the process lives."""
        async for _ in self._arrivals():
            self._sessions()
            if len(self._inside) >= MOST_SESSIONS:
                self._requests(page="home")
                self._failures(page="home")
                continue
            task = asyncio.ensure_future(self._visit(User(self._dice, self._share)))
            self._inside.add(task)
            task.add_done_callback(self._inside.discard)

    async def _arrivals(self) -> AsyncIterator[None]:
        """Yield once per session, at its time."""
        plan, loop = self._service.plan, asyncio.get_running_loop()
        due_s, work = loop.time(), 0.0
        while True:
            # A unit of work is one arrival; how fast it is done changes with the hour.
            work += self._dice.expovariate(1.0)
            while work > 0:
                per_s = plan.rate / PAGES_A_SESSION * rhythm(now_s(), plan.day_s)
                per_s *= self._share("factor")
                step_s = min(0.1, work / per_s if per_s > 0 else 0.1)
                work -= step_s * per_s
                due_s += step_s
                await asyncio.sleep(due_s - loop.time())
            yield

    def _share(self, name: str) -> float:
        return float(self._service.config.get(name, ORDINARY[name]))

    async def _visit(self, user: User) -> None:
        """Walk one session to its end."""
        page, path = user.first()
        for _ in range(MOST_LOOKS):
            if page == "click":
                product = int(path.rpartition("/")[2])
                await self._ask(user, "click", "POST", "/clicks", {"product": product})
                user.seen = [*user.seen, product][-5:]
                page = "product"
            well = await self._ask(user, page, "GET", path)
            if not well and user.leaves():
                return
            await asyncio.sleep(user.pause_s())
            if not user.stays():
                break
            page, path = user.next()
        if user.fills_cart():
            await self._buy(user)

    async def _buy(self, user: User) -> None:
        for product in user.wanted():
            wish = {"product": product, "quantity": 1}
            if not await self._ask(user, "add", "POST", "/cart", wish) and user.leaves():
                return
            await asyncio.sleep(user.pause_s())
        if await self._ask(user, "cart", "GET", "/cart") and user.orders():
            await asyncio.sleep(user.pause_s())
            await self._ask(user, "checkout", "POST", "/checkout")

    async def _ask(
        self, user: User, page: str, method: str, path: str, wish: dict[str, Any] | None = None
    ) -> bool:
        """Ask for a page; tells whether it came."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self._requests(page=page)
        user.offered = []
        try:
            answer = await self._service.calls.plain.request(
                method,
                f"{self._gateway}{path}",
                headers={"X-User": str(user.number), "X-Seen": ",".join(map(str, user.seen))},
                content=orjson.dumps(wish) if wish else b"",
                timeout=PATIENCE_S,
            )
            well = answer.status_code < 500
            if answer.status_code == 200 and method == "GET":
                user.offered = orjson.loads(answer.content).get("recommended", [])
        except httpx.HTTPError as error:
            well = False
            self._service.log.warning(
                "user %d left without %s: %s", user.number, page, str(error) or type(error).__name__
            )
        self._seconds(loop.time() - began_s, page=page)
        if not well:
            self._failures(page=page)
        return well


def run(plan: Plan, version: str) -> None:
    """Send users until told to end."""
    service = Service("crowd", plan, version)
    service.serve([], Crowd(service).work)
