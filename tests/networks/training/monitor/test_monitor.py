"""The monitor changes nothing, goes on with its record, keeps to its share, and says what it measures."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from design.precision import PrecisionPolicy, precision
from networks.quantize import quantize_
from networks.training.augmentation import Augmentation
from networks.training.errors import InvalidOptions, TrainingDiverged, TrainingStopped
from networks.training.fit import fit
from networks.training.monitor.cadence import WARM_UP, Cadence
from networks.training.monitor.monitor import Monitor
from networks.training.monitor.options import MonitorOptions
from networks.training.monitor.record import Finding, MonitorRecord
from networks.training.monitor.signs import SignFlips, dead_channels, dead_weights
from networks.training.options import FitOptions
from networks.training.sharpness.probe import Probe
from networks.training.sharpness.surrogate import Statistics
from tests.networks.training.tiny import digits, tiny_net

SHORT = FitOptions(epochs=3, batch_size=64, augmentation=Augmentation(padding=1), bf16=False, clip_norm=5.0)
OFTEN = MonitorOptions(every=3, pictures=48, chunk=24, products=3)
RUNS: dict[str, tuple[int | None, FitOptions, bool | None]] = {
    "sgd": (None, SHORT, None),
    "adamw, averaged": (None, replace(SHORT, optim="adamw", learning_rate=0.01, average_decay=0.9), None),
    "binary": (1, SHORT, None),
    "binary, surrogate": (1, SHORT, True),
    "2 bits, surrogate": (2, SHORT, True),
}


def network(bits: int | None, seed: int = 0) -> nn.Module:
    module = tiny_net(seed, dropout=0.1)
    if bits is not None:
        quantize_(module, PrecisionPolicy(layers={"4": precision(1) if bits == 1 else precision(2)}))
    return module


@pytest.mark.parametrize(("bits", "options", "exact"), RUNS.values(), ids=RUNS)
def test_a_watched_training_gives_the_same_weights_to_the_digit(
    bits: int | None, options: FitOptions, exact: bool | None
) -> None:
    alone, watched = network(bits), network(bits)
    plain = fit(alone, digits(), options)
    monitor = Monitor(replace(OFTEN, exact=exact))
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    seen = fit(watched, digits(), options, watcher=monitor)
    assert torch.equal(torch.rand(2), expected)
    assert [one.loss for one in seen.epochs] == [one.loss for one in plain.epochs]
    assert seen.best_epoch == plain.best_epoch
    assert all(torch.equal(value, watched.state_dict()[name]) for name, value in alone.state_dict().items())
    record = monitor.record()
    assert record.failed is None
    assert [one.step for one in record.readings] == list(range(0, 15, 3))
    if exact or bits is None:
        assert all(one.sharpness is not None and one.sharpness > 0 for one in record.readings)
        assert ("latent float network" in record.measures) == (bits is not None)
        assert ("preconditioned" in record.measures) == (options.optim == "adamw")
        assert record.statistics == "batch"
        assert record.start is not None
    else:
        assert all(one.sharpness is None for one in record.readings)
        assert record.measures == ""
    assert "forward passes" in record.critical_measures
    assert sum(one.critical_ratio is not None for one in record.readings) >= 3
    assert (record.readings[-1].flip_ratio is not None) == (bits == 1)


def test_a_run_that_goes_on_keeps_its_record(tmp_path: Path) -> None:
    """Steps with fixed distances: the record of a broken run equals that of an unbroken one, and the weights do."""
    whole, path, file = network(None), tmp_path / "checkpoint.pt", tmp_path / "monitor.json"
    unbroken = Monitor(OFTEN)
    fit(whole, digits(), SHORT, watcher=unbroken)
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(0)
        return len(asked) > 12

    with pytest.raises(TrainingStopped):
        fit(network(None), digits(), SHORT, checkpoint=path, should_stop=should_stop, watcher=Monitor(OFTEN, path=file))
    fresh, monitor = network(None, seed=4), Monitor(OFTEN, path=file)
    fit(fresh, digits(), SHORT, checkpoint=path, watcher=monitor)
    assert all(torch.equal(value, fresh.state_dict()[name]) for name, value in whole.state_dict().items())
    found, expected = monitor.record(), unbroken.record()
    assert [one.step for one in found.readings] == [one.step for one in expected.readings]
    for one, other in zip(found.readings, expected.readings, strict=True):
        assert one.probe_loss == other.probe_loss
        assert one.gradient_norm == other.gradient_norm
        assert one.sharpness == pytest.approx(other.sharpness, rel=0.3)
    assert found.start is not None
    assert found.start == expected.start
    assert MonitorRecord.from_json(json.loads(file.read_text())).readings == found.readings


def test_a_damaged_record_is_no_reason_to_stop(tmp_path: Path) -> None:
    path, file = tmp_path / "checkpoint.pt", tmp_path / "monitor.json"
    fit(network(None), digits(), replace(SHORT, epochs=1), checkpoint=path, watcher=Monitor(OFTEN, path=file))
    file.write_text("{")
    monitor = Monitor(OFTEN, path=file)
    fit(network(None), digits(), replace(SHORT, epochs=1), checkpoint=path, watcher=monitor)
    assert monitor.record().readings == ()


def test_the_record_survives_json() -> None:
    monitor = Monitor(OFTEN)
    fit(network(1), digits(), SHORT, watcher=monitor)
    record = monitor.record()
    text = json.dumps(record.as_json(), allow_nan=False)
    assert MonitorRecord.from_json(json.loads(text)) == record


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_training_that_breaks_leaves_its_record(tmp_path: Path) -> None:
    file = tmp_path / "monitor.json"
    monitor = Monitor(OFTEN, path=file)
    with pytest.raises(TrainingDiverged):
        fit(
            network(None),
            digits(),
            replace(SHORT, learning_rate=1e30, warmup_epochs=0, clip_norm=None),
            watcher=monitor,
        )
    record = MonitorRecord.from_json(json.loads(file.read_text()))
    assert record.readings[-1].loss is None
    assert record.verdicts[-1].finding is Finding.DIVERGING


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("cost", [0.5, 3.0, 20.0])
@pytest.mark.parametrize("steps", [400, 4000])
def test_readings_are_spaced_so_that_their_share_holds(cost: float, steps: int) -> None:
    """Steps of 1 s; a first reading three times as dear as the others."""
    clock = Clock()
    cadence = Cadence(share=0.08, every=None, most=300, steps=steps, clock=clock)
    read: list[int] = []
    for step in range(steps):
        if cadence.due(step):
            own = cost * (1 if read else 3)
            clock.now += own
            cadence.done(step, own)
            read.append(step)
        clock.now += 1.0
    assert read[0] == WARM_UP
    assert cadence.overhead <= 0.08 + 3 * cost / steps
    assert cadence.spent <= 0.1 * steps or len(read) == 1
    assert len(read) >= min(0.5 * 0.08 * steps / cost, 150) or len(read) == 1
    assert all(later - before >= steps // 300 for before, later in pairwise(read))


def test_a_watched_training_keeps_to_its_share() -> None:
    """By its own clock, whatever the machine does: readings but for the last fit into their share of the training."""
    monitor = Monitor()
    fit(network(None), digits(None), replace(SHORT, epochs=6), watcher=monitor)
    record = monitor.record()
    seconds = [one.seconds for one in record.readings]
    assert seconds
    assert record.overhead > 0
    assert len(seconds) == 1 or sum(seconds[:-1]) <= monitor.options.share * monitor.cadence.trained


def test_without_anything_binary_there_are_no_signs() -> None:
    module = tiny_net()
    assert SignFlips().since_last(module, 0) == (None, None)
    assert dead_weights(module) is None


def test_flips_and_dead_signs_are_counted() -> None:
    module = network(1)
    layer = module.get_submodule("4")
    images = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    probe = Probe(chunks=((images, torch.arange(16) % 10),), loss=nn.functional.cross_entropy)
    flips = SignFlips()
    assert flips.since_last(module, 3) == (None, None)
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)
    with torch.no_grad():
        weight[:3] *= -1
    assert flips.since_last(module, 8) == (3 / 12, 5)
    assert flips.since_last(module, 9) == (0.0, 1)
    assert dead_channels(module, probe, Statistics.BATCH) == 0
    quantizer = layer.activation_quantizer
    assert isinstance(quantizer, nn.Module)
    module(images)
    with torch.no_grad():
        quantizer.shift[:2] = 100.0  # type: ignore[operator]
    assert dead_channels(module, probe, Statistics.BATCH) == 2 / 8
    with torch.no_grad():
        weight[0] = 2.0
    probe.loss(module(images), probe.chunks[0][1]).backward()  # type: ignore[no-untyped-call]
    share = dead_weights(module)
    assert share is not None
    assert share >= 1 / 12


def test_a_step_rule_that_is_not_known_leaves_the_critical_step() -> None:
    """The record says why there is no eigenvalue."""

    class Foreign(Monitor):
        """Sees an optimizer of another kind."""

        def begin(self, run, step):  # type: ignore[no-untyped-def]
            own = torch.optim.Adagrad(run.module.parameters(), lr=0.1)
            super().begin(replace(run, stepper=own), step)

    monitor = Foreign(OFTEN)
    fit(network(None), digits(), replace(SHORT, epochs=1), watcher=monitor)
    record = monitor.record()
    assert record.failed is not None
    assert "Adagrad" in record.failed
    assert any(one.critical_ratio is not None for one in record.readings)


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"every": 0}, {"pictures": 0}, {"chunk": 0}, {"most": 0}])
def test_options_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidOptions, match="must be"):
        MonitorOptions(**wrong)  # type: ignore[arg-type]
