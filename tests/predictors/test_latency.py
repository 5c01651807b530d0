from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from design.device import DeviceKind, DeviceProfile
from design.encoding import EncodedDesigns, encode_designs
from design.task import TASKS
from design.zoo import find_network
from predictors.descriptor import describe
from predictors.fit_latency import fit_latency, predict_pairs
from predictors.fit_layer_model import LayerModelOptions
from predictors.fit_mean import Arrays, MeanOptions, arrays_of, choose, folds
from predictors.latency import LearnedLatency, UnsupportedDevice
from predictors.latency_weights import LatencyWeights, load_latency_weights
from predictors.measurement import InvalidMeasurements
from predictors.ncnn import read_ncnn
from predictors.predictor import Predictor
from predictors.roofline import RooflineLatency
from predictors.storage import InvalidWeights
from predictors.trees import TreeOptions

TASK = TASKS["imagenet"]
FAST = MeanOptions(layers=LayerModelOptions(steps=15), trees=TreeOptions(trees=8))
BOARD = describe(
    DeviceProfile(
        name="new board", kind=DeviceKind.CPU, core="Cortex-A72", isa="armv8-a neon", cores=4, clock_ghz=1.5, threads=1
    )
)
GRAPHICS = describe(DeviceProfile(name="some card", kind=DeviceKind.GPU))


@pytest.fixture(scope="module")
def data(ncnn_folder: Path) -> Arrays:
    return arrays_of(read_ncnn(ncnn_folder, one_thread=False))


@pytest.fixture(scope="module")
def weights(data: Arrays) -> LatencyWeights:
    return fit_latency(data, np.arange(len(data.table)), seed=0, candidates=(FAST,))[0]


@pytest.fixture(scope="module")
def designs() -> EncodedDesigns:
    return encode_designs([find_network(name).design() for name in ("resnet18", "mobilenet_v2", "vgg11", "resnet34")])


def test_predicts_machines_left_out(data: Arrays) -> None:
    fold = folds(data.table.pair_twin, 3, seed=0)
    train, test = np.flatnonzero(fold > 0), np.flatnonzero(fold == 0)
    fitted, options = fit_latency(data, train, seed=0, candidates=(FAST,))
    predicted, pairs = predict_pairs(fitted, data, test)
    error = np.abs(predicted - data.table.log_seconds[test])
    assert options == FAST
    assert len(pairs) == len(test)
    assert np.median(error) < 0.5  # devices differ by a factor of exp(0.3) that nothing tells


def test_folds_keep_groups_together(data: Arrays) -> None:
    fold = folds(data.table.pair_twin, 4, seed=1)
    for group in np.unique(data.table.pair_twin):
        assert len(np.unique(fold[data.table.pair_twin == group])) == 1


def test_choice_is_the_candidate_with_the_least_error(data: Arrays) -> None:
    bad = MeanOptions(layers=LayerModelOptions(steps=1), trees=FAST.trees, tree_weight=0.0)
    chosen, predicted = choose(data, np.arange(len(data.table)), (bad, FAST), seed=0)
    assert chosen == FAST
    assert predicted.shape == (len(data.table),)


def test_is_a_predictor_with_positive_spread(weights: LatencyWeights, designs: EncodedDesigns) -> None:
    predictor: Predictor = LearnedLatency(weights)
    found = predictor.predict(designs, BOARD, TASK)
    assert found.scale == "log"
    assert (found.median > 0).all()
    assert (found.spread > 0.05).all()
    assert found.median[3] > found.median[0]
    np.testing.assert_array_equal(predictor.predict(designs, BOARD, TASK).median, found.median)


def test_thin_descriptors_have_wider_intervals(weights: LatencyWeights, designs: EncodedDesigns) -> None:
    thin = describe(DeviceProfile(name="thin", kind=DeviceKind.CPU))
    learned = LearnedLatency(weights)
    wide, narrow = (learned.predict(designs, device, TASK).spread for device in (thin, BOARD))
    assert (wide > narrow).all()


def test_measurements_move_and_narrow(weights: LatencyWeights, designs: EncodedDesigns) -> None:
    learned = LearnedLatency(weights)
    before = learned.predict(designs, BOARD, TASK)
    adapted = learned.adapt(designs.take(np.array([0, 2])), 2 * before.median[[0, 2]], BOARD)
    after = adapted.predict(designs, BOARD, TASK)
    assert ((after.median / before.median > 1.2) & (after.median / before.median < 2.3)).all()
    assert (after.spread < before.spread).all()
    assert not adapted.doubtful.any()


def test_repeated_measurements_count_once(weights: LatencyWeights, designs: EncodedDesigns) -> None:
    learned = LearnedLatency(weights)
    before = learned.predict(designs, BOARD, TASK).median
    once = learned.adapt(designs.take(np.array([0, 1])), 1.5 * before[:2], BOARD)
    times = 1.5 * before[[0, 0, 0, 1]] * np.array([0.9, 1.0, 40.0, 1.0])
    often = learned.adapt(designs.take(np.array([0, 0, 0, 1])), times, BOARD)
    np.testing.assert_allclose(
        often.predict(designs, BOARD, TASK).median, once.predict(designs, BOARD, TASK).median, rtol=1e-9
    )
    assert often.doubtful.shape == (4,)


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_impossible_times_are_refused(weights: LatencyWeights, designs: EncodedDesigns, wrong: float) -> None:
    learned = LearnedLatency(weights)
    with pytest.raises(InvalidMeasurements, match="above 0"):
        learned.adapt(designs.take(np.array([0, 1])), np.array([1.0, wrong]), BOARD)
    with pytest.raises(InvalidMeasurements, match="one time for each"):
        learned.adapt(designs, np.array([1.0]), BOARD)


def test_other_kinds_go_to_the_fallback_or_are_refused(weights: LatencyWeights, designs: EncodedDesigns) -> None:
    alone, backed = LearnedLatency(weights), LearnedLatency(weights, RooflineLatency())
    with pytest.raises(UnsupportedDevice):
        alone.predict(designs, GRAPHICS, TASK)
    with pytest.raises(UnsupportedDevice):
        backed.adapt(designs, np.ones(4), GRAPHICS)
    np.testing.assert_array_equal(
        backed.predict(designs, GRAPHICS, TASK).median, RooflineLatency().predict(designs, GRAPHICS, TASK).median
    )
    with pytest.raises(UnsupportedDevice, match="the one measured"):
        alone.adapt(designs, np.ones(4), BOARD).predict(designs, GRAPHICS, TASK)


def test_layers_add_up_to_a_positive_time(weights: LatencyWeights, designs: EncodedDesigns) -> None:
    adapted = LearnedLatency(weights).adapt(designs, np.ones(4), BOARD)
    seconds = adapted.layer_seconds(designs)
    assert seconds.shape == (len(designs.rows),)
    assert seconds[0] == 0
    assert (designs.total(seconds) > 0).all()


def test_weights_survive_storage(weights: LatencyWeights, designs: EncodedDesigns, tmp_path: Path) -> None:
    weights.save(tmp_path / "latency.safetensors", {"seed": "0"})
    stored = load_latency_weights(tmp_path / "latency.safetensors")
    before, after = (LearnedLatency(own).predict(designs, BOARD, TASK) for own in (weights, stored))
    np.testing.assert_allclose(after.median, before.median, rtol=1e-12)
    np.testing.assert_allclose(after.spread, before.spread, rtol=1e-12)
    content = bytearray((tmp_path / "latency.safetensors").read_bytes())
    content[-9] ^= 0xFF
    (tmp_path / "latency.safetensors").write_bytes(content)
    with pytest.raises(InvalidWeights):
        load_latency_weights(tmp_path / "latency.safetensors")
