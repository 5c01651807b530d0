"""Counts by hand, and against published figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from design.architecture import Architecture
from design.counts import CountOptions, count, model_bytes, parameters, training_memory_bytes
from design.design import Design
from design.encoding import encode_designs
from design.layer import Role
from design.layers import conv, flatten, fully_connected
from design.policies import policy_by_role
from design.precision import BINARY, precision
from design.pruning import PruningPlan
from design.task import find_task
from design.zoo import find_network

MIB = 2**20
NOTHING_ELSE = CountOptions(batch_norm_floats=0, scales=False, biases=False, activation_steps=False)


def _small() -> Architecture:
    return Architecture(
        name="small",
        input_shape=(1, 5, 5),
        layers=(
            conv("stem", "input", (1, 5, 5), 3, role=Role.STEM),  # 27 weights
            conv("body", "stem", (3, 5, 5), 3),  # 81 weights
            flatten("flat", "body", (3, 5, 5)),
            fully_connected("fc", "flat", 75, 2, role=Role.CLASSIFIER),  # 150 weights, 2 biases
        ),
    )


def _binary(kept: dict[str, int] | None = None) -> Design:
    architecture = _small()
    policy = policy_by_role(architecture, body=BINARY, edge=precision(8))
    return Design(architecture=architecture, policy=policy, plan=PruningPlan(kept=kept or {}))


def test_packed_bytes_by_hand() -> None:
    encoded = encode_designs([_binary()])
    weights = 27 + 11 + 150  # 81 bits take 11 bytes
    assert model_bytes(encoded, NOTHING_ELSE)[0] == weights
    parts = {
        "batch_norm_floats": (2, 8 * 6),
        "scales": (True, 4 * 8),
        "biases": (True, 8),
        "activation_steps": (True, 8),
    }
    for name, (value, size) in parts.items():
        assert model_bytes(encoded, replace(NOTHING_ELSE, **{name: value}))[0] == weights + size  # type: ignore[arg-type]
    assert model_bytes(encoded)[0] == weights + 8 * 6 + 4 * 8 + 8 + 8  # the picture and what the classifier reads


def test_all_counts_by_hand() -> None:
    found = count(_binary(), NOTHING_ELSE)
    assert found.macs == 25 * 27 + 25 * 81 + 150
    assert found.parameters == 27 + 81 + 150 + 2 + 12
    assert found.bit_operations == 25 * 27 * 64 + 25 * 81 + 150 * 64
    assert found.model_bytes == 188
    assert found.memory_compression == pytest.approx(4 * 258 / 188)
    # picture 25 at 8 bits, stem's map 75 at 1 bit; then 10 and 75 at 8 bits
    assert found.peak_activation_bytes == 85


def test_pruned_filters_are_not_counted() -> None:
    found = count(_binary({"stem": 2, "body": 1}), NOTHING_ELSE)
    assert found.macs == 25 * 18 + 25 * 18 + 50
    assert found.model_bytes == 18 + 3 + 50
    assert found.memory_compression == pytest.approx(4 * 258 / 71)


def test_scales_only_under_16_bits() -> None:
    architecture = _small()
    half = Design(
        architecture=architecture, policy=policy_by_role(architecture, body=precision(16), edge=precision(16))
    )
    with_scales = replace(NOTHING_ELSE, scales=True, activation_steps=True)
    assert model_bytes(encode_designs([half]), with_scales)[0] == 2 * 258


def _binarynet() -> Design:
    return find_network("binarynet").design(find_task("cifar10"))


def test_training_memory_of_binarynet() -> None:
    """512.85 MiB at batch 100 with Adam: the standard column of the memory model of arXiv 2102.04270."""
    found = training_memory_bytes(encode_designs([_binarynet()]), batch_size=100)[0]
    assert found / MIB == pytest.approx(512.85, rel=1e-4)


def test_training_memory_grows_with_the_batch_alone() -> None:
    encoded = encode_designs([_binarynet()])
    one, two, three = (training_memory_bytes(encoded, batch_size=size)[0] for size in (1, 2, 3))
    assert three - two == two - one > 0


def test_parameters_of_binarynet() -> None:
    encoded = encode_designs([_binarynet()])
    assert parameters(encoded)[0] == 14_022_016 + 2 * 3850
