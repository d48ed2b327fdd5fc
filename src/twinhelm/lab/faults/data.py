"""Which faults lie in data? Late, halved, changed; and what models are fed and told by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinhelm.lab.faults.causes import Cause, crowd, flag
from twinhelm.lab.pipeline import FEED, LOAD_MARGINS, lock_file
from twinhelm.lab.words import DATABASE, Fault, Symptom, Truth

if TYPE_CHECKING:
    from twinhelm.lab.stage import Stage

__all__ = ["DATA"]

DROP_FEED = "DROP VIEW IF EXISTS order_feed"
CHANGED_FEED = FEED.replace(" order_lines.quantity,", " order_lines.quantity AS pieces,")


def _lock() -> Cause:
    """Leave a lock that the nightly job waits for."""

    async def start(stage: Stage) -> None:
        lock_file(stage.plan.folder).write_text("back-fill of last year, started by hand\n")

    async def stop(stage: Stage) -> None:
        lock_file(stage.plan.folder).unlink(missing_ok=True)

    return Cause(start, stop)


def _margins() -> Cause:
    """Lose every other margin, without a word."""
    half = "DELETE FROM product_margins WHERE (product & 1) = 0"

    async def start(stage: Stage) -> None:
        await stage.sql(half)

    async def stop(stage: Stage) -> None:
        await stage.sql(LOAD_MARGINS)

    return Cause(start, stop)


def _feed() -> Cause:
    """Rename a column that the nightly job reads."""

    async def start(stage: Stage) -> None:
        await stage.announce("migration", DATABASE, "order_feed calls quantity pieces")
        await stage.sql(DROP_FEED)
        await stage.sql(CHANGED_FEED)

    async def stop(stage: Stage) -> None:
        await stage.sql(DROP_FEED)
        await stage.sql(FEED)
        await stage.announce("migration", DATABASE, "order_feed calls quantity quantity again")

    return Cause(start, stop)


DATA = (
    Fault(
        "pipeline_late",
        "The nightly job waits for a lock that somebody's back-fill left behind",
        "Remove the lock",
        Truth("nightly", indicator="freshness"),
        Symptom("log", {"service": "pipeline"}, "lines", above=0.0, text="waits for pipeline.lock"),
        *_lock(),
    ),
    Fault(
        "pipeline_half_empty",
        "Half of the margins are lost, and the nightly job leaves those products out",
        "Load the margins again",
        Truth("nightly", also=("product_margins", "product_features"), indicator="volume"),
        Symptom("db_rows", {"table": "product_features"}, "value", below=1000.0),
        *_margins(),
    ),
    Fault(
        "schema_changed",
        "A migration renames a column that the nightly job reads",
        "Give the column its old name again",
        Truth("nightly", also=(DATABASE, "order_feed"), indicator="schema", change="migration"),
        Symptom("log", {"service": "pipeline"}, "lines", above=0.0, text="of nightly failed"),
        *_feed(),
    ),
    Fault(
        "model_input_drift",
        "Users look at products that the recommender's model does not know",
        "Let users look at what they used to",
        Truth("recommender", indicator="drift"),
        Symptom("recommender_input_mean", {"feature": "known"}, "value", below=0.45),
        *crowd(strange=0.9),
    ),
    Fault(
        "label_shift",
        "Users hardly follow recommendations any more",
        "Let users follow recommendations again",
        Truth("recommender", indicator="drift"),
        Symptom("recommender_click_ratio", {"job": "recommender"}, "value", below=0.07),
        *crowd(click=0.0),
    ),
    Fault(
        "unit_changed",
        "A flag makes gateway tell the recommender prices in cents",
        "Switch the flag off",
        Truth("gateway", also=("recommender",), indicator="drift", change="flag"),
        Symptom("recommender_input_mean", {"feature": "price"}, "value", above=500.0),
        *flag("gateway", "prices_in_cents", "Prices in cents"),
    ),
)
