"""Masks keep what a device runs, move the rest to its nearest stand-in, and say when nothing is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from design.device import DeviceKind, DeviceProfile
from design.errors import TaskTooSmall
from design.precision import BITS, Bits
from design.space import GeneKind
from design.spaces.choices import (
    BODY_PRECISIONS,
    EDGE_PRECISIONS,
    architecture_gene,
    filters_gene,
    precision_gene,
    residual_gene,
)
from design.spaces.registry import SPACES
from design.task import find_task
from optimizer.repair import NoUsableSpace, distance, mask_of, usable_spaces
from predictors.descriptor import describe

GENES = (
    architecture_gene("depth", (3, 2, 1)),
    precision_gene("edge", EDGE_PRECISIONS),
    residual_gene(),
    precision_gene("body"),
    filters_gene("filters"),
)
PAIRS = st.sets(st.tuples(st.sampled_from(BITS), st.sampled_from(BITS)), min_size=1)


@given(PAIRS, st.integers(0, 2**32 - 1))
def test_only_supported_pairs_are_left(pairs: set[tuple[Bits, Bits]], seed: int) -> None:
    mask = mask_of(GENES, pairs)
    rng = np.random.default_rng(seed)
    runnable = [
        any((one.weight_bits, one.activation_bits) in pairs for one in gene.precisions) for gene in (GENES[1], GENES[3])
    ]
    if mask is None:
        assert not all(runnable)
        return
    assert all(runnable)
    every = rng.integers(0, [len(gene.choices) for gene in GENES], size=(50, len(GENES)))
    for found in (mask.apply(every), mask.sample(50, rng)):
        for values in found:
            for gene, value in zip(GENES, values, strict=True):
                if gene.precisions:
                    own = gene.precisions[value]
                    assert (own.weight_bits, own.activation_bits) in pairs
    allowed = mask.sample(50, rng)
    assert (mask.apply(allowed) == allowed).all()
    free = [0, 2, 4]
    assert (mask.apply(every)[:, free] == every[:, free]).all()
    assert mask.size == np.prod([len(own) for own in mask.choices])


def test_stand_ins_are_the_nearest_and_rather_the_larger() -> None:
    mask = mask_of((precision_gene("body"),), ((32, 32), (8, 8), (1, 1)))
    assert mask is not None
    found = mask.apply(np.arange(len(BODY_PRECISIONS))[:, None])[:, 0]
    assert [str(BODY_PRECISIONS[at]) for at in found] == [
        "W32A32", "W32A32", "W8A8", "W8A8", "W8A8", "W8A8", "W1A1", "W1A1", "W1A1",
    ]  # fmt: skip


@given(PAIRS)
def test_no_allowed_choice_is_nearer_than_the_stand_in(pairs: set[tuple[Bits, Bits]]) -> None:
    mask = mask_of((precision_gene("body"), residual_gene()), pairs)
    if mask is None:
        return
    allowed = mask.choices[0]
    for wanted, found in zip(BODY_PRECISIONS, mask.table[0], strict=True):
        assert found == min(allowed, key=lambda at: distance(BODY_PRECISIONS[at], wanted))


def test_a_mask_is_shared_and_cannot_be_written_to() -> None:
    device = describe(DeviceProfile(name="board", kind=DeviceKind.CPU))
    ((_, mask),) = usable_spaces(("vgg",), SPACES, find_task("cifar10"), device)
    with pytest.raises(ValueError, match="read-only"):
        mask.table[0] = 0


def test_residual_bits_are_storage() -> None:
    mask = mask_of((residual_gene(),), ((8, 8),))
    assert mask is not None
    assert mask.choices == ((0, 1, 2),)


def test_a_device_without_eight_bits_runs_no_space() -> None:
    device = describe(DeviceProfile(name="binary only", kind=DeviceKind.ASIC, supported_bits=((1, 1),)))
    with pytest.raises(NoUsableSpace, match=r"precision for every layer.*W1A1.*First convolution"):
        usable_spaces((), SPACES, find_task("cifar10"), device)


def test_spaces_are_those_asked_for_or_all_that_fit() -> None:
    device = describe(DeviceProfile(name="board", kind=DeviceKind.CPU))
    task = find_task("cifar10")
    assert [space.name for space, _ in usable_spaces((), SPACES, task, device)] == list(SPACES)
    assert [space.name for space, _ in usable_spaces(("vgg",), SPACES, task, device)] == ["vgg"]


def test_a_task_that_is_too_small() -> None:
    device = describe(DeviceProfile(name="board", kind=DeviceKind.CPU))
    tiny = find_task("digits").model_copy(update={"name": "tiny", "input_height": 1, "input_width": 1})
    with pytest.raises(TaskTooSmall):
        usable_spaces(("resnet",), SPACES, tiny, device)


def test_bits_of_a_mask_follow_the_descriptor() -> None:
    device = describe(DeviceProfile(name="board", kind=DeviceKind.CPU))
    narrow = replace(device, supported_bits=((8, 8),))
    ((space, mask),) = usable_spaces(("resnet",), SPACES, find_task("cifar10"), narrow)
    for gene, allowed in zip(space.genes(find_task("cifar10")), mask.choices, strict=True):
        if gene.kind is GeneKind.PRECISION and gene.precisions:
            assert {str(gene.precisions[at]) for at in allowed} == {"W8A8"}
