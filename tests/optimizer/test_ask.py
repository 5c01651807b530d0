"""What a network is asked agrees with what the optimizer judges by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from design.constraints import Preferences
from optimizer.ask import FIGURE_OF_LIMIT, ask_of, excess, utility
from optimizer.objective import LIMITS
from optimizer.observation import log_odds, observe
from optimizer.surrogate import FIGURES, Figure
from tests.optimizer.asking import ask, trials_of

LIMITS_ASKED: dict[str, Any] = {
    "latency_ms": 3.0,
    "energy_mj": 5.0,
    "model_kb": 60.0,
    "peak_memory_kb": 200.0,
    "training_memory_kb": 20_000.0,
    "min_accuracy": 0.8,
}


def test_utility_and_excess_are_those_of_the_objective() -> None:
    """Differences of spreads between designs aside, which an observation knows only in the mean."""
    problem = ask("raspberry-pi-4", "vgg", preferences=Preferences(accuracy=1, latency=0.5, size=0.2), **LIMITS_ASKED)
    trials = trials_of(problem)
    scores = trials.score(trials.mask.sample(40, np.random.default_rng(0)))
    seen = observe(trials.space, trials.task, trials.device, trials.energy_model)
    figures = torch.zeros(len(scores), FIGURES, dtype=torch.float64)
    figures[:, Figure.LATENCY_MS] = torch.from_numpy(np.log(scores.latency_ms))
    figures[:, Figure.ENERGY_MJ] = torch.from_numpy(np.log(scores.energy_mj))
    figures[:, Figure.MODEL_BYTES] = torch.from_numpy(np.log(scores.model_bytes))
    figures[:, Figure.PEAK_BYTES] = torch.from_numpy(np.log(scores.peak_memory_bytes))
    training = scores.at_risk[:, LIMITS.index("training_memory_kb")]
    figures[:, Figure.TRAINING_BYTES] = torch.from_numpy(np.log(1000 * training))
    figures[:, Figure.ACCURACY] = torch.from_numpy(log_odds(scores.accuracy))
    asked = ask_of(trials.objective, trials.risk, seen).repeat(len(scores))
    own = utility(figures, asked).numpy()
    assert np.corrcoef(own, trials.objective.utility(scores))[0, 1] > 0.995
    over = excess(figures, asked).numpy()
    for name in ("model_kb", "peak_memory_kb", "training_memory_kb"):
        column = FIGURE_OF_LIMIT[LIMITS.index(name)]
        broken = scores.at_risk[:, LIMITS.index(name)] / LIMITS_ASKED[name]
        assert over[:, column] == pytest.approx(np.log(broken), abs=1e-5)
    latency = over[:, Figure.LATENCY_MS] - np.log(scores.at_risk[:, 0] / LIMITS_ASKED["latency_ms"])
    assert np.abs(latency).max() < 0.5  # spreads of single designs


def test_limits_not_set_never_count() -> None:
    trials = trials_of(ask("raspberry-pi-4", "vgg"))
    asked = ask_of(trials.objective, 0.1, observe(trials.space, trials.task, trials.device, "horowitz"))
    assert not excess(torch.full((1, FIGURES), 99.0), asked).any()


def test_tighter_limits_are_tighter_and_repeats_are_equal() -> None:
    trials = trials_of(ask("raspberry-pi-4", "vgg", latency_ms=3, min_accuracy=0.8))
    one = ask_of(trials.objective, 0.1, observe(trials.space, trials.task, trials.device, "horowitz"))
    tighter = one.tightened(torch.tensor([0.2]))
    assert tighter.limits[0, Figure.LATENCY_MS] == pytest.approx(float(one.limits[0, Figure.LATENCY_MS]) - 0.2)
    assert tighter.limits[0, Figure.ACCURACY] == pytest.approx(float(one.limits[0, Figure.ACCURACY]) + 0.1)
    assert not tighter.limits[:, Figure.MODEL_BYTES].any()
    assert torch.equal(one.repeat(3).limits, one.limits.expand(3, -1))
