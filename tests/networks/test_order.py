"""Where norms, activations and shortcuts stand, on the networks of the papers."""

from __future__ import annotations

import pytest
import torch

from design.architecture import Architecture
from design.design import Design
from design.layer import Activation
from design.policies import full_precision, hybrid_full_precision_shortcuts, policy_by_role
from design.precision import BINARY, Bits, PrecisionPolicy, precision
from design.pruning import PruningPlan
from design.task import find_task
from design.zoo import find_network
from networks.build import BuildOptions, Order, build
from networks.layers import Norm
from networks.network import Network, Unit, weighted_parts
from networks.order import Step, steps

CIFAR = find_task("cifar10")
CENTRED, NORM_FIRST = BuildOptions(), BuildOptions(order=Order.NORM_FIRST)


def _architecture(name: str) -> Architecture:
    return find_network(name).design(CIFAR).architecture


def _steps(name: str, policy: PrecisionPolicy | None = None, options: BuildOptions = CENTRED) -> dict[str, Step]:
    architecture = _architecture(name)
    own = policy or policy_by_role(architecture, body=BINARY)
    return {step.layer.name: step for step in steps(architecture, own, options)}


@pytest.mark.parametrize("options", [CENTRED, NORM_FIRST])
def test_networks_without_few_bits_run_as_the_design_says(options: BuildOptions) -> None:
    for policy in (
        full_precision(_architecture("resnet20")),
        policy_by_role(_architecture("resnet20"), body=precision(8)),
    ):
        found = _steps("resnet20", policy, options)
        for name, step in found.items():
            assert step.inputs == step.layer.inputs
            assert step.beside is None
            assert step.activation is step.layer.activation
            assert not step.norm_last
            assert bool(step.norm) == step.layer.batch_norm, name


def test_binary_blocks_have_a_shortcut_around_every_convolution() -> None:
    found = _steps("resnet20")
    first, second, add = (found[f"stage2.block1.{name}"] for name in ("conv1", "conv2", "add"))
    assert first.beside == "stage2.block1.shortcut"
    assert second.beside is None
    assert add.inputs == ("stage2.block1.conv2", "stage2.block1.conv1")
    assert found["stage2.block2.conv1"].beside == "stage2.block1.add"
    names = list(found)
    assert names.index("stage2.block1.shortcut") < names.index("stage2.block1.conv1")
    both = _steps("resnet20", options=BuildOptions(shortcut_every_convolution=False))
    assert all(step.beside is None for step in both.values())


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_blocks_of_few_bits_can_have_the_shortcuts_of_binary_ones(bits: Bits) -> None:
    """So that networks whose blocks have different bits have one topology."""
    policy = policy_by_role(_architecture("resnet20"), body=precision(bits))
    around = {}
    for few in (False, True):
        found = _steps("resnet20", policy, BuildOptions(shortcut_few_bits=few))
        around[few] = [name for name, step in found.items() if step.beside]
    assert len(around[False]) == (9 if bits == 1 else 0)
    assert len(around[True]) == (9 if bits <= 4 else 0)
    network = build(
        Design(architecture=_architecture("resnet20"), policy=policy), options=BuildOptions(shortcut_few_bits=True)
    )
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_blocks_with_other_inner_channels_keep_their_one_shortcut() -> None:
    architecture = _architecture("resnet20")
    plan = PruningPlan(kept={"stage1.block1.conv1": 8})
    design = Design(architecture=architecture, policy=policy_by_role(architecture, body=BINARY), plan=plan)
    network = build(design)
    assert network.unit("stage1.block1.conv1").step.beside is None
    assert network.unit("stage1.block2.conv1").step.beside == "stage1.block1.add"
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_centred_order_puts_the_norm_behind_the_activation_of_what_a_sign_reads() -> None:
    found = _steps("resnet20")
    for name in ("stem.conv", "stage1.block1.conv1", "stage1.block1.conv2"):
        assert (found[name].activation, found[name].norm_last) == (Activation.RELU, True), name
    assert found["stage1.block1.add"].activation is Activation.NONE
    assert found["stage2.block1.shortcut"].activation is Activation.NONE
    last = found["stage3.block3.add"]
    assert last.activation is Activation.RELU  # the classifier reads it, no sign does


def test_pools_in_front_of_a_sign_come_before_the_norm() -> None:
    found = _steps("vgg_small")
    convolution, pool = found["stage1.conv2"], found["stage1.pool"]
    assert (convolution.norm, convolution.activation) == (0, Activation.RELU)
    assert (pool.norm, pool.norm_of) == (128, "stage1.conv2")


def test_norm_first_is_the_order_of_the_paper() -> None:
    found = _steps("resnet20", options=NORM_FIRST)
    for name in ("stage2.block1.conv1", "stage2.block1.conv2"):
        step = found[name]
        assert (step.input_norm, step.norm, step.norm_last) == (step.layer.in_channels, 32, False)
        assert step.activation is Activation.RELU
    assert found["stage2.block1.add"].activation is Activation.NONE
    assert found["stem.conv"].input_norm == 0
    vgg = _steps("vgg_small", options=NORM_FIRST)
    assert (vgg["stage1.conv2"].input_norm, vgg["stage1.conv2"].norm) == (128, 0)  # the next norm follows the pool


def test_mixed_blocks_centre_only_what_a_sign_reads() -> None:
    architecture = _architecture("resnet20")
    two = {f"stage3.block{block}.conv{n}": precision(2) for block in (2, 3) for n in (1, 2)}
    found = _steps("resnet20", policy_by_role(architecture, body=BINARY, overrides=two))
    assert found["stage3.block1.add"].activation is Activation.RELU
    assert found["stage3.block2.conv1"].unsigned
    assert found["stage3.block2.conv1"].beside is None
    assert not found["stage3.block1.conv2"].unsigned


def test_full_precision_shortcuts_of_a_binary_network_read_the_stream_itself() -> None:
    architecture = _architecture("resnet20")
    network = build(Design(architecture=architecture, policy=hybrid_full_precision_shortcuts(architecture)))
    (shortcut,) = weighted_parts(network.unit("stage2.block1.shortcut"))
    (main,) = weighted_parts(network.unit("stage2.block1.conv1"))
    quantized = [[one.activation_quantizer, one.weight_quantizer] for one in (shortcut, main)]
    assert quantized[0] == [None, None]
    assert None not in quantized[1]


def test_folded_norms_give_the_same_logits_as_torchs() -> None:
    network = build(find_network("resnet20").design(CIFAR)).eval()
    x = torch.randn(2, 3, 32, 32)
    generator = torch.Generator().manual_seed(0)
    expected = []
    with torch.no_grad():
        for norm in network.modules():
            if isinstance(norm, Norm):
                assert norm.running_mean is not None
                assert norm.running_var is not None
                norm.running_mean.normal_(0, 0.3, generator=generator)
                norm.running_var.uniform_(0.5, 2, generator=generator)
        found = network(x)
        for norm in network.modules():
            if isinstance(norm, Norm):
                norm.forward = lambda y, own=norm: torch.nn.BatchNorm2d.forward(own, y)  # type: ignore[method-assign, misc]
        expected = network(x)
    torch.testing.assert_close(found, expected)


def test_residual_bits_quantize_what_enters_sums() -> None:
    architecture = _architecture("resnet20")
    for bits, levels in ((8, 256), (2, 4)):
        policy = policy_by_role(architecture, residual_bits=bits)  # type: ignore[arg-type]
        network = build(Design(architecture=architecture, policy=policy))
        summed: list[torch.Tensor] = []
        unit = network.unit("stage2.block2.add")
        for quantizer in unit.operation.quantizers:  # type: ignore[union-attr]
            quantizer.register_forward_hook(lambda _m, _i, output, kept=summed: kept.append(output.detach()))
        network(torch.randn(2, 3, 32, 32))
        assert len(summed) == 2
        assert all(len(torch.unique(x)) <= levels for x in summed)
        assert (
            float(summed[0].min()) < 0 <= float(summed[1].min())
        )  # the branch is signed, the stream behind a ReLU is not


def test_units_run_in_an_order_that_gives_each_what_it_reads() -> None:
    network: Network = build(
        Design(architecture=_architecture("resnet20"), policy=policy_by_role(_architecture("resnet20"), body=BINARY))
    )
    done = {"input"}
    for unit in network.units():
        assert isinstance(unit, Unit)
        step = unit.step
        assert {*step.inputs, *([step.beside] if step.beside else [])} <= done
        done.add(step.layer.name)
    assert done - {"input"} == {layer.name for layer in network.architecture.layers}
