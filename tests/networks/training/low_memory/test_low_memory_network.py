"""Networks that train with little memory: what is converted, what stays, and that `fit` takes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from design.design import Design
from design.policies import full_precision, policy_by_role
from design.precision import BINARY, precision
from design.task import find_task
from design.zoo import find_network
from networks.build import build
from networks.packing import pack, unpack
from networks.training.errors import InvalidOptions
from networks.training.fit import fit
from networks.training.low_memory.chain import Reading
from networks.training.low_memory.network import to_low_memory, to_standard
from networks.training.low_memory.options import LOW_MEMORY, NOTHING_APPROXIMATED, NormKind
from networks.training.low_memory.planes import Plane
from networks.training.monitor.monitor import Monitor
from networks.training.monitor.options import MonitorOptions
from networks.training.options import FitOptions
from tests.networks.training.low_memory.small import (
    CLIPPED,
    pictures,
    shifted,
    small_design,
    small_network,
    small_perceptron,
)
from tests.networks.training.tiny import digits

FIT = FitOptions(
    epochs=3, batch_size=20, optim="adamw", learning_rate=1e-2, weight_decay=0.0, decayed="none", bf16=False
)
SHORT = replace(FIT, epochs=2, warmup_epochs=0.0)


def _edges_full(name: str) -> Design:
    design = find_network(name).design(find_task("digits"))
    policy = policy_by_role(design.architecture, body=BINARY, edge=precision(32), shortcut=precision(32))
    return Design(architecture=design.architecture, policy=policy)


def _loss(module: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    labels = torch.arange(len(images)) % 10
    return torch.nn.functional.cross_entropy(module(images), labels)


@pytest.mark.parametrize("name", ["resnet20", "vgg_small"])
def test_nothing_approximated_is_the_network_itself(name: str) -> None:
    """Loss of a batch, running statistics and outputs afterwards; a pool or cut-off of equal sums may break ties."""
    images = pictures(7).double()
    standard = shifted(build(_edges_full(name), options=CLIPPED)).double()
    low = to_low_memory(shifted(build(_edges_full(name), options=CLIPPED)).double(), NOTHING_APPROXIMATED)
    assert _loss(low, images).item() == pytest.approx(_loss(standard, images).item(), rel=1e-9)
    for (key, own), (_, twin) in zip(low.network.named_buffers(), standard.named_buffers(), strict=True):
        torch.testing.assert_close(own, twin, rtol=1e-5, atol=1e-9, msg=key)
    with torch.no_grad():
        torch.testing.assert_close(low.eval()(images), standard.eval()(images), rtol=1e-5, atol=1e-6)


def test_gradients_without_pools_are_those_of_the_network() -> None:
    """The perceptron part of BinaryNet: no pool, no cut-off, so no ties."""
    from_network, from_low = shifted(small_network()).double(), shifted(small_network()).double()
    low = to_low_memory(from_low, NOTHING_APPROXIMATED)
    images = pictures().double()
    _loss(from_network, images).backward()  # type: ignore[no-untyped-call]
    _loss(low, images).backward()  # type: ignore[no-untyped-call]
    own, twin = dict(from_low.named_parameters()), dict(from_network.named_parameters())
    for name in ("fc1.operation.weight", "fc2.operation.weight", "fc3.operation.weight", "fc1.norm.bias"):
        torch.testing.assert_close(own[name].grad, twin[name].grad, rtol=1e-8, atol=1e-12)


def test_every_layer_of_binarynet_is_a_chain_of_bits() -> None:
    low = to_low_memory(small_network())
    chains = [block.chain for block in low.blocks()]
    assert len(chains) == len(small_design().architecture.weighted)
    assert [chain.reading for chain in chains] == [Reading.REAL] + [Reading.SIGNS] * 8
    assert [chain.signs_out for chain in chains] == [True] * 8 + [False]
    assert [chain.pool for chain in chains] == [False, True, False, True, False, True, False, False, False]


def test_a_cut_behind_the_norm_is_no_part_of_the_chain() -> None:
    """The last convolution of VGG-small, which numbers are read of."""
    low = to_low_memory(build(_edges_full("vgg_small"), options=CLIPPED))
    last = low.blocks()[-1]
    assert last.unit.step.layer.name == "stage3.conv2"
    assert (last.cut_behind, last.chain.relu, last.chain.signs_out) == (True, False, False)
    assert all(block.chain.relu and block.chain.signs_out for block in low.blocks()[:-1])


def test_layers_that_are_not_binary_stay() -> None:
    design = find_network("resnet20").design(find_task("digits"))
    policy = policy_by_role(design.architecture, body=BINARY, edge=precision(8), shortcut=precision(4))
    low = to_low_memory(build(Design(architecture=design.architecture, policy=policy)))
    names = {block.unit.step.layer.name for block in low.blocks()}
    binary = {layer.name for layer in design.architecture.weighted if policy.layers[layer.name] == BINARY}
    assert names == binary
    for layer in design.architecture.weighted:
        weight = low.network.unit(layer.name).operation.weight
        assert weight.dtype is (torch.float16 if layer.name in binary else torch.float32)


def test_a_network_without_binary_layers_is_refused() -> None:
    architecture = small_design().architecture
    network = build(Design(architecture=architecture, policy=full_precision(architecture)))
    with pytest.raises(InvalidOptions, match="must have a binary layer"):
        to_low_memory(network)


@pytest.mark.parametrize("change", [{}, {"one_bit_gradients": False}, {"norm": NormKind.L1}, {"half_state": False}])
def test_fit_learns(change: dict[str, object]) -> None:
    module = to_low_memory(small_perceptron(), replace(LOW_MEMORY, **change))  # type: ignore[arg-type]
    fitted = fit(module, digits(), FIT)
    assert fitted.validation_accuracy > 0.5  # chance is 0.1


def test_fit_with_momentum_learns() -> None:
    module = to_low_memory(small_perceptron())
    fitted = fit(module, digits(), replace(FIT, optim="sgd", learning_rate=0.05))
    assert fitted.validation_accuracy > 0.5


def test_training_goes_on_from_a_checkpoint_to_the_digit(tmp_path: Path) -> None:
    whole, broken = to_low_memory(small_network()), to_low_memory(small_network())
    fit(whole, digits(100), SHORT)
    path = tmp_path / "run.pt"
    calls = iter(range(1000))
    with pytest.raises(Exception, match="stopped"):
        fit(broken, digits(100), SHORT, checkpoint=path, should_stop=lambda: next(calls) > 5)
    again = to_low_memory(small_network())
    fit(again, digits(100), SHORT, checkpoint=path)
    for own, twin in zip(again.state_dict().values(), whole.state_dict().values(), strict=True):
        assert torch.equal(own, twin)


def test_a_monitor_watches_and_changes_nothing() -> None:
    """It looks at a plain copy of the network, and measures what needs no step rule."""
    watched, alone = to_low_memory(small_perceptron()), to_low_memory(small_perceptron())
    monitor = Monitor(MonitorOptions(every=1, pictures=32, chunk=16))
    fit(watched, digits(100), SHORT, watcher=monitor)
    fit(alone, digits(100), SHORT)
    found = monitor.record()
    assert found.failed is None
    assert len(found.readings) == 8
    assert all(one.probe_loss is not None and one.critical_outcome is not None for one in found.readings)
    assert all(one.flip_ratio is not None for one in found.readings[1:])
    for own, twin in zip(watched.state_dict().values(), alone.state_dict().values(), strict=True):
        assert torch.equal(own, twin)


def test_signs_do_not_add_up() -> None:
    low = to_low_memory(small_perceptron())
    _loss(low, pictures()).backward()  # type: ignore[no-untyped-call]
    with pytest.raises(InvalidOptions, match="signs do not add up"):
        _loss(low, pictures()).backward()  # type: ignore[no-untyped-call]


def test_standard_again_has_the_same_outputs() -> None:
    module = to_low_memory(small_network())
    fit(module, digits(100), SHORT)
    images = pictures()
    with torch.no_grad():
        before = module(images)
        network = to_standard(module).eval()
        after = network(images)
    assert all(value.dtype is torch.float32 for value in network.parameters())
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)


def test_what_was_trained_is_packed_as_any_network() -> None:
    """Edges of 8 bits, binary layers between them."""
    architecture = find_network("mlp").design(find_task("digits")).architecture
    design = Design(architecture=architecture, policy=policy_by_role(architecture, body=BINARY, edge=precision(8)))
    module = to_low_memory(build(design))
    assert len(module.blocks()) == 4
    fit(module, digits(100), SHORT)
    network, images = to_standard(module).eval(), pictures()
    with torch.no_grad():
        torch.testing.assert_close(unpack(pack(network, design), design)(images), network(images))


def test_chunks_do_not_change_the_step() -> None:
    gradients = []
    for chunk in (8.0, 0.001):
        options = replace(LOW_MEMORY, chunk_mib=chunk, one_bit_gradients=False, half_state=False)
        low = to_low_memory(shifted(small_network()), options)
        _loss(low, pictures()).backward()  # type: ignore[no-untyped-call]
        gradients.append([value.grad for value in low.parameters() if value.grad is not None])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-4)


def _held(loss: torch.Tensor, parameters: set[int]) -> int:
    """Bytes that the graph of a loss keeps for the way back, parameters left out."""
    found: dict[int, int] = {}

    def keep(value: object) -> None:
        if isinstance(value, Plane):
            value = value.data
        if isinstance(value, torch.Tensor) and value.data_ptr() not in parameters:
            found[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()

    waiting, seen = [loss.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [before for before, _ in node.next_functions]
        for name in dir(node):
            if name.startswith("_saved_"):
                keep(getattr(node, name))
        for value in getattr(node, "saved_tensors", ()):
            keep(value)
        if hasattr(node, "kept"):
            for value in vars(node.kept).values():
                keep(value)
    return sum(found.values())


def test_what_is_held_is_bits() -> None:
    """Three bits for each sign and a little for each channel, against more than eight bytes."""
    standard, low = small_network(), to_low_memory(small_network())
    number = 50
    held = [
        _held(_loss(one, pictures(number)), {value.data_ptr() for value in one.parameters()}) for one in (standard, low)
    ]
    layers = [block.unit.step.layer for block in low.blocks()]
    elements = number * sum(layer.out_elements for layer in layers)
    picture_bytes = 4 * number * 64
    assert held[0] > 8 * elements
    assert held[1] < 3 / 8 * elements + picture_bytes + 100 * sum(layer.out_channels for layer in layers)
    assert held[0] > 10 * held[1]


def test_what_was_held_is_gone_behind_the_way_back() -> None:
    low = to_low_memory(small_network())
    loss = _loss(low, pictures())
    loss.backward()  # type: ignore[no-untyped-call]
    node, kept = [loss.grad_fn], []
    while node:
        own = node.pop()
        if own is not None:
            node += [before for before, _ in own.next_functions]
            kept += [own.kept] if hasattr(own, "kept") else []
    assert len(kept) == len(low.blocks())
    assert all(one is None for one in kept)
