"""Training learns, repeats itself to the digit, goes on where it stopped, and says what is wrong."""

from __future__ import annotations

import errno
import io
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from networks.training.augmentation import Augmentation
from networks.training.batches import Batches
from networks.training.data import prepare
from networks.training.errors import (
    CheckpointMismatch,
    InvalidData,
    InvalidOptions,
    TrainingDiverged,
    TrainingStopped,
)
from networks.training.evaluation import evaluate
from networks.training.fit import fit
from networks.training.options import FitOptions
from networks.training.progress import Fitted, Progress
from networks.training.sources.read import read_digits
from tests.networks.training.tiny import digits, random_set, tiny_net

SHORT = FitOptions(epochs=3, batch_size=64, augmentation=Augmentation(padding=1))
VARIANTS = {
    "sgd": SHORT,
    "adamw": replace(SHORT, optim="adamw", learning_rate=0.01, decayed="all"),
    "average": replace(SHORT, average_decay=0.9, clip_norm=1.0, label_smoothing=0.1, bf16=False),
}


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def curves(fitted: Fitted) -> list[tuple[float, ...]]:
    return [(one.loss, one.accuracy, one.validation_loss, one.validation_accuracy) for one in fitted.epochs]


def stop_in(epoch: int) -> Callable[[], bool]:
    """Stops in the middle of an epoch (from 1) of three steps or more."""
    asked = [0]

    def should_stop() -> bool:
        asked[0] += 1
        return asked[0] > (epoch - 1) * (digits().train.images.shape[0] // 64) + 2

    return should_stop


def test_it_learns_digits() -> None:
    data = prepare(read_digits())
    module = tiny_net()
    fitted = fit(module, data, replace(SHORT, epochs=6))
    assert data.test is not None
    test = Batches(data.test, batch_size=100, normalisation=data.normalisation)
    assert evaluate(module, test).accuracy > 0.9
    assert len(fitted.epochs) == 6
    assert fitted.epochs[-1].loss < 0.5 * fitted.epochs[0].loss
    assert not module.training


def test_the_best_epoch_on_validation_is_kept() -> None:
    data = digits()
    module = tiny_net()
    fitted = fit(module, data, replace(SHORT, epochs=5, learning_rate=0.5, warmup_epochs=0, bf16=True))
    validation = Batches(data.validation, batch_size=500, normalisation=data.normalisation)
    best = max(one.validation_accuracy for one in fitted.epochs)
    assert fitted.validation_accuracy == best == evaluate(module, validation, bf16=True).accuracy
    assert fitted.epochs[fitted.best_epoch - 1].validation_accuracy == best
    assert all(one.validation_accuracy < best for one in fitted.epochs[fitted.best_epoch :])


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_the_same_seed_gives_the_same_weights_to_the_digit(options: FitOptions) -> None:
    one, other = tiny_net(dropout=0.1), tiny_net(dropout=0.1)
    torch.manual_seed(1)
    first = fit(one, digits(), options)
    torch.manual_seed(2)
    second = fit(other, digits(), options)
    assert curves(first) == curves(second)
    assert same(state(one), state(other))
    third = tiny_net(dropout=0.1)
    fit(third, digits(), replace(options, seed=1))
    assert not same(state(one), state(third))


def test_random_numbers_of_the_caller_are_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit(tiny_net(dropout=0.1), digits(), replace(SHORT, epochs=1))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("epoch", [2, 3])
def test_a_resumed_run_equals_an_unbroken_one(options: FitOptions, epoch: int, tmp_path: Path) -> None:
    whole, broken = tiny_net(dropout=0.1), tiny_net(dropout=0.1)
    unbroken = fit(whole, digits(), options)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(TrainingStopped) as caught:
        fit(broken, digits(), options, checkpoint=path, should_stop=stop_in(epoch))
    assert caught.value.epochs == epoch - 1
    fresh = tiny_net(seed=9, dropout=0.1)
    resumed = fit(fresh, digits(), options, checkpoint=path)
    assert curves(resumed) == curves(unbroken)
    assert resumed.best_epoch == unbroken.best_epoch
    assert same(state(fresh), state(whole))
    again = tiny_net(seed=3, dropout=0.1)
    assert fit(again, digits(), options, checkpoint=path) == resumed
    assert same(state(again), state(whole))
    assert [one.name for one in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path, short = tmp_path / "checkpoint.pt", replace(SHORT, epochs=1)
    fit(tiny_net(), digits(), short, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(CheckpointMismatch, match="other options"):
        fit(tiny_net(), digits(), replace(short, seed=1), checkpoint=path)
    with pytest.raises(CheckpointMismatch, match="other data"):
        fit(tiny_net(), digits(300), short, checkpoint=path)
    with pytest.raises(CheckpointMismatch, match="other network"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits(), short, checkpoint=path)
    assert path.read_bytes() == before
    path.write_bytes(before[: len(before) // 2])
    with pytest.raises(CheckpointMismatch, match="whole checkpoint"):
        fit(tiny_net(), digits(), short, checkpoint=path)


def test_progress_tells_loss_accuracy_and_time_left() -> None:
    told: list[Progress] = []
    fitted = fit(tiny_net(), digits(), SHORT, progress=told.append)
    assert [one.validation_accuracy for one in told if one.validation_accuracy is not None] == [
        one.validation_accuracy for one in fitted.epochs
    ]
    last = told[-1]
    assert (last.epoch, last.step, last.seconds_left) == (3, last.steps, 0)
    assert last.loss == fitted.epochs[-1].loss
    assert all(one.seconds_left > 0 for one in told[:-1])
    assert [one.seconds for one in told] == sorted(one.seconds for one in told)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_loss_that_is_no_number_stops() -> None:
    with pytest.raises(TrainingDiverged, match="smaller learning_rate"):
        fit(tiny_net(), digits(), replace(SHORT, learning_rate=1e30, warmup_epochs=0))


def test_a_teacher_pulls_the_student_to_itself() -> None:
    data = digits()
    teacher = tiny_net(seed=1)
    fit(teacher, data, SHORT)
    before = state(teacher)
    taught, alone = tiny_net(), tiny_net()
    options = replace(SHORT, epochs=4, augmentation=Augmentation())
    fit(taught, data, replace(options, distillation=1.0, temperature=2.0), teacher=teacher)
    fit(alone, data, options)
    assert same(before, state(teacher))
    images, _ = next(Batches(data.validation, batch_size=40, normalisation=data.normalisation).in_order())
    with torch.no_grad():
        wanted = teacher(images).softmax(1)
        apart = [float((module(images).softmax(1) - wanted).abs().mean()) for module in (taught, alone)]
    assert apart[0] < apart[1]
    with pytest.raises(InvalidOptions, match="must have a teacher"):
        fit(tiny_net(), data, replace(options, distillation=0.5))


def test_decay_acts_on_what_it_should() -> None:
    frozen = {"learning_rate": 1e-12, "warmup_epochs": 0.0, "weight_decay": 1e10, "momentum": 0.0, "nesterov": False}
    for decayed, shrinks in (("none", set()), ("weights", {"0", "4", "8"}), ("all", {"0", "1", "4", "5", "8"})):
        module = tiny_net()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.fill_(1.0)
        fit(module, digits(), FitOptions(epochs=1, decayed=decayed, **frozen))  # type: ignore[arg-type]
        moved = {name.split(".")[0] for name, value in module.named_parameters() if value.detach().mean() < 0.999}
        assert moved == shrinks


def test_clipping_bounds_a_step() -> None:
    module = tiny_net()
    before = state(module)
    options = FitOptions(
        epochs=1, batch_size=400, clip_norm=1e-3, learning_rate=1.0, warmup_epochs=0, momentum=0, nesterov=False,
        weight_decay=0,
    )  # fmt: skip
    fit(module, digits(), options)
    moved = sum(float((value.detach() - before[name]).square().sum()) for name, value in module.named_parameters())
    assert math.sqrt(moved) == pytest.approx(1e-3, rel=0.01)


class _Pair(nn.Module):
    """Gives two tensors."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.inner(images), images


class _PairInTraining(_Pair):
    """Like networks with an auxiliary head."""

    def forward(self, images: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        return super().forward(images) if self.training else self.inner(images)


def test_networks_that_cannot_be_trained() -> None:
    four = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    with pytest.raises(InvalidData, match=r"one tensor of logits.* tuple in evaluation"):
        fit(_Pair(four), prepare(random_set()), SHORT)
    with pytest.raises(InvalidData, match=r"one tensor of logits.* tuple in training"):
        fit(_PairInTraining(four), prepare(random_set()), SHORT)
    normed = nn.Sequential(nn.Flatten(), nn.utils.spectral_norm(nn.Linear(192, 4)))
    normed(torch.rand(2, 3, 8, 8))
    with pytest.raises(InvalidData, match="can be copied"):
        fit(normed, prepare(random_set()), SHORT)
    with pytest.raises(InvalidData, match="parameters to train"):
        fit(four.requires_grad_(False), prepare(random_set()), SHORT)
    with pytest.raises(InvalidData, match="parameters to train"):
        fit(nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(4)), prepare(random_set()), SHORT)


def test_networks_that_do_not_fit_the_data() -> None:
    with pytest.raises(InvalidData, match="must take pictures"):
        fit(tiny_net(), prepare(random_set()), SHORT)
    with pytest.raises(InvalidData, match="each of 4 classes"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), prepare(random_set()), SHORT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"weight_decay": -1.0},
        {"label_smoothing": 1.5},
        {"momentum": 0.0},
        {"warmup_epochs": 16.0},
        {"clip_norm": math.inf},
        {"seed": -1},
    ],
)
def test_options_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidOptions, match="must"):
        FitOptions(**wrong)  # type: ignore[arg-type]


def test_a_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch makes an error of its own of it."""

    class Full(io.BytesIO):
        def write(self, content: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    data = digits(100)
    options = FitOptions(epochs=1, warmup_epochs=0.5)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", lambda *_, **__: Full())
        with pytest.raises(OSError, match="No space left"):
            fit(tiny_net(), data, options, checkpoint=tmp_path / "x")
