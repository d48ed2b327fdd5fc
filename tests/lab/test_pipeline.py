"""The nightly job counts what it reads and writes, tells it as OpenLineage, and waits its turn."""

import threading
from urllib.parse import urlsplit

import numpy as np
import orjson
import pytest
from sqlalchemy import create_engine, text

from lab.stage.running import Sink
from twinhelm.aiops.collect.openlineage import decode_openlineage
from twinhelm.lab import pipeline
from twinhelm.lab.faults.data import CHANGED_FEED, DROP_FEED
from twinhelm.lab.pipeline import FEED, LOAD_MARGINS, Nightly, lock_file, prepare
from twinhelm.lab.plan import Backend, Plan
from twinhelm.lab.shop.database import prepare as prepare_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A seeded database, a job on it, and the sink that hears of its runs."""
    folder = tmp_path_factory.mktemp("nightly")
    sink = Sink()
    url = f"sqlite:///{folder}/shopdb.sqlite"
    prepare_shop(url)
    plan = Plan(folder, {"agent": urlsplit(sink.url).port}, url, Backend(), "secret", "host")
    nightly = Nightly(plan, threading.Event())
    with nightly._engine.begin() as connection:
        prepare(connection)
    yield nightly, sink, plan
    nightly._engine.dispose()
    nightly._client.close()
    sink.close()


def told(sink, since):
    return [orjson.loads(body) for body in sink.at("/api/v1/lineage")[since:]]


def once(shop, due_s=1_700_000_000.0):
    """Run the job; return whether it was done, and its events."""
    nightly, sink, _ = shop
    since = len(sink.bodies)
    done = nightly.once(due_s)
    return done, told(sink, since)


def sql(plan, *statements):
    engine = create_engine(plan.database_url)
    with engine.begin() as connection:
        result = [connection.execute(text(statement)) for statement in statements][-1]
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows


def rows_of(event, way, name):
    dataset = next(each for each in event[f"{way}s"] if each["name"] == name)
    return dataset[f"{way}Facets"][f"{way}Statistics"]["rowCount"]


def test_a_run_writes_features_and_a_model_and_says_so(shop):
    done, events = once(shop)
    assert done
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"]
    assert len({event["run"]["runId"] for event in events}) == 1
    ((features, sold),) = sql(shop[2], "SELECT count(*), sum(sold) FROM product_features")
    ((read, pieces),) = sql(shop[2], "SELECT count(*), sum(quantity) FROM order_feed")
    assert rows_of(events[1], "output", "product_features") == features > 1000
    assert rows_of(events[1], "output", "recommender_model") == 4000
    assert rows_of(events[1], "input", "order_feed") == read
    assert sold == pieces
    with np.load(pipeline.model_file(shop[2].folder, pipeline.MODEL)) as model:
        assert model["together"].shape == (500, 500)


def test_the_house_understands_its_events(shop):
    _, events = once(shop)
    received = decode_openlineage(orjson.dumps(events))
    (change,) = received.changes
    assert change.entity == "pipeline:shop/nightly"
    assert change.outcome == "success"
    assert change.end_ms is not None
    assert {edge.target for edge in received.edges} >= {"dataset:shopdb/order_feed"}


def test_lost_margins_halve_what_is_written_but_not_what_is_read(shop):
    _, (_, whole) = once(shop)
    sql(shop[2], "DELETE FROM product_margins WHERE (product & 1) = 0")
    _, (_, half) = once(shop)
    sql(shop[2], LOAD_MARGINS)
    _, (_, again) = once(shop)
    features = [rows_of(event, "output", "product_features") for event in (whole, half, again)]
    assert features[1] == pytest.approx(features[0] / 2, rel=0.05)
    assert features[2] == features[0]
    assert rows_of(half, "input", "order_feed") == rows_of(whole, "input", "order_feed")


def test_a_changed_feed_fails_the_run_and_leaves_what_was_there(shop):
    once(shop)
    before = sql(shop[2], "SELECT count(*), max(computed_s) FROM product_features")
    assert CHANGED_FEED != FEED
    sql(shop[2], DROP_FEED, CHANGED_FEED)
    done, events = once(shop)
    sql(shop[2], DROP_FEED, FEED)
    assert not done
    assert events[1]["eventType"] == "FAIL"
    assert "quantity" in events[1]["run"]["facets"]["errorMessage"]["message"]
    assert sql(shop[2], "SELECT count(*), max(computed_s) FROM product_features") == before
    assert once(shop)[0]


def test_a_run_waits_for_the_lock_and_then_goes_on(shop):
    lock = lock_file(shop[2].folder)
    lock.write_text("somebody\n")
    removing = threading.Timer(0.3, lock.unlink)
    removing.start()
    done, events = once(shop)
    removing.join()
    assert done
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"]


def test_who_is_told_to_end_while_waiting_aborts(shop):
    nightly, _, plan = shop
    lock = lock_file(plan.folder)
    lock.write_text("somebody\n")
    nightly._told.set()
    try:
        done, events = once(shop)
    finally:
        nightly._told.clear()
        lock.unlink()
    assert not done
    assert [event["eventType"] for event in events] == ["START", "ABORT"]


def test_a_backend_that_does_not_listen_is_no_reason_to_fail(shop):
    nightly, sink, _ = shop
    sink.status = 503
    try:
        assert nightly.once(1_700_000_000.0)
    finally:
        sink.status = 200


def test_identities_are_of_version_7_and_grow_with_time():
    first, second = (pipeline._uuid7(at_s) for at_s in (1_700_000_000.0, 1_700_000_001.0))
    assert first.version == second.version == 7
    assert first.variant == "specified in RFC 4122"
    assert first < second
