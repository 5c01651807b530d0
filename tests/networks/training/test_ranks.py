"""Two processes train as one does on whole batches."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn

from networks.training.data import prepare
from networks.training.errors import InvalidOptions, RankFailed, TrainingStopped
from networks.training.fit import fit
from networks.training.launch import launch
from networks.training.options import FitOptions
from networks.training.ranks import ALONE, Ranks
from tests.networks.training.tiny import random_set

OPTIONS = FitOptions(epochs=2, batch_size=16, learning_rate=0.05, warmup_epochs=0.5, bf16=False, seed=4)


def trained(ranks: Ranks, checkpoint: Path | None, *, steps: int = 1_000) -> tuple[dict[str, Tensor], list[float]]:
    """Weights and losses of a network without norms, which would see the pictures of their own process alone."""
    torch.manual_seed(1)
    module = nn.Sequential(nn.Flatten(), nn.Linear(192, 12), nn.ReLU(), nn.Linear(12, 4))
    left = iter(range(steps))
    data = prepare(random_set(80))
    found = fit(module, data, OPTIONS, checkpoint=checkpoint, ranks=ranks, should_stop=lambda: next(left, None) is None)
    return module.state_dict(), [epoch.loss for epoch in found.epochs]


def two(folder: str) -> dict[str, Any]:
    """In each of two processes."""
    torch.set_num_threads(1)
    ranks = Ranks.joined()
    own, shared = Path(folder) / f"own-{ranks.number}", Path(folder) / "shared"
    whole = trained(ranks, own)
    with suppress(TrainingStopped):
        trained(ranks, shared, steps=6)  # in the second epoch
    distributed.barrier()
    return {"whole": whole, "resumed": trained(ranks, shared), "number": ranks.number}


def failing(folder: str) -> None:
    if Ranks.joined().number == 1:
        raise ValueError(f"not in {folder}")
    distributed.barrier()


def test_gradients_are_averaged_over_two_processes(tmp_path: Path) -> None:
    alone, losses = trained(ALONE, None)
    before = signal.getsignal(signal.SIGTERM)
    found = launch(two, str(tmp_path), processes=2)
    assert signal.getsignal(signal.SIGTERM) is before
    together, loss_together = found["whole"]
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-5)
    assert loss_together == pytest.approx(losses, rel=1e-4)
    assert found["number"] == 0
    assert all(torch.equal(found["resumed"][0][name], value) for name, value in together.items())
    assert {path.name for path in tmp_path.iterdir()} == {"own-0", "shared"}, "the second process writes no checkpoint"
    with pytest.raises(RankFailed, match="not in"):
        launch(failing, str(tmp_path), processes=2)


def test_batches_are_shared_evenly() -> None:
    with pytest.raises(InvalidOptions, match="multiple of 3"):
        Ranks(number=0, of=3).check(16, 100)
    with pytest.raises(InvalidOptions, match="at most 10"):
        Ranks(number=0, of=2).check(16, 10)
    ALONE.check(16, 10)
