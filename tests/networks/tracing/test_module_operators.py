"""Operators of PyTorch that are several in ONNX: a module and its exports give the same layers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from design.layer import Activation, Op
from networks.tracing.errors import UnsupportedModel
from networks.tracing.module import trace_module
from networks.tracing.onnx_model import trace_onnx
from tests.networks.tracing.exports import exported, steps

Function = Callable[[Tensor], Tensor]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Behind(nn.Module):
    """A function of what a convolution with ReLU writes: 8 x 8 x 8."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.stem, self.function = nn.Conv2d(3, 8, 3), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(functional.relu(self.stem(x)))


def everything(x: Tensor) -> Tensor:
    """The operators that models use most, one behind the other."""
    x = 1 - x
    x = x * torch.rsqrt(x.square().mean((2, 3), keepdim=True) + 1e-6)
    x = torch.roll(x, (1, -2), (2, 3)) / (x.std((2, 3), keepdim=True) + 1e-5)
    x = functional.hardshrink(functional.logsigmoid(x))
    return torch.where(x > 0.5, x, torch.clamp(x, min=x.mean((2, 3), keepdim=True)))


def test_functions_of_several_operators_are_the_same_in_an_export() -> None:
    module = Behind(everything)
    own = trace_module(module, (3, 10, 10))
    assert steps(own) == steps(trace_onnx(exported(module, side=10)))
    assert own.architecture.layers[-1].out_shape == (8, 8, 8)


FUNCTIONS: dict[str, Function] = {
    "a number less it": lambda x: 1 - x,
    "less so many times another": lambda x: torch.rsub(x, x.mean((2, 3), keepdim=True), alpha=3),
    "more so many times another": lambda x: torch.add(x, x.tanh(), alpha=3),
    "square": torch.square,
    "with another's product": lambda x: torch.addcmul(x, x.tanh(), x.exp(), value=0.5),
    "of a base": lambda x: 2**x,
    "log of 1 more": torch.log1p,
    "log to base 2": torch.log2,
    "log to base 10": torch.log10,
    "log of sigmoid": functional.logsigmoid,
    "sign": torch.sign,
    "round": torch.round,
    "largest with a constant": lambda x: torch.maximum(torch.ones(()), x),
    "deviation": lambda x: x.std((2, 3)),
    "deviation of all": torch.std,
    "variance": lambda x: x.var((2, 3), unbiased=False),
    "variance over channels": lambda x: x.var(1, keepdim=True),
    "greatest": lambda x: x.max(1)[0],
    "greater of two": lambda x: torch.max(x, x.exp()),
    "less of a number": lambda x: torch.min(x, torch.zeros(())),
    "place of the least": lambda x: x.argmin(1),
    "product": lambda x: x.prod(1),
    "log of sum": lambda x: x.logsumexp(1),
    "rolled": lambda x: torch.roll(x, (1, -2), (2, 3)),
    "mirrored": lambda x: x.flip(3),
    "one behind the other": lambda x: x.repeat_interleave(2, 1),
    "some channels": lambda x: x[:, [2, 0, 1]],
    "some rows": lambda x: torch.index_select(x, 2, torch.tensor([3, 1])),
    "a row resized": lambda x: functional.interpolate(x[:, :, 0], scale_factor=2),
    "greater": lambda x: x * (x > 0.5),
    "not equal": lambda x: x * (x != 0),
    "within": lambda x: x * ((x > 0) & (x < 1)),
    "chosen": lambda x: torch.where(x <= 0.5, 0.0, x),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_is_the_same_in_an_export(function: Function) -> None:
    module = Behind(function)
    own, other = trace_module(module, (3, 10, 10)), trace_onnx(exported(module, side=10, dynamo=False))
    assert steps(own) == steps(other)


@pytest.mark.parametrize(
    ("function", "ops"),
    [
        (torch.rsqrt, [Op.ACTIVATION, Op.ACTIVATION]),
        (torch.expm1, [Op.ACTIVATION, Op.ADD]),
        (torch.exp2, [Op.ACTIVATION]),
        (lambda x: torch.roll(x, 0, 2), []),
        (lambda x: torch.roll(x, 3), [Op.OTHER, Op.OTHER, Op.CONCAT]),
        (lambda x: x.tile(2, 1, 1), [Op.OTHER]),
        (lambda x: x + torch.triu(torch.ones(8, 8) * float("-inf"), diagonal=1), [Op.ADD]),
        (lambda x: x + torch.ones(64).view(8, 8).tril(), [Op.ADD]),
        (lambda x: functional.threshold(x, 0.1, 2.0), [Op.ACTIVATION, Op.OTHER]),
        (lambda x: torch.cat([x, x.new_zeros(1, 8, 8, 8)], 1), [Op.OTHER]),
        (
            lambda x: torch.cat(torch.var_mean(x, (2, 3), correction=0)),
            [Op.POOL_AVERAGE, Op.OTHER, Op.ACTIVATION, Op.POOL_AVERAGE, Op.POOL_AVERAGE, Op.OTHER],
        ),
        (
            lambda x: torch.baddbmm(x[0], x[0].sigmoid(), x[0], alpha=0.5, beta=2.0),
            [Op.ACTIVATION, Op.MATMUL, Op.MULTIPLY, Op.ADD],
        ),
    ],
    ids=[
        "rsqrt",
        "expm1",
        "exp2",
        "roll-by-none",
        "roll-all",
        "tile",
        "causal",
        "view",
        "threshold",
        "zeros",
        "var-mean",
        "baddbmm",
    ],
)
def test_functions_that_exporters_write_otherwise_or_not_at_all(function: Function, ops: list[Op]) -> None:
    layers = trace_module(Behind(function), (3, 10, 10)).architecture.layers
    assert [layer.op for layer in layers[1:] if layer.op is not Op.FLATTEN] == ops


def test_an_upper_bound_is_no_lower_one() -> None:
    """clamp_max(6) of a ReLU is not ReLU, clamp(0, 6) is ReLU6."""
    kinds = [
        trace_module(nn.Sequential(nn.Conv2d(3, 8, 3), own), (3, 10, 10)).architecture.layers[0].activation
        for own in (
            _Clamp(lambda x: x.clamp_max(0.0)),
            _Clamp(lambda x: x.clamp(0, 6)),
            _Clamp(lambda x: x.clamp_min(0)),
        )
    ]
    assert kinds == [Activation.OTHER, Activation.RELU6, Activation.RELU]


class _Clamp(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x: x[:, [0, 1], [2, 3]], "several tensors of indices"),
        (lambda x: x.repeat_interleave(2), "flattened tensor"),
        (lambda x: x.tril(), "triangle of what depends on the picture"),
        (lambda x: x.mean((2, 3), keepdim=True).var((2, 3)), "variance of 1 elements"),
        (lambda x: x.max(1)[1].float(), "further output"),
    ],
    ids=["indices", "repeated", "triangle", "variance", "places"],
)
def test_what_cannot_be_written_is_named(function: Function, told: str) -> None:
    with pytest.raises(UnsupportedModel, match=told):
        trace_module(Behind(function), (3, 10, 10))
