"""Identity, round trips and refusals of designs."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from design.architecture import Architecture
from design.design import Design, Genotype
from design.layer import Activation, Role
from design.layers import conv, elementwise, fully_connected, global_pool
from design.policies import full_precision, policy_by_role
from design.precision import BINARY, BITS, Bits, Precision, PrecisionPolicy
from design.pruning import PruningPlan

BITS_DRAWN = st.sampled_from(BITS)


def _architecture(width: int = 8, name: str = "n") -> Architecture:
    shape = (width, 8, 8)
    return Architecture(
        name=name,
        input_shape=(3, 8, 8),
        layers=(
            conv("stem", "input", (3, 8, 8), width, role=Role.STEM),
            conv("conv1", "stem", shape, 2 * width),
            conv("conv2", "conv1", (2 * width, 8, 8), width),
            elementwise("add", ("conv2", "stem"), shape, activation=Activation.RELU),
            global_pool("pool", "add", shape),
            fully_connected("fc", "pool", width, 4, role=Role.CLASSIFIER),
        ),
    )


@st.composite
def designs(draw: st.DrawFn) -> Design:
    architecture = _architecture(draw(st.sampled_from((4, 8, 12))))
    width = architecture.layer("stem").out_channels
    body = Precision(weight_bits=draw(BITS_DRAWN), activation_bits=draw(BITS_DRAWN))
    kept = {}
    if draw(st.booleans()):
        kept["conv1"] = draw(st.integers(1, 2 * width))
    if draw(st.booleans()):
        kept["stem"] = kept["conv2"] = draw(st.integers(1, width))
    return Design(
        architecture=architecture,
        policy=policy_by_role(architecture, body=body, residual_bits=draw(BITS_DRAWN)),
        plan=PruningPlan(kept=kept),
    )


@given(designs())
def test_json_round_trip_keeps_identity(design: Design) -> None:
    again = Design.model_validate_json(design.model_dump_json())
    assert again == design
    assert again.digest == design.digest


@given(designs(), designs())
def test_equal_content_has_equal_digests(left: Design, right: Design) -> None:
    assert (left.digest == right.digest) == (left == right)


@given(designs())
def test_pruning_never_adds(design: Design) -> None:
    before, after = design.architecture.layers, design.pruned.layers
    assert [layer.name for layer in before] == [layer.name for layer in after]
    for whole, left in zip(before, after, strict=True):
        assert left.macs <= whole.macs
        assert left.parameters <= whole.parameters


def test_names_of_origin_are_not_part_of_the_identity() -> None:
    architecture = _architecture()
    plain = Design(architecture=architecture, policy=full_precision(architecture))
    renamed = Design(
        architecture=_architecture(name="other"),
        policy=plain.policy,
        genotype=Genotype(space="resnet", task="cifar10", values=(1, 2)),
    )
    assert renamed.digest == plain.digest
    assert len(plain.digest) == 64


def test_the_order_of_a_policy_does_not_matter() -> None:
    architecture = _architecture()
    layers = full_precision(architecture).layers
    turned = PrecisionPolicy(layers=dict(reversed(list(layers.items()))))
    first = Design(architecture=architecture, policy=PrecisionPolicy(layers=layers))
    assert Design(architecture=architecture, policy=turned).digest == first.digest


@pytest.mark.parametrize("role", [Role.STEM, Role.CLASSIFIER])
@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("side", ["weights", "activations"])
def test_edges_keep_eight_bits(role: Role, bits: Bits, side: str) -> None:
    architecture = _architecture()
    name = "stem" if role is Role.STEM else "fc"
    low = (
        Precision(weight_bits=bits, activation_bits=8)
        if side == "weights"
        else Precision(weight_bits=8, activation_bits=bits)
    )
    with pytest.raises(ValidationError, match=f"the {role.value} '{name}' must have at least 8 bits"):
        Design(architecture=architecture, policy=policy_by_role(architecture, overrides={name: low}))
    Design(
        architecture=architecture,
        policy=policy_by_role(architecture, edge=Precision(weight_bits=8, activation_bits=8)),
    )


def test_a_policy_names_exactly_the_layers_with_weights() -> None:
    architecture = _architecture()
    layers = dict(full_precision(architecture).layers)
    del layers["conv1"]
    layers["add"] = BINARY
    with pytest.raises(ValidationError, match=r"nothing for \['conv1'\] and unknown \['add'\]"):
        Design(architecture=architecture, policy=PrecisionPolicy(layers=layers))


def test_nothing_pruned_is_the_architecture_itself() -> None:
    architecture = _architecture()
    design = Design(architecture=architecture, policy=full_precision(architecture))
    assert design.pruned is architecture


def test_constants_count_in_the_digest_and_their_absence_does_not() -> None:
    architecture = _architecture()
    design = Design(architecture=architecture, policy=full_precision(architecture))
    content = design.model_dump(mode="json", exclude={"genotype": True, "architecture": {"name"}})
    for layer in content["architecture"]["layers"]:
        del layer["constants"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert design.digest == hashlib.sha256(text.encode()).hexdigest()
    first, *others = architecture.layers
    changed = architecture.model_copy(update={"layers": (first.model_copy(update={"constants": 1}), *others)})
    assert Design(architecture=changed, policy=full_precision(changed)).digest != design.digest
