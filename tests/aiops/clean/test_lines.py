from __future__ import annotations

import numpy as np
import pytest

from twinhelm.aiops.clean.entities import entity_of
from twinhelm.aiops.clean.lines import ERROR, Lines
from twinhelm.aiops.clean.tally import LIFE_MS, WINDOW_MS
from twinhelm.core.labels import labels_of, metric_name
from twinhelm.core.telemetry import LogBlock, is_stale

W0 = 850_000_000
T0 = W0 * WINDOW_MS


class Log:
    """Lines, and what it made by metric and entity."""

    def __init__(self) -> None:
        self.labels: list = []
        self.lines = Lines(self.intern)
        self.open = W0

    def intern(self, labels: list) -> np.ndarray:
        first = len(self.labels)
        self.labels += labels
        return np.arange(first, len(self.labels), dtype=np.uint32)

    def take(self, *rows: tuple) -> dict:
        """Take rows of (service, ms after the start, severity, body)."""
        services = sorted({row[0] for row in rows})
        block = LogBlock(
            np.array([(T0 + row[1]) * 1_000_000 for row in rows]),
            np.array([services.index(row[0]) for row in rows], np.int32),
            tuple(
                labels_of({"service_name": name} if name else {"zone": "x"}) for name in services
            ),
            np.array([row[2] for row in rows], np.uint8),
            [row[3] for row in rows],
            *([[""] * len(rows)] * 3),
        )
        return self.lines.take(block, self.open, T0)

    def close(self) -> dict:
        made = self.lines.close(self.open)
        self.open += 1
        return {
            (metric_name(self.labels[one])[5:-11], entity_of(self.labels[one])[8:]): value
            for one, value in zip(made.series.tolist(), made.value.tolist(), strict=True)
        }


def test_nothing_tells_nothing() -> None:
    assert Log().close() == {}


def test_lines_and_errors_per_second_of_each_service() -> None:
    log = Log()
    rows = [("cart", 10 * n, 17 if n % 5 == 0 else 9, "x") for n in range(10)]
    assert log.take(*rows, ("catalog", 1999, 21, "x"), ("cart", 2000, 9, "x")) == {}
    assert log.close() == {
        ("lines", "cart"): 5.0,
        ("errors", "cart"): 1.0,
        ("lines", "catalog"): 0.5,
        ("errors", "catalog"): 0.5,
    }
    assert log.close()["lines", "cart"] == 0.5


def test_a_line_without_a_severity_is_judged_by_its_text() -> None:
    log = Log()
    log.take(
        ("cart", 0, 0, "2026-11-23T09:32:34.123Z ERROR cart: no room"),
        ("cart", 0, 0, "2026-11-23T09:32:34.123Z INFO cart: no ERRORS"),
        ("cart", 0, 0, '{"level": "error", "msg": "x"}'),
        ("cart", 0, 0, "GET /error 200" + " " * 200 + "ERROR"),
        ("cart", 0, 9, "ERROR, says the text, INFO the sender"),
    )
    assert log.close()["errors", "cart"] == 1.0


@pytest.mark.parametrize(
    ("line", "error"),
    [("lvl=crit msg=x", True), ("[FATAL] x", True), ("error rate is low", False), ("", False),
     ("severity: ERROR", True), ("INFO terror", False)],
)  # fmt: skip
def test_what_looks_like_an_error(line: str, error: bool) -> None:
    assert (ERROR.search(line) is not None) is error


def test_silence_is_seen_and_ends() -> None:
    log = Log()
    log.take(("cart", 0, 9, "x"))
    log.close()
    silent = [log.close() for _ in range(LIFE_MS // WINDOW_MS)]
    assert all(set(one.values()) == {0.0} for one in silent[:-1])
    assert is_stale(np.array(list(silent[-1].values()))).all()
    assert log.lines.idle


def test_what_is_left_out_is_counted() -> None:
    log = Log()
    log.open += 1
    rows = ("cart", 0, 9, "late"), ("cart", 700_000, 9, "ahead"), ("", 3000, 9, "of nobody")
    assert log.take(*rows, ("cart", 2000, 9, "good")) == {"late": 1, "ahead": 1, "unnamed": 1}
    assert log.close()["lines", "cart"] == 0.5
