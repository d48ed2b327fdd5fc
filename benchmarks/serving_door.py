"""Serve one model directory by twinhelm's own door alone: ``python ... FOLDER PORT DATA``.

What ``twinhelm up`` serves models with, without the guard in front: the door, the worker process,
the measures and the prediction log on disk. The product is called ``model``.
"""

import sys
from pathlib import Path

import uvicorn

from twinhelm.core.clock import SystemClock
from twinhelm.core.own.memory import keep_memory
from twinhelm.core.settings import Settings
from twinhelm.mlops.deploy import Limits, Serving
from twinhelm.mlops.types import Deployment, Part
from twinhelm.store.predictions import FILE, SqlitePredictions
from twinhelm.web.doors.predict import PredictDoor
from twinhelm.web.server import Protocol


def main(folder: Path, port: int, data: Path) -> None:
    """Serve until ended."""
    keep_memory()
    kept = SqlitePredictions(data / FILE)
    serving = Serving(kept, SystemClock())
    serving.hold("model", "1", folder, Limits())
    serving.turn(Deployment("model", (Part("1", "champion", 1.0),), 0), None)
    door = PredictDoor(serving, Settings(data=data))

    async def app(scope, receive, send):
        scope.setdefault("state", {})["headers"] = dict(scope["headers"])
        await door(scope, receive, send)

    try:
        uvicorn.run(
            app, host="127.0.0.1", port=port, loop="uvloop", http=Protocol, lifespan="off",
            access_log=False, log_level="warning", server_header=False, proxy_headers=False,
        )  # fmt: skip
    finally:
        serving.close()
        kept.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
