"""Learned steps of activations, by hand."""

from __future__ import annotations

import pytest

from design.activation_steps import activation_steps
from design.layer import Layer, Op
from design.layers import conv, elementwise
from design.precision import BINARY, Bits, precision

SHAPE = (4, 6, 6)
BLOCK = (
    conv("stem", "input", SHAPE, 4),
    conv("a", "stem", SHAPE, 4),
    conv("b", "a", SHAPE, 4),
    elementwise("add", ("b", "stem"), SHAPE),
)


@pytest.mark.parametrize(("bits", "steps"), [(1, 0), (2, 1), (4, 1), (8, 1), (16, 0), (32, 0)])
def test_what_is_read_at_few_bits_has_a_step(bits: Bits, steps: int) -> None:
    own = dict.fromkeys(("stem", "a", "b"), precision(32, bits))
    assert activation_steps(BLOCK, own, 32) == {"stem": steps, "a": steps, "b": steps, "add": 0}


def test_attention_has_one_for_each_projection() -> None:
    shape = {"in_channels": 4, "in_height": 2, "in_width": 1, "out_channels": 4, "out_height": 2, "out_width": 1}
    layer = Layer(name="attention", op=Op.ATTENTION, inputs=("input",), **shape)
    assert activation_steps([layer], {"attention": precision(8)}, 32) == {"attention": 4}


@pytest.mark.parametrize(("residual", "each"), [(1, 0), (2, 1), (4, 1), (8, 1), (16, 0), (32, 0)])
def test_sums_have_one_for_each_tensor(residual: int, each: int) -> None:
    three = (*BLOCK[:3], elementwise("add", ("stem", "a", "b"), SHAPE))
    own = dict.fromkeys(("stem", "a", "b"), precision(32))
    assert activation_steps(BLOCK, own, residual)["add"] == 2 * each
    assert activation_steps(three, own, residual)["add"] == 3 * each


@pytest.mark.parametrize("binary", [("a",), ("b",), ("a", "b")])
def test_a_binary_block_is_two_sums(binary: tuple[str, ...]) -> None:
    own = {name: BINARY if name in binary else precision(4) for name in ("stem", "a", "b")}
    assert activation_steps(BLOCK, own, 8)["add"] == 4
    assert activation_steps(BLOCK, own | {name: precision(1, 4) for name in binary}, 8)["add"] == 2


def test_a_binary_block_with_other_channels_inside_is_one_sum() -> None:
    inner = (*BLOCK[:1], conv("a", "stem", SHAPE, 6), conv("b", "a", (6, 6, 6), 4), BLOCK[3])
    assert activation_steps(inner, dict.fromkeys(("stem", "a", "b"), BINARY), 8)["add"] == 2
