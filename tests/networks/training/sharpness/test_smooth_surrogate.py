"""The slope of the surrogate is the straight-through one; it is named; the network stays as it is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from design.precision import PrecisionPolicy, precision
from networks.quantize import quantize_
from networks.quantizers.binary import BinaryActivations, BinaryWeights
from networks.quantizers.half import HalfPrecision
from networks.quantizers.integer import IntegerWeights
from networks.quantizers.learned_step import LearnedStepActivations, LearnedStepWeights
from networks.quantizers.options import SignGradient
from networks.quantizers.uniform import UniformActivations, UniformWeights
from networks.training.sharpness.exact import measure_sharpness
from networks.training.sharpness.probe import Probe
from networks.training.sharpness.surrogate import is_quantized, surrogate
from tests.networks.training.tiny import tiny_net


def started_steps(*, unsigned: bool) -> LearnedStepActivations:
    own = LearnedStepActivations(2, unsigned=unsigned)
    own(torch.linspace(0 if unsigned else -1, 1, 9))
    return own


def learned_weights() -> LearnedStepWeights:
    own = LearnedStepWeights(4, 2)
    own.start_from(torch.linspace(-1, 1, 24).reshape(4, 6))
    return own


QUANTIZERS = {
    "sign, clipped": BinaryActivations(6, SignGradient.CLIPPED),
    "sign, quadratic": BinaryActivations(None, SignGradient.QUADRATIC),
    "binary weights": BinaryWeights(),
    "int8 weights": IntegerWeights(),
    "half": HalfPrecision(),
    "learned step weights": learned_weights(),
    "learned step, signed": started_steps(unsigned=False),
    "learned step, unsigned": started_steps(unsigned=True),
    "uniform weights": UniformWeights(2),
    "uniform activations": UniformActivations(2),
    "uniform activations, unsigned": UniformActivations(2, unsigned=True),
    "uniform activations, not clipped": UniformActivations(2, clipped=False),
}


@pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)
def test_its_slope_is_the_straight_through_gradient(quantizer: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    x = (1.5 * torch.randn(4, 6, generator=generator)).requires_grad_()
    weighing = torch.randn(4, 6, generator=generator)
    (expected,) = torch.autograd.grad((quantizer(x) * weighing).sum(), x)
    whole = nn.Sequential(quantizer)
    own = surrogate(whole)
    smooth = own.module(x)
    (found,) = torch.autograd.grad((smooth * weighing).sum(), x)
    torch.testing.assert_close(found, expected)
    assert whole[0] is quantizer
    assert is_quantized(whole)


@pytest.mark.parametrize("bits", [1, 2])
def test_a_quantized_network_says_what_is_measured(bits: int) -> None:
    module = tiny_net()
    quantize_(module, PrecisionPolicy(layers={"4": precision(1) if bits == 1 else precision(2)}))
    images = torch.randn(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    module(images)
    state = {name: value.clone() for name, value in module.state_dict().items()}

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits, labels)

    probe = Probe(chunks=((images, torch.arange(12) % 10),), loss=loss)
    found = measure_sharpness(module, probe)
    assert found.measures.startswith(
        "Hessian of the latent float network: 1 quantizers of weights and 1 of activations"
    )
    assert found.value > 0
    assert found.converged
    assert all(torch.equal(state[name], value) for name, value in module.state_dict().items())
    assert is_quantized(module)
    assert not is_quantized(tiny_net())
