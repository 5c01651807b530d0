"""Arithmetic of single layers, checked by hand."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from design.layer import Activation, Layer, Op, Role
from design.layers import conv, elementwise, flatten, fully_connected, global_pool, pool


def test_convolution() -> None:
    layer = conv("c", "input", (16, 32, 32), 32, stride=2, bias=True)
    assert layer.out_shape == (32, 16, 16)
    assert layer.weights == 16 * 32 * 9
    assert layer.macs == 16 * 32 * 9 * 256
    assert layer.biases == 32
    assert layer.parameters == 16 * 32 * 9 + 32 + 64
    assert (layer.in_elements, layer.out_elements) == (16 * 1024, 32 * 256)


def test_depthwise_and_grouped_convolutions() -> None:
    depthwise = conv("d", "input", (24, 8, 8), 24, groups=24)
    assert depthwise.depthwise
    assert depthwise.weights == 24 * 9
    assert depthwise.macs == 24 * 9 * 64
    grouped = conv("g", "input", (24, 8, 8), 48, groups=4)
    assert not grouped.depthwise
    assert grouped.weights == 6 * 48 * 9


def test_deconvolution_works_on_input_positions() -> None:
    layer = Layer(
        name="up",
        op=Op.DECONV,
        inputs=("input",),
        in_channels=8,
        in_height=4,
        in_width=4,
        out_channels=4,
        out_height=8,
        out_width=8,
        kernel_height=2,
        kernel_width=2,
        stride=2,
    )
    assert layer.macs == 8 * 4 * 4 * 16


def test_attention_counts_projections_and_products() -> None:
    layer = Layer(
        name="a",
        op=Op.ATTENTION,
        inputs=("input",),
        in_channels=64,
        in_height=10,
        in_width=1,
        out_channels=64,
        out_height=10,
        out_width=1,
        heads=4,
        bias=True,
    )
    assert layer.weights == 4 * 64 * 64
    assert layer.biases == 256
    assert layer.macs == 10 * 4 * 64 * 64 + 2 * 100 * 64


def test_layers_without_weights_have_no_macs() -> None:
    for layer in (
        pool("p", "input", (8, 7, 7), kernel=3, stride=2, padding=1),
        global_pool("g", "input", (8, 7, 7)),
        flatten("f", "input", (8, 7, 7)),
        elementwise("r", ("input",), (8, 7, 7), op=Op.ACTIVATION, activation=Activation.RELU),
    ):
        assert (layer.macs, layer.weights, layer.parameters) == (0, 0, 0)
        assert not layer.weighted
    assert pool("p", "input", (8, 7, 7), kernel=3, stride=2, padding=1).out_shape == (8, 4, 4)
    assert flatten("f", "input", (8, 7, 7)).out_shape == (392, 1, 1)


def test_sums_read_every_input() -> None:
    assert elementwise("s", ("a", "b", "c"), (8, 2, 2)).in_elements == 3 * 32
    assert elementwise("n", ("a",), (8, 2, 2), op=Op.NORM).parameters == 16


def test_fully_connected() -> None:
    layer = fully_connected("fc", "x", 512, 10, role=Role.CLASSIFIER)
    assert (layer.macs, layer.parameters) == (5120, 5130)


def test_groups_must_divide_channels() -> None:
    with pytest.raises(ValidationError, match=r"divisible by groups = 3"):
        conv("c", "input", (16, 8, 8), 30, groups=3)


def test_sums_keep_their_shape() -> None:
    with pytest.raises(ValidationError, match="must keep its input's shape"):
        elementwise("s", ("a", "b"), (8, 2, 2)).model_copy().model_validate(
            {**elementwise("s", ("a", "b"), (8, 2, 2)).model_dump(), "out_channels": 9}
        )


def test_layers_are_frozen_and_closed() -> None:
    layer = conv("c", "input", (3, 8, 8), 8)
    with pytest.raises(ValidationError):
        layer.name = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Layer.model_validate({**layer.model_dump(), "colour": "red"})


def matmul(name: str, sources: tuple[str, str], batch: int, rows: int, inner: int, columns: int) -> Layer:
    return Layer(
        name=name,
        op=Op.MATMUL,
        inputs=sources,
        in_channels=inner,
        in_height=batch,
        in_width=rows,
        out_channels=columns,
        out_height=batch,
        out_width=rows,
    )


def test_products_of_two_tensors_count_multiply_accumulates_and_both_inputs() -> None:
    layer = matmul("m", ("a", "b"), batch=4, rows=5, inner=8, columns=7)
    assert layer.macs == 4 * 5 * 8 * 7
    assert (layer.weights, layer.parameters, layer.weighted) == (0, 0, False)
    assert (layer.in_elements, layer.out_elements) == (4 * 5 * 8 + 4 * 8 * 7, 4 * 5 * 7)


def test_constants_are_parameters() -> None:
    layer = elementwise("positions", ("x",), (8, 5, 1)).model_copy(update={"constants": 40})
    assert (layer.parameters, layer.biases, layer.macs) == (40, 0, 0)
