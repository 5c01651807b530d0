"""Stored bits and peaks of examples worked by hand."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from design.layer import IN_PLACE, Activation, Layer, Op
from design.layers import conv, elementwise, global_pool, pool
from design.liveness import peak_bytes, stored_bits
from design.precision import BINARY, FULL, precision

SHAPE = (4, 4, 4)  # 64 elements
AT_32 = 256


def _chain() -> list[Layer]:
    return [conv("a", "input", SHAPE, 8), conv("b", "a", (8, 4, 4), 2)]


def test_tensors_are_kept_at_what_their_readers_need() -> None:
    layers = [*_chain(), elementwise("s", ("b", "b2"), (2, 4, 4))]
    layers.insert(2, conv("b2", "a", (8, 4, 4), 2))
    bits = stored_bits(layers, {"a": FULL, "b": precision(1, 2), "b2": precision(4)}, residual_bits=8)
    assert bits == {"input": 32, "a": 4, "b": 8, "b2": 8, "s": 32}


def test_pools_pass_on_what_is_needed_behind_them() -> None:
    layers = [
        conv("a", "input", SHAPE, 4),
        pool("p", "a", SHAPE, kernel=2, stride=2),
        conv("b", "p", (4, 2, 2), 4),
    ]
    bits = stored_bits(layers, {"a": precision(8), "b": BINARY}, residual_bits=32)
    assert bits == {"input": 8, "a": 1, "p": 1, "b": 32}


def test_the_output_has_the_bits_asked_for() -> None:
    assert stored_bits(_chain(), {"a": FULL, "b": FULL}, 32, output_bits=16)["b"] == 16


def test_peak_of_a_chain() -> None:
    layers = _chain()
    bits = dict.fromkeys(("input", "a", "b"), 32)
    # input 256 + a 512, then a 512 + b 128
    assert peak_bytes(layers, bits, 64) == AT_32 + 512


def test_peak_counts_stored_bits_in_whole_bytes() -> None:
    layers = [conv("a", "input", (1, 3, 3), 1), conv("b", "a", (1, 3, 3), 1)]
    # 9 elements at 8, 1 and 32 bits: 9, 2 and 36 bytes
    assert peak_bytes(layers, {"input": 8, "a": 1, "b": 32}, 9) == 38


def test_shortcuts_stay_alive_until_they_are_added() -> None:
    layers = [
        conv("a", "input", SHAPE, 4),
        conv("b", "a", SHAPE, 4),
        elementwise("s", ("b", "input"), SHAPE),
        conv("c", "s", SHAPE, 4),
    ]
    bits = dict.fromkeys(("input", "a", "b", "s", "c"), 32)
    # input, a and b are alive together; the sum is written over one of them
    assert peak_bytes(layers, bits, 64) == 3 * AT_32


def test_elementwise_operations_need_an_input_as_large_as_what_they_write() -> None:
    relu = elementwise("r", ("input",), SHAPE, op=Op.ACTIVATION, activation=Activation.RELU)
    assert peak_bytes([relu], {"input": 32, "r": 32}, 64) == AT_32
    assert peak_bytes([relu], {"input": 8, "r": 32}, 64) == 64 + AT_32


def test_an_input_that_is_read_again_is_not_written_over() -> None:
    layers = [
        elementwise("r", ("input",), SHAPE, op=Op.ACTIVATION, activation=Activation.RELU),
        elementwise("s", ("r", "input"), SHAPE),
    ]
    assert peak_bytes(layers, dict.fromkeys(("input", "r", "s"), 32), 64) == 2 * AT_32


def test_a_tensor_nobody_reads_is_dropped() -> None:
    layers = [conv("a", "input", SHAPE, 4), conv("unread", "a", SHAPE, 4), global_pool("g", "a", SHAPE)]
    bits = dict.fromkeys(("input", "a", "unread", "g"), 32)
    # a and unread together; then a and the pooled 16 bytes
    assert peak_bytes(layers, bits, 64) == 2 * AT_32
    assert stored_bits(layers, {"a": FULL, "unread": FULL}, 32)["unread"] == 32


def _slow_peak(layers: list[Layer], bits: dict[str, int], input_elements: int) -> int:
    """Step by step: every tensor whose first and last step enclose this one, but one that is written over."""
    elements = {"input": input_elements} | {layer.name: layer.out_elements for layer in layers}
    size = {name: math.ceil(count * bits[name] / 8) for name, count in elements.items()}
    born = {"input": -1} | {layer.name: step for step, layer in enumerate(layers)}
    read = {name: [step for step, layer in enumerate(layers) if name in layer.inputs] for name in elements}
    dies = {name: max(steps, default=born[name]) for name, steps in read.items()}
    peak = size["input"]
    for step, layer in enumerate(layers):
        alive = [name for name in elements if born[name] <= step <= dies[name] or (name == "input" and not step)]
        total = sum(size[name] for name in alive)
        over = [size[name] for name in layer.inputs if dies[name] == step and size[name] >= size[layer.name]]
        peak = max(peak, total - (size[layer.name] if over and layer.op in IN_PLACE else 0))
    return peak


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[Layer], dict[str, int]]:
    """Random graphs: each layer reads one or two tensors made before it, at random bits."""
    layers: list[Layer] = []
    names = ["input"]
    for number in range(draw(st.integers(1, 9))):
        source, name = draw(st.sampled_from(names)), f"l{number}"
        kind = draw(st.sampled_from(("conv", "add", "relu")))
        shape = next((layer.out_shape for layer in layers if layer.name == source), SHAPE)
        if kind == "conv":
            layers.append(conv(name, source, shape, draw(st.sampled_from((1, 4, 7)))))
        elif kind == "relu":
            layers.append(elementwise(name, (source,), shape, op=Op.ACTIVATION, activation=Activation.RELU))
        else:
            shapes = {"input": SHAPE} | {layer.name: layer.out_shape for layer in layers}
            other = draw(st.sampled_from([name for name in names if shapes[name] == shape]))
            layers.append(elementwise(name, (source, other), shape))
        names.append(name)
    return layers, {name: draw(st.sampled_from((1, 2, 4, 8, 16, 32))) for name in names}


@given(networks())
@settings(max_examples=200, deadline=None)
def test_peak_of_any_graph_is_that_of_the_slow_twin(network: tuple[list[Layer], dict[str, int]]) -> None:
    layers, bits = network
    assert peak_bytes(layers, bits, 64) == _slow_peak(layers, bits, 64)
