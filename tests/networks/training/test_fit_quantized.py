"""Training of quantized networks: latent weights stay in bounds, and learned steps resume to the digit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from design.design import Design
from design.policies import policy_by_role
from design.precision import Precision, PrecisionPolicy, precision
from design.task import find_task
from design.zoo import find_network
from networks.build import build
from networks.options import BuildOptions
from networks.quantize import quantize_
from networks.quantizers.options import QuantizerOptions, ScaleGradient
from networks.training.augmentation import Augmentation
from networks.training.errors import CheckpointMismatch, TrainingStopped
from networks.training.fit import fit
from networks.training.identity import identity
from networks.training.options import Decayed, FitOptions
from tests.networks.training.tiny import digits, tiny_net

OPTIONS = FitOptions(epochs=3, batch_size=64, augmentation=Augmentation(padding=1))


def quantized(own: Precision, seed: int = 0) -> nn.Module:
    """The tiny network with its second convolution at these bits."""
    module = tiny_net(seed)
    quantize_(module, PrecisionPolicy(layers={"4": own}))
    return module


@pytest.mark.parametrize("bits", [1, 2])
def test_a_resumed_run_equals_an_unbroken_one(bits: int, tmp_path: Path) -> None:
    own = precision(1) if bits == 1 else precision(2)
    whole, path = quantized(own), tmp_path / "checkpoint.pt"
    unbroken = fit(whole, digits(), OPTIONS)
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(0)
        return len(asked) > 12

    with pytest.raises(TrainingStopped):
        fit(quantized(own), digits(), OPTIONS, checkpoint=path, should_stop=should_stop)
    fresh = quantized(own, seed=5)
    resumed = fit(fresh, digits(), OPTIONS, checkpoint=path)
    assert [one.loss for one in resumed.epochs] == [one.loss for one in unbroken.epochs]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name


def test_a_checkpoint_of_other_bits_or_quantizers_is_refused(tmp_path: Path) -> None:
    """Names and shapes are those of the network."""
    path, short = tmp_path / "checkpoint.pt", replace(OPTIONS, epochs=1)
    fit(quantized(precision(2)), digits(100), short, checkpoint=path)
    with pytest.raises(CheckpointMismatch, match="other quantizers"):
        fit(quantized(precision(4)), digits(100), short, checkpoint=path)
    fit(quantized(precision(2)), digits(100), short, checkpoint=path)
    architecture = find_network("resnet20").design(find_task("digits")).architecture
    design = Design(architecture=architecture, policy=policy_by_role(architecture, body=precision(1)))
    usual, xnor = (
        build(design, options=BuildOptions(quantizers=QuantizerOptions(scale_gradient=one))) for one in ScaleGradient
    )
    known = identity(usual, digits(100), short, None)
    assert identity(build(design), digits(100), short, None) == known
    assert {name for name, value in identity(xnor, digits(100), short, None).items() if value != known[name]} == {
        "quantizers"
    }


def test_a_checkpoint_of_before_quantizers_were_noted_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    first = fit(quantized(precision(2)), digits(100), replace(OPTIONS, epochs=1), checkpoint=path)
    content = torch.load(path, weights_only=True)
    del content["identity"]["quantizers"]
    torch.save(content, path)
    assert fit(quantized(precision(2)), digits(100), replace(OPTIONS, epochs=1), checkpoint=path) == first


def test_latent_weights_stay_within_one() -> None:
    module = quantized(precision(1))
    latent = module.get_submodule("4").weight
    assert isinstance(latent, torch.Tensor)
    with torch.no_grad():
        latent.mul_(20)
    fit(module, digits(), replace(OPTIONS, epochs=1))
    assert float(latent.detach().abs().max()) <= 1


def test_looking_at_a_network_does_not_start_its_quantizers() -> None:
    """Learned steps come from the first training batch, not from the two pictures that the shape is checked with."""
    seen: list[int] = []
    module = quantized(precision(2))
    layer = module.get_submodule("4")
    starts = layer.activation_quantizer
    assert isinstance(starts, nn.Module)

    def look(part: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if part is starts and not starts.started:
            seen.append(len(given[0]))

    starts.register_forward_pre_hook(look)
    fit(module, digits(), replace(OPTIONS, epochs=1))
    assert seen == [64]


def test_latent_binary_weights_can_be_spared_from_decay() -> None:
    frozen = FitOptions(
        epochs=1, learning_rate=1e-12, warmup_epochs=0, weight_decay=1e10, momentum=0, nesterov=False, decayed="weights"
    )
    cases: tuple[tuple[Decayed, set[str]], ...] = (("weights", {"0", "4", "8"}), ("real_weights", {"0", "8"}))
    for decayed, shrinks in cases:
        module = quantized(precision(1))
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.fill_(1.0)
        fit(module, digits(), replace(frozen, decayed=decayed))
        moved = {name.split(".")[0] for name, value in module.named_parameters() if value.detach().mean() < 0.999}
        assert moved == shrinks
