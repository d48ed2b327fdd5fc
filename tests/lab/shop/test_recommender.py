"""The recommender's model and the watch on it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from twinhelm.lab.shop import baskets
from twinhelm.lab.shop.recommender import WINDOW, Model, Monitor, Seen, model_file
from twinhelm.lab.shop.seed import MODELS, prepare_models, save_model, train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lab")
    prepare_models(made)
    return made


def test_what_was_bought_together_is_recommended(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    save_model(path, train([(1, 2), (1, 2), (1, 3), (4,)], items=5), steps=2)
    model = Model(path)
    assert model.rank([1], 50.0, 2)[0] == [2, 3]
    assert 1 not in model.rank([1], 50.0, 5)[0][:4]


def test_columns_are_shares() -> None:
    together = train([(1, 2), (1, 2), (1, 3)], items=4)
    assert together[:, 0] == pytest.approx([0, 2 / 3, 1 / 3, 0])
    assert together.sum(axis=0) == pytest.approx([1, 1, 1, 0])


def test_training_is_deterministic() -> None:
    assert np.array_equal(train(baskets(), 100), train(baskets(), 100))


@pytest.mark.parametrize("seen", [[], [0], [10**9], [1], [1, 1, 2, 3]])
def test_any_input_gets_an_answer(folder: Path, seen: list[int]) -> None:
    products, score = Model(model_file(folder, "1.4.0")).rank(seen, 0.0, 6)
    assert len(set(products)) == 6
    assert math.isfinite(score)


def test_prices_in_the_wrong_unit_shift_the_scores(folder: Path) -> None:
    model = Model(model_file(folder, "1.4.0"))
    right = [model.rank([n], 50.0, 6)[1] for n in range(1, 50)]
    wrong = [model.rank([n], 5_000.0, 6)[1] for n in range(1, 50)]
    assert np.mean(wrong) < 0.7 * np.mean(right)


def test_the_slow_version_has_more_to_do() -> None:
    (items, steps), (old_items, old_steps) = MODELS["2.0.0"], MODELS["1.4.0"]
    assert items**2 * steps > 1_000 * old_items**2 * old_steps


def test_models_are_made_once(folder: Path) -> None:
    before = model_file(folder, "2.0.0").stat().st_mtime_ns
    prepare_models(folder)
    assert model_file(folder, "2.0.0").stat().st_mtime_ns == before


def test_the_monitor_keeps_the_last_requests_and_their_labels() -> None:
    monitor = Monitor()
    assert monitor.input_means() == {}
    assert math.isnan(monitor.score_mean())
    for number in range(WINDOW + 50):
        monitor.requests.append(Seen(number % 10, [1, 2], {"price": float(number)}, 0.5))
    assert len(monitor.requests) == WINDOW
    assert monitor.input_means() == {"price": 50 + (WINDOW - 1) / 2}
    assert monitor.click(user=3, product=2)
    assert not monitor.click(user=3, product=9)
    assert not monitor.click(user=77, product=2)
    assert monitor.click_ratio() == 1 / WINDOW
    assert monitor.score_mean() == 0.5
