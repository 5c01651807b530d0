"""Built modules are what the design says: shapes, parameters, MACs, names, and the same weights for the same seed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from design.architecture import INPUT, Architecture
from design.counts import count
from design.design import Design
from design.errors import InvalidDesign, TaskTooSmall
from design.layer import Activation, Layer, Op, Role
from design.layers import conv, elementwise, fully_connected, global_pool
from design.policies import full_precision, policy_by_role
from design.precision import BINARY, precision
from design.space import Space
from design.spaces.mobilenet_tables import from_fbnet, mobilenet_v3_large
from design.spaces.registry import SPACES
from design.task import Task, find_task
from design.zoo import find_network
from networks.build import BuildOptions, Order, build
from networks.errors import UnsupportedLayer
from networks.layers import Norm
from networks.network import Network, Unit, weighted_parts

SAMPLES = 2


def _cases() -> list[tuple[Space, Task]]:
    found = []
    for space, name in itertools.product(SPACES.values(), ("digits", "cifar10")):
        task = find_task(name)
        try:
            space.genes(task)
        except TaskTooSmall:
            continue
        found.append((space, task))
    return found


each = pytest.mark.parametrize(("space", "task"), _cases(), ids=lambda one: one.name)


def _designs(space: Space, task: Task, seed: int = 1) -> list[Design]:
    rng = np.random.default_rng(seed)
    return [space.decode(task, values) for values in space.sample(task, SAMPLES, rng)]


def _parameters(network: nn.Module) -> int:
    """Without what quantizers learn."""
    return sum(p.numel() for name, p in network.named_parameters() if "quantizer" not in name)


def _macs(network: Network, shape: tuple[int, ...]) -> int:
    """Multiply-accumulates that the convolutions and linear layers really do for one picture."""
    total = 0

    def add(layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        total += layer.weight[0].numel() * output[0].numel()

    handles = [part.register_forward_hook(add) for part in network.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    network.eval()
    with torch.no_grad():
        network(torch.zeros(1, *shape))
    for handle in handles:
        handle.remove()
    return total


@each
def test_parameters_and_macs_are_those_of_the_counts(space: Space, task: Task) -> None:
    for design in _designs(space, task):
        network, counts = build(design), count(design)
        assert _parameters(network) == counts.parameters
        assert _macs(network, task.input_shape) == counts.macs


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("order", Order)
def test_every_parameter_is_trained(name: str, order: Order) -> None:
    space, task = SPACES[name], find_task("digits" if name != "nasbench201" else "cifar10")
    for design in _designs(space, task, seed=2):
        network = build(design, options=BuildOptions(order=order))
        logits = network(torch.randn(2, *task.input_shape))
        assert logits.shape == (2, task.classes)
        logits.square().sum().backward()
        assert [name for name, p in network.named_parameters() if p.grad is None] == []
        assert all(bool(p.grad.isfinite().all()) for p in network.parameters() if p.grad is not None)


@each
def test_layers_are_found_by_name_at_their_pruned_size_and_precision(space: Space, task: Task) -> None:
    design = _designs(space, task)[0]
    network = build(design)
    for layer in design.pruned.layers:
        unit = network.get_submodule(layer.name)
        assert unit is network.unit(layer.name)
        assert isinstance(unit, Unit)
        if layer.op is Op.CONV:
            (part,) = weighted_parts(unit)
            assert part.weight.numel() == layer.weights
            assert part.precision == design.policy.layers[layer.name]


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone() -> None:
    design = find_network("resnet20").design()
    before = torch.get_rng_state()
    first, again, other = build(design, seed=3), build(design, seed=3), build(design, seed=4)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    name = "stage1.block1.conv1.operation.weight"
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])


def test_a_full_precision_resnet_is_the_textbook_network() -> None:
    network = build(find_network("resnet20").design()).eval()
    torch.manual_seed(0)
    for norm in network.modules():
        if isinstance(norm, Norm):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)
    x = torch.randn(2, 3, 32, 32)

    def conv_norm(name: str, y: torch.Tensor, stride: int = 1) -> torch.Tensor:
        unit = network.unit(name)
        weight, norm = unit.operation.weight, unit.norm
        assert isinstance(weight, torch.Tensor)
        assert isinstance(norm, Norm)
        y = nn.functional.conv2d(y, weight, stride=stride, padding=weight.shape[2] // 2)
        return nn.functional.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)

    with torch.no_grad():
        y = conv_norm("stem.conv", x).relu()
        for stage, block in itertools.product((1, 2, 3), (1, 2, 3)):
            name = f"stage{stage}.block{block}"
            halves = stage > 1 and block == 1
            z = conv_norm(f"{name}.conv1", y, 2 if halves else 1).relu()
            z = conv_norm(f"{name}.conv2", z)
            y = (z + (conv_norm(f"{name}.shortcut", y, 2) if halves else y)).relu()
        fc = network.unit("head.fc").operation
        assert isinstance(fc, nn.Linear)
        torch.testing.assert_close(network(x), y.mean((2, 3)) @ fc.weight.T + fc.bias)


def test_published_mobilenets_run_with_squeeze_excitation_groups_and_shuffle() -> None:
    task, space = find_task("cifar10"), SPACES["mobilenet"]
    fbnet = from_fbnet(np.full((1, 22), 1))[0]
    for values in (mobilenet_v3_large(), fbnet):
        design = space.decode(task, values)
        network = build(design)
        assert _parameters(network) == count(design).parameters
        assert network.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_state_dictionaries_restore_a_network_exactly() -> None:
    design = _designs(SPACES["resnet"], find_task("digits"))[0]
    network, other = build(design, seed=0), build(design, seed=1)
    x = torch.randn(4, 1, 8, 8)
    network(x)
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(network.eval()(x), other.eval()(x))


def test_channels_last_and_bf16_autocast_give_nearly_the_same_logits() -> None:
    architecture = find_network("resnet20").design().architecture
    policy = policy_by_role(architecture, body=precision(4), edge=precision(8))
    network = build(Design(architecture=architecture, policy=policy))
    x = torch.randn(8, 3, 32, 32)
    network(x)
    network.eval()
    fast = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.no_grad():
        reference = network(x)
        with torch.autocast("cpu", torch.bfloat16):
            found = fast(x.to(memory_format=torch.channels_last))
    assert torch.corrcoef(torch.stack([reference.flatten(), found.float().flatten()]))[0, 1] > 0.9


def _design(layers: list[Layer], shape: tuple[int, int, int]) -> Design:
    architecture = Architecture(name="net", input_shape=shape, layers=tuple(layers))
    return Design(architecture=architecture, policy=full_precision(architecture))


def _layer(op: Op, shape: tuple[int, int, int], out: tuple[int, int, int], **more: object) -> Layer:
    sizes = dict(zip(("in_channels", "in_height", "in_width"), shape, strict=True))
    sizes |= dict(zip(("out_channels", "out_height", "out_width"), out, strict=True))
    return Layer.model_validate({"name": "layer", "op": op, "inputs": (INPUT,), **sizes, **more})


@pytest.mark.parametrize(
    "layer",
    [
        _layer(Op.DECONV, (4, 5, 5), (3, 10, 10), kernel_height=4, kernel_width=4, stride=2, padding=1),
        _layer(Op.DECONV, (4, 5, 5), (3, 10, 10), kernel_height=3, kernel_width=3, stride=2, padding=1, bias=True),
        _layer(Op.ATTENTION, (8, 4, 4), (8, 4, 4), heads=2, bias=True),
        _layer(Op.FC, (8, 4, 4), (5, 4, 4), bias=True),
        _layer(Op.RESIZE, (2, 4, 4), (2, 8, 8)),
        _layer(Op.PAD, (2, 4, 4), (2, 6, 6), padding=1),
        _layer(Op.SOFTMAX, (7, 1, 1), (7, 1, 1)),
        _layer(Op.POOL_MAX, (2, 5, 5), (2, 3, 3), kernel_height=2, kernel_width=2, stride=2, padding=0),
        _layer(Op.CONV, (4, 9, 9), (6, 9, 9), kernel_height=1, kernel_width=7, groups=2),
        _layer(Op.CONV, (4, 9, 9), (6, 9, 9), kernel_height=3, kernel_width=3, dilation=2),
        _layer(Op.ACTIVATION, (4, 9, 9), (4, 9, 9), activation=Activation.GELU),
    ],
    ids=lambda layer: f"{layer.op.value}-{layer.kernel_height}-{layer.stride}",
)
def test_operations_of_users_models_keep_the_shapes_and_counts_of_the_design(layer: Layer) -> None:
    design = _design([layer], layer.in_shape)
    network = build(design)
    assert network(torch.randn(2, *layer.in_shape)).numel() == 2 * layer.out_elements
    assert _parameters(network) == layer.parameters


def test_what_cannot_be_run_is_named() -> None:
    shape = (4, 8, 8)
    other = elementwise("mystery", (INPUT,), shape, op=Op.OTHER)
    with pytest.raises(UnsupportedLayer, match="'mystery'"):
        build(_design([other], shape))
    odd = elementwise("odd", (INPUT,), shape, op=Op.ACTIVATION, activation=Activation.OTHER)
    with pytest.raises(UnsupportedLayer, match="'odd'"):
        build(_design([odd], shape))


def test_a_shape_that_the_operation_does_not_give_is_refused() -> None:
    wrong = conv("first", INPUT, (3, 8, 8), 4).model_copy(update={"out_height": 7})
    with pytest.raises(InvalidDesign, match=r"'first' \(conv\) must be \(4, 7, 8\)"):
        build(_design([wrong], (3, 8, 8)))


def test_names_that_torch_does_not_allow_are_found_all_the_same() -> None:
    layers = [
        conv("forward", INPUT, (1, 8, 8), 4, role=Role.STEM),
        conv("a", "forward", (4, 8, 8), 4),
        conv("a.norm", "a", (4, 8, 8), 4),
        conv("train..x", "a.norm", (4, 8, 8), 4),
        global_pool("pool", "train..x", (4, 8, 8)),
        fully_connected("fc", "pool", 4, 2, role=Role.CLASSIFIER),
    ]
    network = build(_design(layers, (1, 8, 8)))
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 2)
    assert [network.unit(layer.name).step.layer for layer in layers] == layers


def test_a_sign_never_reads_what_cannot_be_negative() -> None:
    """A binary layer behind a ReLU would read +1 everywhere."""
    for name, task in (("resnet20", "cifar10"), ("vgg_small", "cifar10"), ("mobilenet_v2", "cifar10")):
        architecture = find_network(name).design(find_task(task)).architecture
        policy = policy_by_role(architecture, body=BINARY)
        network = build(Design(architecture=architecture, policy=policy))
        read = {
            unit.step.layer.name: unit.step.unsigned
            for unit in network.units()
            if unit.step.layer.weighted and policy.layers[unit.step.layer.name].activation_bits == 1
        }
        assert read
        assert not any(read.values())
