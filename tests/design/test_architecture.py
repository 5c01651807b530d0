"""Layers must be ordered, named once and fit each other."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from design.architecture import Architecture
from design.layer import Layer, Op, Role
from design.layers import conv, elementwise, fully_connected, global_pool


def _architecture(*layers: Layer) -> Architecture:
    return Architecture(name="n", input_shape=(3, 8, 8), layers=layers)


def _concat(sources: tuple[str, ...], channels: int) -> Layer:
    return Layer(
        name="cat",
        op=Op.CONCAT,
        inputs=sources,
        in_channels=channels,
        in_height=8,
        in_width=8,
        out_channels=channels,
        out_height=8,
        out_width=8,
    )


STEM = conv("stem", "input", (3, 8, 8), 8, role=Role.STEM)


def test_finds_layers_by_name_and_role() -> None:
    beside = conv("beside", "input", (3, 8, 8), 8, kernel=1, role=Role.SHORTCUT)
    found = _architecture(STEM, beside, elementwise("add", ("stem", "beside"), (8, 8, 8)))
    assert found.layer("beside") == beside
    assert found.shortcuts == (beside,)
    assert found.weighted == (STEM, beside)
    with pytest.raises(KeyError):
        found.layer("absent")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((STEM, STEM), "names must be unique"),
        ((conv("input", "input", (3, 8, 8), 8),), "names must be unique"),
        ((conv("c", "later", (3, 8, 8), 8),), "must read 'input' or earlier layers"),
        ((STEM, conv("c", "stem", (9, 8, 8), 8)), "must read inputs that fit"),
        ((STEM, elementwise("s", ("stem", "input"), (8, 8, 8))), "must read inputs that fit"),
        ((STEM, elementwise("s", ("stem",), (8, 8, 8))), "must read inputs that fit"),
        ((STEM, _concat(("stem", "input"), 12)), "must read inputs that fit"),
        ((STEM, fully_connected("fc", "stem", 8, 2)), "must read inputs that fit"),
    ],
)
def test_refuses_layers_that_do_not_fit(layers: tuple[Layer, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _architecture(*layers)


def test_concatenations_and_gates_fit() -> None:
    gate = global_pool("gate", "stem", (8, 8, 8))
    product = elementwise("product", ("stem", "gate"), (8, 8, 8), op=Op.MULTIPLY)
    found = _architecture(STEM, gate, product, _concat(("product", "input"), 11))
    assert found.layers[-1].out_channels == 11


def test_products_of_two_tensors_fit_by_their_elements() -> None:
    product = Layer(
        name="product",
        op=Op.MATMUL,
        inputs=("stem", "stem"),
        in_channels=64,
        in_height=1,
        in_width=8,
        out_channels=8,
        out_height=1,
        out_width=8,
    )
    assert _architecture(STEM, product).layers[-1].macs == 8 * 64 * 8
    with pytest.raises(ValidationError, match="two inputs of"):
        _architecture(STEM, product.model_copy(update={"inputs": ("stem", "input")}))


def test_a_constant_may_be_the_second_summand() -> None:
    moved = elementwise("moved", ("stem",), (8, 8, 8)).model_copy(update={"constants": 512})
    assert _architecture(STEM, moved).layers[-1].parameters == 512
