from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from design.design import Design
from design.devices.catalogue import find_device
from design.encoding import EncodedDesigns, encode_designs
from design.errors import UnknownName
from design.policies import policy_by_role
from design.precision import BINARY, precision
from design.prediction import Prediction
from design.pruning import PruningPlan
from design.spaces.registry import SPACES
from design.task import find_task
from design.zoo import find_network
from predictors.descriptor import describe
from predictors.predict import explain, predict
from predictors.predictions import own_figures

TASK = find_task("cifar10")


def hybrid() -> Design:
    net = find_network("resnet20").design(TASK).architecture
    return Design(
        architecture=net,
        policy=policy_by_role(net, body=BINARY, shortcut=precision(8), edge=precision(8)),
    )


def pruned() -> Design:
    design = hybrid()
    inner = next(layer for layer in design.architecture.layers if layer.role == "body" and layer.weighted)
    return design.model_copy(update={"plan": PruningPlan(kept={inner.name: inner.out_channels // 2})})


def thousand() -> EncodedDesigns:
    """A thousand designs over ten times the distinct rows of one."""
    one = encode_designs([hybrid()])
    rows = np.concatenate([one.rows, np.tile(one.rows[1:], (9, 1))])
    shift = np.random.default_rng(0).integers(0, 10, (1000, 1)) * (len(one.rows) - 1)
    return EncodedDesigns(
        rows=rows,
        row_ids=np.asarray(one.row_ids[0] + shift, dtype=np.int64),
        peak_activation_bytes=np.repeat(one.peak_activation_bytes, 1000),
    )


@pytest.mark.parametrize("address", ["raspberry-pi-4", "stm32l4r5", "titan-rtx@batch_32"])
@pytest.mark.parametrize("energy_model", ["horowitz", "bit_dependent"])
def test_layer_parts_add_up_to_the_totals(address: str, energy_model: str) -> None:
    found = explain(hybrid(), describe(find_device(address)), TASK, energy_model=energy_model)
    assert sum(layer.latency_ms for layer in found.layers) == pytest.approx(found.latency_ms.value, rel=1e-9)
    assert sum(layer.energy_mj for layer in found.layers) == pytest.approx(found.energy_mj.value, rel=1e-9)
    assert sum(layer.weight_bytes for layer in found.layers) == found.model_bytes
    assert found.energy_model == energy_model
    assert energy_model in found.sources["energy_model"]
    assert found.sources["energy"].startswith("learned_energy 1+")


def test_explaining_one_equals_predicting_many() -> None:
    device, designs = describe(find_device("raspberry-pi-4")), [hybrid(), pruned()]
    many = predict(encode_designs(designs), device, TASK)
    for index, design in enumerate(designs):
        one = explain(design, device, TASK)
        assert one.latency_ms.value == pytest.approx(many.latency_ms.median[index])
        assert one.energy_mj.value == pytest.approx(many.energy_mj.median[index])
        assert one.known_accuracy.value == pytest.approx(many.accuracy.median[index])
        assert one.peak_memory_bytes == many.peak_memory_bytes[index]
        assert one.training_memory_bytes == many.training_memory_bytes[index]
        assert one.accuracy_basis == many.accuracy_basis
        assert one.sources == many.sources


def test_every_figure_names_its_source_and_what_was_assumed() -> None:
    device = describe(find_device("raspberry-pi-4"))
    found = explain(hybrid(), device, TASK)
    assert found.assumed == device.assumed
    assert {"latency", "energy", "energy_model", "accuracy", "memory"} <= found.sources.keys()
    assert found.batch_size == 1


def test_risk_picks_the_pessimistic_quantile_of_costs_and_of_accuracy() -> None:
    device = describe(find_device("raspberry-pi-4"))
    careful, bold = (explain(hybrid(), device, TASK, risk=risk) for risk in (0.05, 0.5))
    assert careful.latency_ms.at_risk == pytest.approx(careful.latency_ms.interval.high)
    assert careful.known_accuracy.at_risk == pytest.approx(careful.known_accuracy.interval.low)
    assert bold.energy_mj.at_risk == pytest.approx(bold.energy_mj.value)
    assert explain(hybrid(), device, TASK).latency_ms.at_risk is None


def test_layers_show_what_is_left_after_pruning() -> None:
    device = describe(find_device("raspberry-pi-4"))
    whole, small = explain(hybrid(), device, TASK), explain(pruned(), device, TASK)
    cut = [layer for layer in small.layers if layer.filters is not None and layer.filters_kept != layer.filters]
    assert cut
    assert all(layer.filters_kept == layer.out_shape[0] for layer in cut)
    assert small.model_bytes < whole.model_bytes
    assert small.latency_ms.value < whole.latency_ms.value
    assert [layer.filters for layer in whole.layers if layer.op == "add"] == [None] * 9


def test_an_unknown_energy_model_is_refused() -> None:
    with pytest.raises(UnknownName, match="energy model"):
        predict(encode_designs([hybrid()]), describe(find_device("raspberry-pi-4")), TASK, energy_model="guess")


def test_a_thousand_designs_take_no_longer_than_arrays_do() -> None:
    """About 15 ms (and 5 for explaining one) on an idle core; the limits leave room for a busy machine."""
    device, designs, design = describe(find_device("raspberry-pi-4")), thousand(), hybrid()

    def fastest(task: Callable[[], object]) -> float:
        times = []
        for _ in range(8):
            start = time.perf_counter()
            task()
            times.append(time.perf_counter() - start)
        return min(times)

    assert fastest(lambda: predict(designs, device, TASK)) < 0.1
    assert fastest(lambda: explain(design, device, TASK)) < 0.1


def test_without_a_task_costs_are_told_and_accuracy_is_not() -> None:
    device, design = describe(find_device("raspberry-pi-4")), hybrid()
    known, unknown = explain(design, device, TASK, risk=0.1), explain(design, device, None, risk=0.1)
    assert (unknown.accuracy, unknown.accuracy_basis) == (None, "unknown")
    assert unknown.latency_ms == known.latency_ms
    assert unknown.layers == known.layers
    with pytest.raises(ValueError, match="without a task"):
        _ = unknown.known_accuracy
    with pytest.raises(ValueError, match="exactly where its basis is unknown"):
        Prediction.model_validate(unknown.model_dump() | {"accuracy_basis": "prior"})


def test_facts_go_with_the_designs_they_are_of() -> None:
    space, task = SPACES["vgg"], find_task("cifar10")
    found = space.rows(task, space.sample(task, 5, np.random.default_rng(3)))
    own_figures(found, task)
    part = found.take(np.array([3, 1])).compact()
    assert part.facts.keys() == found.facts.keys()
    kept, alone = own_figures(part, task), own_figures(replace(part), task)
    assert kept.accuracy.median == pytest.approx(alone.accuracy.median, rel=1e-6)
    assert kept.model_bytes.tolist() == alone.model_bytes.tolist()
    assert own_figures(part, find_task("fashion_mnist")).accuracy.median.tolist() != kept.accuracy.median.tolist()
