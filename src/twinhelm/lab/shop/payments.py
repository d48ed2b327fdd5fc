"""Is the customer good for it? Charges cards over HTTPS, for callers who sign their requests.

``POST /charges`` with order reference, user and amount, signed (:mod:`.runtime.signing`): 201, 401
for a bad signature, 402 for a declined card.
"""

from __future__ import annotations

import asyncio

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.runtime import Service, answer
from twinhelm.lab.shop.runtime.signing import HEADER, BadSignature, check

__all__ = ["run"]

BANK_S = 0.02
"""How long the bank, which is not part of the lab, takes."""
DECLINED_EVERY = 50
"""One card in so many has no cover."""


def run(plan: Plan, version: str) -> None:
    """Serve until told to end."""
    service = Service("payments", plan, version)
    charges = service.instruments.counter("payments.charges", "Charges by outcome", "outcome")
    cents = service.instruments.counter("payments.charged.cents", "Money taken")

    async def charge(request: Request) -> Response:
        body = await request.body()
        try:
            check(plan.secret, body, request.headers.get(HEADER, ""), now_s=service.now_s())
        except BadSignature as error:
            charges(outcome="refused")
            service.log.error("charge refused: %s", error)
            return answer({"detail": str(error)}, 401)
        asked = orjson.loads(body)
        await asyncio.sleep(BANK_S)
        if asked["user"] % DECLINED_EVERY == DECLINED_EVERY - 1:
            charges(outcome="declined")
            service.log.warning("card of user %d declined by the bank", asked["user"])
            return answer({"detail": "card declined"}, 402)
        charges(outcome="taken")
        cents(asked["cents"])
        service.log.info("charged %.2f for %s", asked["cents"] / 100, asked["reference"])
        return answer({"charged": asked["cents"]}, 201)

    service.serve([Route("/charges", charge, methods=["POST"])])
