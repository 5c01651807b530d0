from __future__ import annotations

import math

import numpy as np
import pytest

from design.architecture import Architecture
from design.design import Design
from design.devices.catalogue import find_device
from design.encoding import Column, FloatArray, encode_designs
from design.layer import Activation, Layer, Op
from design.layers import conv, elementwise, flatten
from design.policies import policy_by_role
from design.precision import BINARY, FULL, Precision, precision
from design.spaces.nasbench201 import NasBench201Space
from design.task import find_task
from design.zoo import find_network
from predictors.descriptor import Descriptor, describe
from predictors.roofline import BOUNDS, OPTIONS, executed_pair, is_pool, layer_times

DEVICES = ("raspberry-pi-4", "raspberry-pi-5", "stm32l4r5", "titan-rtx@batch_32", "coral-edge-tpu", "xeon-gold-6226")


def layer_latency_s(layer: Layer, own: Precision | None, read_bits: int, out_bits: int, device: Descriptor) -> float:
    """Slow twin of `layer_times`: one layer, in plain numbers."""
    if layer.op is Op.FLATTEN:
        return 0.0
    options = OPTIONS[device.profile.kind]
    batch, floats = device.batch_size, device.float_bits
    normed = layer.batch_norm or layer.op is Op.NORM
    activated = layer.activation is not Activation.NONE or layer.op is Op.ACTIVATION
    operations = float(activated)
    seconds = 0.0
    if own is not None:
        width = max(executed_pair(own.weight_bits, own.activation_bits, device.supported_bits))
        per_in, per_out = layer.in_channels // layer.groups, layer.out_channels // layer.groups
        factor = 1 + options.in_channels / per_in + options.out_channels / per_out
        if layer.op in (Op.FC, Op.ATTENTION):
            factor = options.gemm if layer.in_height * layer.in_width > 1 else 1.0
        if layer.depthwise:
            factor = 1 / options.depthwise
        square = (layer.kernel_height, layer.kernel_width, layer.stride) == (3, 3, 1)
        if device.winograd and layer.op is Op.CONV and square and width >= 16 and min(per_in, per_out) >= 16:
            factor /= options.winograd
        if width == 1:
            factor *= math.ceil(per_in / device.binary_lanes) * device.binary_lanes / per_in
        factor *= 1 + options.lanes / (batch * layer.out_elements)
        rate = options.efficiency * device.macs_per_second[floats if width == 32 else width]
        seconds += batch * layer.macs * factor / rate
        operations += own.weight_bits < 16
    else:
        operations += len(layer.inputs)
        if layer.op is Op.MATMUL:
            factor = options.gemm if layer.in_height * layer.in_width > 1 else 1.0
            factor *= 1 + options.lanes / (batch * layer.out_elements)
            seconds += batch * layer.macs * factor / (options.efficiency * device.macs_per_second[floats])
        if layer.op in (Op.POOL_MAX, Op.POOL_AVERAGE):
            operations += layer.kernel_height * layer.kernel_width
    seconds += batch * layer.out_elements * operations / (options.efficiency * device.macs_per_second[floats])
    weights = layer.weights * min(own.weight_bits, floats) / 8 if own else 0.0
    weights += 4 * (layer.biases + layer.constants) + (8 * layer.out_channels if normed else 0)
    read = own.activation_bits if own else read_bits
    moved = batch * (layer.in_elements * min(read, floats) + layer.out_elements * min(out_bits, floats)) / 8
    relative = ((weights + moved) / device.cache_bytes) ** 2
    share = relative / (1 + relative)
    outside = share * moved + (weights if device.weights_in_flash else share * weights)
    inside = weights + moved - outside
    memory = outside / device.memory_bytes_per_second + inside / device.cache_bytes_per_second
    kernels = 1 + normed + activated if device.eager else 1
    return max(seconds, memory / options.bandwidth) + device.launch_overhead_s * kernels


def products_of_tensors() -> Design:
    """A convolution whose 16 maps of 64 positions are multiplied with themselves, and a constant added."""
    stem = conv("stem", "input", (3, 8, 8), 16)
    turned = flatten("turned", "stem", (16, 8, 8)).model_copy(update={"out_channels": 64, "out_height": 16})
    product = flatten("product", "stem", (64, 1, 16)).model_copy(
        update={"op": Op.MATMUL, "inputs": ("turned", "stem"), "out_channels": 16, "out_width": 16}
    )
    moved = elementwise("moved", ("product",), product.out_shape).model_copy(update={"constants": 256})
    architecture = Architecture(name="products", input_shape=(3, 8, 8), layers=(stem, turned, product, moved))
    return Design(architecture=architecture, policy=policy_by_role(architecture, body=precision(8)))


def some_designs() -> list[Design]:
    resnet = find_network("resnet20").design(find_task("cifar10")).architecture
    mobile = find_network("mobilenet_v2").design(find_task("cifar10")).architecture
    return [
        Design(architecture=resnet, policy=policy_by_role(resnet)),
        Design(architecture=resnet, policy=policy_by_role(resnet, body=BINARY, shortcut=FULL, edge=precision(8))),
        Design(architecture=resnet, policy=policy_by_role(resnet, body=precision(4, 8), edge=precision(8))),
        Design(architecture=mobile, policy=policy_by_role(mobile, body=precision(8), edge=precision(8))),
        products_of_tensors(),
    ]


def times_of(design: Design, device: Descriptor) -> FloatArray:
    encoded = encode_designs([design])
    return np.asarray(layer_times(encoded.rows, device).total[encoded.row_ids[0]])


@pytest.mark.parametrize("address", DEVICES)
def test_vectorised_latency_equals_the_slow_twin(address: str) -> None:
    device = describe(find_device(address))
    for design in some_designs():
        encoded = encode_designs([design])
        fast = layer_times(encoded.rows, device).total[encoded.row_ids[0]]
        rows = encoded.rows[encoded.row_ids[0]]
        slow = [
            layer_latency_s(
                layer,
                design.policy.layers.get(layer.name),
                int(row[Column.ACTIVATION_BITS]),
                int(row[Column.OUT_BITS]),
                device,
            )
            for layer, row in zip(design.pruned.layers, rows, strict=True)
        ]
        np.testing.assert_allclose(fast, slow, rtol=1e-12)


def test_the_absent_layer_costs_nothing_and_is_bound_by_nothing() -> None:
    encoded = encode_designs(some_designs())
    times = layer_times(encoded.rows, describe(find_device("raspberry-pi-4")))
    assert times.total[0] == 0
    assert BOUNDS[times.bound[0]] == "none"
    assert {BOUNDS[index] for index in times.bound} >= {"none", "compute"}


def test_precision_without_hardware_brings_no_speed() -> None:
    device = describe(find_device("raspberry-pi-4"))
    assert executed_pair(4, 4, device.supported_bits) == (8, 8)
    assert executed_pair(1, 8, device.supported_bits) == (8, 8)
    assert executed_pair(1, 32, device.supported_bits) == (32, 32)
    resnet = find_network("resnet20").design(find_task("cifar10")).architecture
    four, eight = (
        times_of(Design(architecture=resnet, policy=policy_by_role(resnet, body=precision(bits))), device)
        for bits in (4, 8)
    )
    assert four.sum() == pytest.approx(eight.sum(), rel=0.1)


def test_wide_layers_gain_from_binary_arithmetic_and_narrow_ones_little() -> None:
    device = describe(find_device("raspberry-pi-4@one_thread"))

    def gain(name: str) -> float:
        net = find_network(name).design(find_task("cifar10")).architecture
        full, binary = (
            times_of(Design(architecture=net, policy=policy_by_role(net, body=body)), device).sum()
            for body in (FULL, BINARY)
        )
        return float(full / binary)

    assert 2 < gain("resnet18") < 15
    assert gain("resnet20") < gain("resnet18")


def test_a_raspberry_pi_4_runs_resnet18_on_imagenet_in_a_plausible_time() -> None:
    design = find_network("resnet18").design(find_task("imagenet"))
    seconds = times_of(design, describe(find_device("raspberry-pi-4@one_thread"))).sum()
    assert 0.15 < seconds < 0.9  # 0.33 s measured with ncnn


def test_pools_on_the_mac_array_cost_what_convolutions_of_their_window_cost() -> None:
    cells = NasBench201Space().rows(find_task("cifar10"), np.array([[4] * 6 + [0] * 6, [3] * 6 + [0] * 6]))
    plain = find_device("eyeriss").model_copy(update={"pooling_on_mac_array": None})
    stated = find_device("eyeriss")
    assert stated.pooling_on_mac_array
    times = [layer_times(cells.rows, describe(profile)).compute for profile in (plain, stated)]
    window = (cells.rows[:, Column.KERNEL_HEIGHT] == 3) & is_pool(cells.rows)
    assert window.any()
    assert np.all(times[1][window] > 10 * times[0][window])
    assert np.array_equal(times[0][~is_pool(cells.rows)], times[1][~is_pool(cells.rows)])
    pooled, convolved = cells.total(times[1])
    assert pooled == pytest.approx(convolved, rel=0.25)


def test_accelerators_that_do_not_say_how_they_pool_are_assumed_to_have_units_for_it() -> None:
    plain = find_device("eyeriss").model_copy(update={"pooling_on_mac_array": None})
    assert "pooling_on_mac_array" in {item.field for item in describe(plain).assumed}
    assert "pooling_on_mac_array" not in {item.field for item in describe(find_device("eyeriss")).assumed}
    assert "pooling_on_mac_array" not in {item.field for item in describe(find_device("raspberry-pi-4")).assumed}
