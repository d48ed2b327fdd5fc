"""The whole shop, as real processes: it sells, tells what it does, breaks and heals."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from twinhelm.lab.shop.runtime.service import FLUSH_S, GRACE_S
from twinhelm.lab.shop.worker import POISON
from twinhelm.lab.stage.supervisor import END_PATIENCE_S
from twinhelm.lab.words import write_json

if TYPE_CHECKING:
    from conftest import Shop


def row(shop: Shop, statement: str, *values: object) -> Any:
    path = shop.plan.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(statement, values).fetchone()
    return found[0] if found else None


def test_an_order_goes_all_the_way(shop: Shop) -> None:
    home = shop.ask("gateway", "GET", "/", headers={"X-User": "1", "X-Seen": "1,2"}).json()
    assert len(home["products"]) == 12
    assert len(home["recommended"]) == 6
    category = shop.ask("gateway", "GET", f"/categories/{home['categories'][0]}").json()
    assert (len(category["products"]), category["total"], len(category["related"])) == (24, 500, 4)
    found = shop.ask("gateway", "GET", "/search", params={"q": "Oak ch"}).json()["products"]
    assert {product["name"][:9] for product in found} == {"oak chair"}
    product = shop.ask("gateway", "GET", "/products/7", headers={"X-User": "1"}).json()
    assert product["name"] == "oak desk 1"
    click = {"product": product["recommended"][0]}
    assert (
        shop.ask("gateway", "POST", "/clicks", json=click, headers={"X-User": "1"}).status_code
        == 202
    )

    stock = row(shop, "SELECT quantity FROM stock WHERE product = 7")
    placed = shop.order(1)
    assert placed.status_code == 201, placed.text
    order = placed.json()["order"]
    assert row(shop, "SELECT quantity FROM stock WHERE product = 7") == stock - 2
    shop.until(lambda: row(shop, "SELECT status FROM orders WHERE id = ?", order) == "shipped")
    assert (shop.plan.volume / f"{order:010d}.label").exists()
    cart = shop.ask("gateway", "GET", "/cart", headers={"X-User": "1"}).json()
    assert cart == {"lines": []}


def test_one_order_is_one_trace_through_all_services(shop: Shop) -> None:
    assert shop.order(2).status_code == 201
    want = {
        ("gateway", "POST /checkout"): ("http.route", "/checkout"),
        ("checkout", "POST /orders"): ("http.route", "/orders"),
        ("cart", "GET cache"): ("db.system.name", "redis-like"),
        ("inventory", "UPDATE shopdb"): ("db.name", "shopdb"),
        ("payments", "POST /charges"): ("http.route", "/charges"),
        ("shipping", "GET /quotes"): ("http.route", "/quotes"),
        ("checkout", "send orders"): ("messaging.destination.name", "orders"),
        ("worker", "process orders"): ("messaging.destination.name", "orders"),
        ("worker", "UPDATE shopdb"): ("db.name", "shopdb"),
    }

    def whole() -> list[dict[tuple[str, str], dict[str, Any]]]:
        traces: dict[bytes, dict[tuple[str, str], dict[str, Any]]] = {}
        for span in tuple(shop.sink.spans):
            traces.setdefault(span["trace"], {})[span["service"], span["name"]] = span
        return [spans for spans in traces.values() if spans.keys() >= want.keys()]

    shop.until(whole)
    spans = whole()[-1]
    for name, (key, value) in want.items():
        assert spans[name][key] == value, name
    assert not any(span["failed"] for span in spans.values())


def test_every_service_tells_what_it_does(shop: Shop) -> None:
    own = {"process.cpu.time", "process.memory.usage", "process.open_file_descriptor.count"}
    assert shop.ask("gateway", "GET", "/").status_code == 200
    assert shop.order(1).status_code == 201
    told = shop.sink.metrics
    want = {
        "gateway": {"http.server.request.duration", "http.client.request.duration"},
        "checkout": {"orders.placed", "db.pool.connections.in_use", "db.pool.wait_seconds"},
        "payments": {"payments.charges", "http.server.request.duration"},
        "recommender": {"recommender.input.mean", "recommender.score.mean"},
    }
    for service, names in want.items():
        shop.until(lambda service=service, names=names: told.get(service, set()) >= names | own)
    for service in ("catalog", "cart", "shipping", "inventory", "worker", "cache", "queue"):
        names = {series.partition("{")[0] for series in shop.scraped(service)}
        assert {"process_cpu_seconds_total", "process_resident_memory_bytes"} <= names
        assert not any(name.endswith("_created") for name in names)
    assert shop.scraped("catalog")['http_requests_total{code="200",method="GET",route="/home"}']
    assert shop.scraped("inventory")["db_pool_connections_max"] == 5
    assert shop.scraped("cache")["cache_hits_total"] > 0
    queue = shop.scraped("queue")
    assert 'queue_messages_ready{queue="orders"}' in queue
    # Waiting for work is not slowness.
    assert not any("duration" in series and "take" in series for series in queue)


def test_every_service_writes_its_log_where_it_belongs(shop: Shop) -> None:
    assert shop.order(1).status_code == 201
    shop.until(lambda: any("INFO order" in line for line in shop.sink.logs.get("checkout", [])))
    assert "INFO cart: user 1 added 2 of product 7" in shop.plan.log_file("cart").read_text()
    inventory = shop.plan.output("inventory").read_text()
    assert "INFO inventory: reserved 1 lines trace_id=" in inventory


def test_processes_stay_small(shop: Shop) -> None:
    for name in ("catalog", "worker", "cache"):
        assert shop.scraped(name)["process_resident_memory_bytes"] < 100e6


def test_defects_ask_for_the_secret(shop: Shop) -> None:
    asked = {"name": "slow", "on": True}
    for headers in ({}, {"X-Lab-Secret": "wrong"}):
        answer = shop.ask("cart", "POST", "/_lab/defects", json=asked, headers=headers)
        assert answer.status_code == 403
    right = {"X-Lab-Secret": shop.plan.secret}
    for wrong in (
        {"name": "unheard", "on": True},
        {"on": True},
        [],
        {"name": "slow", "on": 1, "x": 1},
    ):
        answer = shop.ask("cart", "POST", "/_lab/defects", json=wrong, headers=right)
        assert answer.status_code == 400


def test_clocks_that_disagree_stop_payments(shop: Shop) -> None:
    shop.defect("payments", "clock", True, offset_s=120)
    assert shop.order(3).status_code == 502
    shop.defect("payments", "clock", False)
    assert shop.order(3).status_code == 201
    shop.until(lambda: any("signature is 120 s old" in line for line in shop.sink.logs["payments"]))


def test_a_declined_card_is_nobodys_failure(shop: Shop) -> None:
    stock = row(shop, "SELECT quantity FROM stock WHERE product = 7")
    assert shop.order(49).status_code == 402
    assert row(shop, "SELECT quantity FROM stock WHERE product = 7") == stock


def test_an_exhausted_pool_refuses_and_recovers(shop: Shop) -> None:
    shop.defect("inventory", "hold_connections", True, count=5)
    shop.until(lambda: shop.scraped("inventory")["db_pool_connections_in_use"] == 5)
    assert shop.order(4).status_code == 502
    shop.defect("inventory", "hold_connections", False)
    assert shop.order(4).status_code == 201


def test_a_full_volume_writes_no_label(shop: Shop) -> None:
    label = {"order": 1, "city": "Graz", "postcode": "1"}
    shop.defect("shipping", "fill_volume", True)
    shop.until(lambda: shop.ask("shipping", "POST", "/labels", json=label).status_code == 507)
    told = shop.scraped("shipping")
    assert told["volume_used_bytes"] > 0.99 * told["volume_limit_bytes"]
    shop.defect("shipping", "fill_volume", False)
    assert shop.ask("shipping", "POST", "/labels", json=label).status_code == 201


def test_carts_follow_their_configuration(shop: Shop) -> None:
    def status() -> int:
        return shop.ask("gateway", "GET", "/cart", headers={"X-User": "5"}).status_code

    shop.configure("cart", {"cache_url": "http://127.0.0.1:1"})
    shop.until(lambda: status() == 502)
    assert shop.ask("gateway", "GET", "/categories/chair-0").status_code == 200
    shop.plan.config("cart").unlink()
    shop.until(lambda: status() == 200)


def test_a_flag_makes_the_home_page_ask_twelve_times(shop: Shop) -> None:
    write_json(shop.plan.flags, {"gateway.personalised_home": True})
    shop.until(lambda: "shelves" in shop.ask("gateway", "GET", "/").json())
    assert len(shop.ask("gateway", "GET", "/").json()["shelves"]) == 12
    shop.plan.flags.unlink()
    shop.until(lambda: "shelves" not in shop.ask("gateway", "GET", "/").json())


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/nowhere", {}, 404),
        ("/products/999999999", {}, 404),
        ("/categories/none", {}, 404),
        ("/search", {}, 400),
        ("/cart", {"X-User": "me"}, 400),
    ],
)
def test_bad_requests_are_refused_all_through(
    shop: Shop, path: str, headers: dict[str, str], status: int
) -> None:
    assert shop.ask("gateway", "GET", path, headers=headers).status_code == status


def test_a_bad_release_is_a_restart(shop: Shop) -> None:
    shop.stop("checkout", "catalog")
    shop.start("checkout", version="2.1.0")
    shop.start("catalog", version="3.2.0")
    assert shop.order(7).status_code == 502
    assert shop.order(6).status_code == 201
    found = shop.ask("catalog", "GET", "/search", params={"q": "oak"})
    assert found.elapsed.total_seconds() > 0.4
    assert shop.ask("catalog", "GET", "/products/3").elapsed < found.elapsed
    shop.until(lambda: any("raised KeyError" in line for line in shop.sink.logs["checkout"]))
    shop.stop("checkout", "catalog")
    shop.start("checkout", "catalog")
    assert shop.order(7).status_code == 201


def test_without_its_cache_the_catalog_serves_from_the_database(shop: Shop) -> None:
    shop.stop("cache")
    assert shop.ask("gateway", "GET", "/").status_code == 200
    assert shop.ask("gateway", "GET", "/cart").status_code == 502
    assert shop.scraped("catalog")["catalog_cache_bypassed_total"] > 0
    shop.start("cache")
    assert shop.ask("gateway", "GET", "/cart").status_code == 200


def test_a_poisoned_message_comes_again_and_holds_up_the_others(shop: Shop) -> None:
    shop.ask("queue", "POST", "/queues/orders", json=POISON)
    failed = 'worker_messages_total{outcome="failed"}'
    shop.until(lambda: shop.ask("queue", "GET", "/queues/orders").json()["taken"] == 1)
    order = shop.order(8).json()["order"]
    shop.until(lambda: shop.scraped("worker").get(failed, 0) >= 2, within_s=20)
    shop.until(lambda: row(shop, "SELECT status FROM orders WHERE id = ?", order) == "shipped")
    told = shop.scraped("worker")
    assert told["worker_wait_seconds_sum"] > 1.0
    assert shop.ask("queue", "GET", "/queues/orders").json()["oldest_s"] > 5.0
    assert "TypeError" in shop.plan.output("worker").read_text()
    emptied = shop.ask("queue", "DELETE", "/queues/orders").json()
    assert (emptied["ready"], emptied["taken"]) == (0, 0)


def test_what_still_hangs_is_answered_when_its_process_ends(shop: Shop) -> None:
    shop.defect("shipping", "drop", True, ratio=1.0)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(shop.ask, "shipping", "GET", "/quotes")
        with pytest.raises(TimeoutError):
            hanging.result(0.3)
        shop.stop("shipping")
        assert hanging.result(5).status_code == 503
    shop.start("shipping")


def test_processes_end_in_order_before_they_would_be_killed(shop: Shop) -> None:
    assert GRACE_S + FLUSH_S < END_PATIENCE_S  # requests under way, and the last telemetry
    shop.stop(*shop.processes)
    assert shop.processes == {}
