"""The networks of the hybrid study: variants of one architecture at other bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

from design.architecture import Architecture
from design.design import Design
from design.layer import Layer
from design.policies import full_precision, hybrid_full_precision_shortcuts, policy_by_role
from design.precision import BINARY, Bits, PrecisionPolicy, precision
from design.spaces.resnet import ResNetSpace
from design.spaces.vgg import VggSpace
from design.task import find_task
from networks.plain import without_shortcuts
from networks.significance import body_convolutions, hybrid_policy

TASK = "cifar10"
PLAIN = "plain_binary"
"""Binary without shortcuts: what principal components are taken of."""
CHOSEN = ("pca_k2", "control_k2")
"""The variants that depend on what the plain network shows."""
VARIANTS = ("full_precision", "binary", "fp_shortcuts", *CHOSEN, "uniform_2", "uniform_4")
K_BIT = (*CHOSEN, "uniform_2", "uniform_4")
"""The variants with convolutions of 2 or 4 bits in their bodies."""
K: Bits = 2


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network of the study.

    Attributes:
        title: For people.
        variants: Which of VARIANTS are trained.
        epochs: Of each training.
        seeds: How many trainings of each variant.
    """

    name: str
    title: str
    variants: tuple[str, ...]
    epochs: int
    seeds: int


PUBLISHED_BINARY = {
    "IR-Net, all of the body binary (arXiv 1909.10788)": 0.865,
    "NeuroBlend-20, binary with fixed-point shortcuts (arXiv 2307.03784)": 0.880,
}
"""Test accuracy of ResNet-20 on CIFAR-10 after 200 epochs and more: what `--epochs 200` stands beside."""


RESNET20 = Network(name="resnet20", title="ResNet-20", variants=VARIANTS, epochs=15, seeds=3)
VGG_SMALL = Network(
    name="vgg_small_quarter", title="VGG-small at a quarter of its width", variants=VARIANTS[:5], epochs=10, seeds=1
)
NETWORKS = {network.name: network for network in (RESNET20, VGG_SMALL)}


def _member(space: ResNetSpace | VggSpace, choices: dict[str, Any]) -> Architecture:
    """The architecture of a member of a space."""
    task = find_task(TASK)
    values = [gene.choices.index(choices[gene.name]) if gene.name in choices else 0 for gene in space.genes(task)]
    return space.decode(task, values).architecture


def architecture_of(network: str, variant: str = "full_precision") -> Architecture:
    """The architecture of a variant: VGG has 1x1 shortcuts in `fp_shortcuts` alone."""
    if network == RESNET20.name:
        found = _member(ResNetSpace(), {"depth": 20, "width": 1})
    else:
        shortcut = "projection" if variant == "fp_shortcuts" else "none"
        found = _member(VggSpace(), {"depth": "small", "width": 0.25, "hidden": 0, "shortcut": shortcut})
    return without_shortcuts(found) if variant == PLAIN else found


def design_of(network: str, variant: str, significant: Sequence[str] = ()) -> Design:
    """One variant.

    Args:
        network: Of NETWORKS.
        variant: Of VARIANTS, or PLAIN.
        significant: Layers that the principal components of the plain network chose.
    """
    architecture = architecture_of(network, variant)
    return Design(architecture=architecture, policy=_policy(architecture, variant, significant))


def _policy(architecture: Architecture, variant: str, significant: Sequence[str]) -> PrecisionPolicy:
    if variant == "full_precision":
        return full_precision(architecture)
    if variant == "fp_shortcuts":
        return hybrid_full_precision_shortcuts(architecture)
    if variant == "pca_k2":
        return hybrid_policy(architecture, significant, K)
    if variant == "control_k2":
        return hybrid_policy(architecture, control_layers(architecture, significant), K)
    if variant in ("uniform_2", "uniform_4"):
        return policy_by_role(architecture, body=precision(2 if variant == "uniform_2" else 4))
    return policy_by_role(architecture, body=BINARY)


def control_layers(architecture: Architecture, significant: Iterable[str]) -> tuple[str, ...]:
    """The first convolutions of the later stages, as many as come nearest to the weights of the significant layers.

    The rule of thumb that principal components must beat. Of equally near choices the one that takes as many layers
    from each stage; it can be the very set of `significant`.
    """
    stages = _later_stages(architecture)
    wanted = _weights(architecture, significant)
    best: tuple[float, int, tuple[str, ...]] | None = None
    for counts in product(*(range(len(stage) + 1) for stage in stages)):
        names = tuple(layer.name for stage, number in zip(stages, counts, strict=True) for layer in stage[:number])
        found = (abs(_weights(architecture, names) - wanted), max(counts) - min(counts), names)
        best = found if best is None else min(best, found)
    assert best is not None
    return best[2]


def _later_stages(architecture: Architecture) -> list[list[Layer]]:
    """The body convolutions of each stage that is wider than the one before."""
    stages: dict[str, list[Layer]] = {}
    for name in body_convolutions(architecture):
        stages.setdefault(name.split(".")[0], []).append(architecture.layer(name))
    ordered = list(stages.values())
    return [own for before, own in pairwise(ordered) if own[0].out_channels > before[0].out_channels]


def _weights(architecture: Architecture, names: Iterable[str]) -> int:
    """Weights at K bits under the hybrid policy of these layers, shortcuts included."""
    policy = hybrid_policy(architecture, names, K)
    return sum(layer.weights for layer in architecture.weighted if policy.layers[layer.name] == precision(K))
