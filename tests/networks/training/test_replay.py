"""Replayed passes train as those do that are started kernel by kernel; without a CUDA device they are refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import networks.training.fit as fit_module
import networks.training.replay as replay_module
from design.precision import PrecisionPolicy, precision
from networks.quantize import quantize_
from networks.training.augmentation import Augmentation
from networks.training.errors import InvalidOptions, TrainingStopped
from networks.training.fit import fit
from networks.training.options import FitOptions
from networks.training.ranks import Ranks
from networks.training.replay import replayed
from tests.networks.training.tiny import digits, tiny_net

OPTIONS = FitOptions(epochs=3, batch_size=64, augmentation=Augmentation(padding=1), bf16=False)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def tiny(bits: int, *, dropout: float = 0.0) -> nn.Module:
    """The tiny network with its second convolution at so few bits; 2 bits have steps that the first batch starts."""
    module = tiny_net(dropout=dropout)
    if bits < 32:
        quantize_(module, PrecisionPolicy(layers={"4": precision(1) if bits == 1 else precision(2)}))
    return module


def on_device(bits: int) -> nn.Module:
    """The same on a CUDA device."""
    return tiny(bits).to("cuda")


def stop_after_an_epoch(module: nn.Module, path: Path) -> None:
    """Train, and leave the checkpoint of a whole epoch or more."""
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(0)
        return len(asked) > 8

    with pytest.raises(TrainingStopped):
        fit(module, digits(), OPTIONS, checkpoint=path, should_stop=should_stop, cuda_graphs=True)
    assert path.exists()


class Recorder:
    """Stands for the CUDA graphs of torch where there is no such device: a batch shown three times, forward replaced.

    Args:
        fails: Whether recording ends in an error behind that.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fails: bool = False) -> None:
        self.fails, self.replays = fails, 0
        monkeypatch.setattr(replay_module, "check_replays", lambda device: None)
        monkeypatch.setattr(fit_module, "check_replays", lambda device: None)
        monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
        monkeypatch.setattr(torch.cuda, "make_graphed_callables", self.record)
        monkeypatch.setattr(torch.random, "fork_rng", forked)

    def record(self, module: nn.Module, given: tuple[torch.Tensor], *, allow_unused_input: bool) -> None:
        """As `torch.cuda.make_graphed_callables` does."""
        own = module.forward
        for _ in range(3):
            own(*given)

        def forward(images: torch.Tensor) -> torch.Tensor:
            self.replays += 1
            logits: torch.Tensor = own(images)
            return logits

        module.forward = forward
        if self.fails:
            raise RuntimeError("cannot be captured")


@contextmanager
def forked(devices: Sequence[torch.device] = ()) -> Iterator[None]:
    """Keep the random numbers of the CPU alone."""
    before = torch.get_rng_state()
    yield
    torch.set_rng_state(before)


def test_without_a_cuda_device_or_alone_it_is_refused_before_anything_changes(tmp_path: Path) -> None:
    module, path = tiny_net(), tmp_path / "checkpoint.pt"
    fit(tiny_net(seed=1), digits(), replace(OPTIONS, epochs=1), checkpoint=path)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(InvalidOptions, match="must be on a CUDA device"):
        fit(module, digits(), replace(OPTIONS, epochs=1), checkpoint=path, cuda_graphs=True)
    with pytest.raises(InvalidOptions, match="must be of one process"):
        fit(module, digits(), OPTIONS, cuda_graphs=True, ranks=Ranks(number=0, of=2))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert "forward" not in vars(module)


@pytest.mark.parametrize(("bits", "dropout"), [(1, 0.0), (2, 0.0), (32, 0.0), (32, 0.2)])
def test_recording_changes_no_result(bits: int, dropout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, graphed = tiny(bits, dropout=dropout), tiny(bits, dropout=dropout)
    without = fit(plain, digits(), OPTIONS)
    recorder = Recorder(monkeypatch)
    found = fit(graphed, digits(), OPTIONS, cuda_graphs=True)
    assert [replace(one, seconds=0.0) for one in found.epochs] == [replace(one, seconds=0.0) for one in without.epochs]
    assert recorder.replays == 3 * (len(digits().train) // OPTIONS.batch_size)
    assert all(torch.equal(value, graphed.state_dict()[name]) for name, value in plain.state_dict().items())
    assert "forward" not in vars(graphed)


def test_what_cannot_be_recorded_is_refused_and_leaves_the_network_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    Recorder(monkeypatch, fails=True)
    module, images = tiny(32), torch.rand(4, 1, 8, 8)
    own = module.forward = module.forward  # a method that its owner has replaced
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(InvalidOptions, match="cannot be captured"):
        replayed(module, images, bf16=False)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert vars(module)["forward"] is own


def test_a_resumed_run_records_what_it_goes_on_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path, recorder = tmp_path / "checkpoint.pt", Recorder(monkeypatch)
    whole = tiny(2)
    unbroken = fit(whole, digits(), OPTIONS, cuda_graphs=True)
    stop_after_an_epoch(tiny(2), path)
    fresh = tiny(2)
    resumed = fit(fresh, digits(), OPTIONS, checkpoint=path, cuda_graphs=True)
    assert [one.loss for one in resumed.epochs] == [one.loss for one in unbroken.epochs]
    assert all(torch.equal(value, fresh.state_dict()[name]) for name, value in whole.state_dict().items())
    assert recorder.replays


@needs_cuda
@pytest.mark.parametrize("bits", [1, 2, 32])
def test_it_trains_as_without(bits: int) -> None:
    plain, graphed = on_device(bits), on_device(bits)
    without = fit(plain, digits(), OPTIONS)
    found = fit(graphed, digits(), OPTIONS, cuda_graphs=True)
    assert found.epochs[0].loss == pytest.approx(without.epochs[0].loss, rel=2e-2)
    assert found.epochs[-1].loss == pytest.approx(without.epochs[-1].loss, rel=1e-1)
    assert found.epochs[-1].loss < found.epochs[0].loss
    assert "forward" not in vars(graphed)
    for name, value in plain.named_buffers():
        assert torch.allclose(value.float(), graphed.get_buffer(name).float(), rtol=0.1, atol=0.05), name


@needs_cuda
def test_a_resumed_run_goes_on_from_the_weights_that_were_kept(tmp_path: Path) -> None:
    whole, path = on_device(2), tmp_path / "checkpoint.pt"
    unbroken = fit(whole, digits(), OPTIONS, cuda_graphs=True)
    stop_after_an_epoch(on_device(2), path)
    fresh = on_device(2)
    resumed = fit(fresh, digits(), OPTIONS, checkpoint=path, cuda_graphs=True)
    for one, other in zip(unbroken.epochs, resumed.epochs, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=5e-2)
    assert resumed.validation_accuracy == pytest.approx(unbroken.validation_accuracy, abs=0.1)
