"""How is a recipe run so that it can be run again? In its folder, with everything named.

In: an :class:`Order`; out: how it ended (:class:`~.process.Ended`). The recipe is the user's own
and knows nothing of us. What it finds in its environment:

| variable | holds |
| --- | --- |
| ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME`` | where to log, and the product's name |
| ``MLFLOW_RUN_CONTEXT`` | tags that MLflow puts on every run, by which we find them |
| ``TWINHELM_TRAIN``, ``TWINHELM_HOLDOUT`` | where the data lies; empty where none is declared |
| ``TWINHELM_PARAMS`` | a JSON file of all parameters |
| ``TWINHELM_SEED``, ``PYTHONHASHSEED`` | the seed |
| ``NAME`` of each parameter, in capitals | its value, unless such a variable is there already |
| ``OMP_NUM_THREADS`` and its like | how many threads a library may use |

Our own settings (``TWINHELM_...``) are taken out. Wrong for recipes that draw randomness from
elsewhere, such as a GPU: they seed it themselves.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twinhelm.core.errors import NotFound
from twinhelm.core.json import dumps
from twinhelm.core.own.process import Ended, run
from twinhelm.mlops.build import inside

__all__ = ["Order", "run_recipe"]

_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
)


@dataclass(frozen=True, slots=True)
class Order:
    """One run to be made: ``work`` is its own folder, ``data`` holds paths by role.

    ``access`` are variables with which the recipe may log, ``tags`` what to put on its runs.
    """

    product: str
    recipe: str
    folder: Path
    work: Path
    tracking_url: str
    seed: int
    threads: int
    limit_s: float
    python: Path = Path(sys.executable)
    params: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    access: Mapping[str, str] = field(default_factory=dict)


def run_recipe(order: Order, beat: Callable[[float, str], None]) -> Ended:
    """Run it to its end; ``beat`` as for :func:`~.process.run`. The log is ``work/log``.

    Raises :class:`NotFound` where the recipe's file is not there.
    """
    if ":" not in order.recipe and not (order.folder / order.recipe).is_file():
        said = f"there is no recipe {order.recipe} in {order.folder}"
        raise NotFound(said, hint="mend build.recipe, a path from the product file")
    params = order.work / "params.json"
    params.write_bytes(dumps(dict(order.params)))
    with (order.work / "log").open("ab") as log:
        return run(
            [str(order.python), "-u", inside.__file__],
            folder=order.folder,
            environment=_environment(order, params),
            log=log,
            limit_s=order.limit_s,
            beat=beat,
        )


def _environment(order: Order, params: Path) -> dict[str, str]:
    theirs = {name: said for name, said in os.environ.items() if not name.startswith("TWINHELM_")}
    named = {
        name.upper(): said if isinstance(said, str) else dumps(said).decode()
        for name, said in order.params.items()
        if re.fullmatch(r"[A-Za-z]\w*", name)
    }
    return {
        **named,
        **theirs,
        **dict.fromkeys(_THREADS, str(order.threads)),
        "PYTHONHASHSEED": str(order.seed % 2**32),
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_TRACKING_URI": order.tracking_url,
        "MLFLOW_EXPERIMENT_NAME": order.product,
        "MLFLOW_RUN_CONTEXT": dumps(dict(order.tags)).decode(),
        **order.access,
        "TWINHELM_RECIPE": order.recipe,
        "TWINHELM_PRODUCT": order.product,
        "TWINHELM_SEED": str(order.seed),
        "TWINHELM_PARAMS": str(params),
        "TWINHELM_TRAIN": order.data.get("train", ""),
        "TWINHELM_HOLDOUT": order.data.get("holdout", ""),
    }
