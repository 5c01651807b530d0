"""Significance: which layers of a binary network deserve more bits, from principal components of what they compute.

Chakraborty et al., "Constructing energy-efficient mixed-precision neural networks through principal component
analysis for edge intelligence" (arXiv 1906.01493): a layer is significant where its pre-activations (outputs of the
convolution, before the batch norm) need clearly more components than those of the layer before. There the plain binary
network (no shortcuts, see `networks.plain`) is looked at; any module with named convolutions can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from torch import Tensor, nn

from design.architecture import Architecture
from design.errors import UnknownName
from design.layer import Layer, Op, Role
from design.policies import policy_by_role
from design.precision import BINARY, FULL, Bits, Precision, PrecisionPolicy, precision
from networks.covariance import Covariance, FloatArray, components_below
from networks.looking import look_at
from networks.network import Unit

DELTA = 2.0
SHARE = 0.99


class Rule(StrEnum):
    """When a layer is significant (k components, C channels, l - 1 the layer before).

    JUMP: k_l - k_(l-1) >= delta, as published; it fires wherever the network widens.
    NORMALISED: k_l - k_(l-1) C_l / C_(l-1) >= delta: what widening alone would bring does not count.
    """

    JUMP = "jump"
    NORMALISED = "normalised"


@dataclass(frozen=True, kw_only=True)
class SignificanceOptions:
    """Which layers are significant.

    Attributes:
        rule: See Rule.
        share: Of the variance that the components counted stay below (.99 in the paper's figures, .999 in its code).
        delta: Components that a layer must gain (2 in the paper's code).
    """

    rule: Rule = Rule.JUMP
    share: float = SHARE
    delta: float = DELTA


@dataclass(frozen=True, kw_only=True)
class LayerSignificance:
    """One layer of the curve.

    Attributes:
        channels: C_l.
        components: k_l.
        gain: What the rule compares with delta; None for the first layer.
        significant: Whether it deserves more bits.
        reason: In words.
    """

    name: str
    channels: int
    components: int
    gain: float | None
    significant: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class Significance:
    """The curve and what follows from it.

    Attributes:
        layers: In the order in which they compute.
        options: The rule.
    """

    layers: tuple[LayerSignificance, ...]
    options: SignificanceOptions

    @property
    def significant(self) -> tuple[str, ...]:
        """Names of the significant layers."""
        return tuple(layer.name for layer in self.layers if layer.significant)


def body_convolutions(architecture: Architecture) -> tuple[str, ...]:
    """The layers that the paper compares: all convolutions but the first and those on shortcuts, in order."""
    return tuple(layer.name for layer in architecture.weighted if layer.role is Role.BODY and layer.op is Op.CONV)


def principal_variances(module: nn.Module, names: Sequence[str], batches: Iterable[Tensor]) -> dict[str, FloatArray]:
    """Variances along the principal components of each layer's output, streamed: memory does not grow with pictures.

    Args:
        module: Looked at in evaluation mode (its mode is left as it was).
        names: Of its convolutions (any submodules that give N x C x H x W or N x C). Of a built network, the names of
            layers: their bare operations are looked at.
        batches: Pictures (N x C x H x W) held out of training; never test pictures.

    Returns:
        Name -> C variances, the largest first.

    Raises:
        UnknownName: The module has no such part, or it computed nothing.
    """
    parts = dict(module.named_modules())
    missing = [name for name in names if name not in parts]
    if missing:
        raise UnknownName("layers must be named parts of the module", ", ".join(missing[:5]))
    found: dict[str, Covariance] = {}
    look_at(module, batches, [(_bare(parts[name]), partial(_take_in, found, name)) for name in names])
    silent = [name for name in names if name not in found]
    if silent:
        raise UnknownName("layers must compute something", f"nothing from {', '.join(silent[:5])}")
    return {name: found[name].variances() for name in names}


def _bare(part: nn.Module) -> nn.Module:
    """The operation of a layer of a built network, without norm and activation; any other module is itself."""
    return part.operation if isinstance(part, Unit) else part


def _take_in(found: dict[str, Covariance], name: str, part: nn.Module, given: tuple[Any, ...], output: Tensor) -> None:
    """Forward hook: N x C x H x W -> N H W rows of C."""
    del part, given
    rows = output.movedim(1, -1).reshape(-1, output.shape[1]).cpu()
    if name not in found:
        found[name] = Covariance(output.shape[1])
    found[name].add(rows)


def judge(
    components: Sequence[int], channels: Sequence[int], names: Sequence[str], options: SignificanceOptions
) -> Significance:
    """Apply the rule to a curve of components.

    Args:
        components: k_l of each layer.
        channels: C_l.
        names: Of the layers, in the order in which they compute.
        options: The rule.
    """
    layers = []
    for index, name in enumerate(names):
        if index == 0:
            gain, reason = None, "first of the curve: nothing to compare with"
        else:
            before = float(components[index - 1])
            if options.rule is Rule.NORMALISED:
                before *= channels[index] / channels[index - 1]
            gain = components[index] - before
            sign = ">=" if gain >= options.delta else "<"
            reason = f"{components[index]} components after {before:.4g}: {gain:+.4g} {sign} {options.delta:g}"
        layers.append(
            LayerSignificance(
                name=name,
                channels=channels[index],
                components=components[index],
                gain=gain,
                significant=gain is not None and gain >= options.delta,
                reason=reason,
            )
        )
    return Significance(layers=tuple(layers), options=options)


def significance(
    module: nn.Module,
    names: Sequence[str],
    batches: Iterable[Tensor],
    options: SignificanceOptions | None = None,
) -> Significance:
    """Which of the named layers are significant (see `principal_variances` for the arguments)."""
    own = options or SignificanceOptions()
    variances = principal_variances(module, names, batches)
    components = [components_below(variances[name], own.share) for name in names]
    return judge(components, [len(variances[name]) for name in names], names, own)


def hybrid_policy(architecture: Architecture, significant: Iterable[str], bits: Bits = 2) -> PrecisionPolicy:
    """Significant layers at `bits`, the rest binary, first convolution and classifier in full precision.

    The 1x1 shortcut of a stage goes with the convolution that reads the same tensor, as in the paper's code.

    Raises:
        UnknownName: A layer that the architecture does not have among those with weights.
    """
    chosen = set(significant)
    unknown = sorted(chosen - {layer.name for layer in architecture.weighted})
    if unknown:
        raise UnknownName("significant layers must be layers with weights", ", ".join(unknown[:5]))
    overrides: dict[str, Precision] = dict.fromkeys(chosen, precision(bits))
    for shortcut in architecture.shortcuts:
        twin = _twin(architecture, shortcut)
        if twin is not None and twin.name in chosen:
            overrides[shortcut.name] = precision(bits)
    return policy_by_role(architecture, body=BINARY, edge=FULL, overrides=overrides)


def _twin(architecture: Architecture, shortcut: Layer) -> Layer | None:
    """The convolution of the body that reads what the shortcut reads."""
    same = (one for one in architecture.weighted if one.role is Role.BODY and one.inputs == shortcut.inputs)
    return next(same, None)
