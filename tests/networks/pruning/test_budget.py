"""What truly remains keeps the budget, whatever is counted, and one error bound shares it out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from design.architecture import INPUT, Architecture
from design.design import Design
from design.layer import Op
from design.layers import conv, elementwise
from design.policies import full_precision
from design.pruning import PruningPlan
from design.spaces.registry import find_space
from design.task import find_task
from networks.errors import InvalidSelection
from networks.pruning.allocation import SameShare, SharedEpsilon, bounds, shared_epsilon, whole
from networks.pruning.bound import BERNSTEIN, PUBLISHED, logarithm, samples_for
from networks.pruning.budget import AMOUNTS, TOLERANCE, allot, planned
from networks.pruning.families import families
from networks.pruning.sampling import distribution, expected_distinct

TASK = find_task("cifar10")


def design(name: str = "resnet") -> Design:
    space = find_space(name)
    wanted = {"resnet": {"depth": 20, "width": 1, "shortcut": "pad"}, "vgg": {"depth": "small", "width": 0.25}}[name]
    genes = space.genes(TASK)
    values = [gene.choices.index(wanted[gene.name]) if gene.name in wanted else 0 for gene in genes]
    architecture = space.decode(TASK, values).architecture
    return Design(architecture=architecture, policy=full_precision(architecture))


WHOLE = design()
FOUND = families(WHOLE.architecture)
RANDOM = np.random.default_rng(0)
SCORES = {one.name: RANDOM.uniform(0.01, 1, size=one.size) ** 3 for one in FOUND.families}
EPSILON = shared_epsilon(WHOLE.architecture, FOUND, SCORES)


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize("keep", [0.85, 0.3])
def test_the_true_amount_is_met(name: str, keep: float) -> None:
    target = keep * float(AMOUNTS[name]([WHOLE])[0])
    for allocation in (EPSILON, SameShare(sizes=[one.size for one in FOUND.families])):
        found = allot(WHOLE, FOUND, allocation, AMOUNTS[name], target)
        left = planned(WHOLE, FOUND.plan(found.counts))
        assert found.amount == AMOUNTS[name]([left])[0]
        assert 0 <= found.gap <= TOLERANCE


def test_a_predicted_cost_is_met() -> None:
    asked = []

    def latency(designs: Sequence[Design]) -> NDArray[np.float64]:
        """A made-up device that computes eight filters at a time."""
        asked.append(len(designs))
        blocks = [[-(-layer.out_channels // 8) * layer.macs**0.5 for layer in own.pruned.layers] for own in designs]
        return np.array([sum(own) for own in blocks])

    target = 0.7 * float(latency([WHOLE])[0])
    found = allot(WHOLE, FOUND, EPSILON, latency, target)
    assert found.amount <= target
    assert found.gap < 0.05
    assert sum(asked) < 400


def test_ends_of_the_range() -> None:
    count = AMOUNTS["parameters"]
    total = float(count([WHOLE])[0])
    assert allot(WHOLE, FOUND, EPSILON, count, total).counts == tuple(one.size for one in FOUND.families)
    with pytest.raises(InvalidSelection, match="one filter left everywhere"):
        allot(WHOLE, FOUND, EPSILON, count, 100)


def test_pruning_goes_on_from_a_plan() -> None:
    first = planned(WHOLE, FOUND.plan(allot(WHOLE, FOUND, EPSILON, AMOUNTS["macs"], 2e7).counts))
    again = families(first.pruned)
    uniform = SameShare(sizes=[one.size for one in again.families])
    second = planned(first, again.plan(allot(first, again, uniform, AMOUNTS["macs"], 1e7).counts))
    assert second.architecture == WHOLE.architecture
    assert 0.995e7 <= AMOUNTS["macs"]([second])[0] <= 1e7
    assert planned(first, PruningPlan()) == first


def test_one_epsilon_for_all_layers_by_its_definition() -> None:
    epsilon = 0.8
    position = np.log(epsilon / 1e6) / np.log(1e-9 / 1e6)
    wanted = EPSILON.wanted(position)
    for own, log, found in zip(EPSILON.scores, EPSILON.logs, wanted, strict=True):
        samples = samples_for(epsilon, float(own.sum()), log, BERNSTEIN)
        assert found == pytest.approx(expected_distinct(distribution(own), samples))
    steps = np.array([EPSILON.wanted(one) for one in np.linspace(0, 1, 30)])
    assert (np.diff(steps, axis=0) >= 0).all()
    assert steps[-1].tolist() == [one.size for one in FOUND.families]
    assert whole(np.array([0.0, 2.3, 9.9]), [4, 4, 8]) == (1, 3, 8)


def test_a_common_factor_of_the_bound_changes_no_number() -> None:
    target = 0.5 * float(AMOUNTS["macs"]([WHOLE])[0])
    larger = SharedEpsilon(scores=EPSILON.scores, logs=[2 * one for one in EPSILON.logs])
    one, other = (allot(WHOLE, FOUND, own, AMOUNTS["macs"], target).counts for own in (EPSILON, larger))
    assert np.abs(np.subtract(one, other)).max() <= 1


def test_few_important_channels_are_few_that_stay() -> None:
    vgg = design("vgg")
    found = families(vgg.architecture)
    scores = {one.name: np.full(one.size, 0.5) for one in found.families}
    scores["stage2.conv1"] = np.where(np.arange(64) < 8, 0.5, 0.01)
    allocation = shared_epsilon(vgg.architecture, found, scores)
    counts = allot(vgg, found, allocation, AMOUNTS["macs"], 0.5 * float(AMOUNTS["macs"]([vgg])[0])).counts
    by_name = dict(zip((one.name for one in found.families), counts, strict=True))
    assert by_name["stage2.conv1"] < 0.6 * by_name["stage2.conv2"]


@pytest.mark.parametrize("options", [BERNSTEIN, PUBLISHED])
def test_bounds_of_layers(options: object) -> None:
    kept = {one.name: np.arange(one.size - (one.size > 20)) for one in FOUND.families}
    left = FOUND.left(kept)
    told = {one.layer: one for one in bounds(WHOLE.architecture, FOUND, SCORES, left, options)}  # type: ignore[arg-type]
    assert told.keys() == FOUND.readers.keys()
    assert told["stage1.block1.conv2"].epsilon == 0
    inner = told["stage3.block1.conv2"]
    own = SCORES["stage3.block1.conv1"]
    assert expected_distinct(distribution(own), inner.samples) == pytest.approx(63)
    log = logarithm(WHOLE.architecture.layer("stage3.block1.conv2"), options, unsigned=True)  # type: ignore[arg-type]
    again = samples_for(inner.epsilon, float(own.sum()), log, options)  # type: ignore[arg-type]
    assert again == pytest.approx(inner.samples)
    gone = options.slack * float(own[63])  # type: ignore[attr-defined]
    assert inner.removed_share == pytest.approx(min(1, gone))
    classifier = told["head.fc"]
    assert classifier.distinct == 16 + 16 + 31
    assert classifier.epsilon > 0


@pytest.mark.parametrize("keep", [0.3, 0.6])
def test_numbers_in_multiples(keep: float) -> None:
    target = keep * float(AMOUNTS["macs"]([WHOLE])[0])
    found = allot(WHOLE, FOUND, EPSILON, AMOUNTS["macs"], target, multiple=8)
    assert all(count % 8 == 0 or count == one.size for count, one in zip(found.counts, FOUND.families, strict=True))
    assert 0.8 * target < found.amount <= target
    assert any(count < one.size for count, one in zip(found.counts, FOUND.families, strict=True))


def test_what_is_read_twice_counts_twice() -> None:
    """A concatenation of a tensor with itself: each channel that is removed takes two terms from every sum."""
    stem = conv("stem", INPUT, (3, 8, 8), 4)
    both = elementwise("both", ("stem", "stem"), (8, 8, 8), op=Op.CONCAT)
    layers = (stem, both, conv("reader", "both", (8, 8, 8), 5))
    architecture = Architecture(name="twice", input_shape=(3, 8, 8), layers=layers)
    found = families(architecture)
    scores = {"stem": np.array([0.1, 0.2, 0.3, 0.4])}
    (told,) = bounds(architecture, found, scores, found.left({"stem": np.array([0, 1, 2])}))
    assert told.sensitivity == pytest.approx(2.0)
    assert told.distinct == 6
    assert told.removed_share == pytest.approx(0.8)
