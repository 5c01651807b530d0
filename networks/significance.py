"""Significance: which layers of a binary network deserve more bits, from principal components of what they compute.

Chakraborty et al., "Constructing energy-efficient mixed-precision neural networks through principal component
analysis for edge intelligence" (arXiv 1906.01493): a layer is significant where its pre-activations (outputs of the
convolution, before the batch norm) need clearly more components than those of the layer before. There the plain binary
network (no shortcuts, see `networks.plain`) is looked at; any module with named convolutions can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from networks.layers import PositionwiseLinear
from networks.looking import look_at
from networks.network import Network, Unit

DELTA = 2.0
SHARE = 0.99


class Rule(StrEnum):
    """When a layer is significant (k components, C channels, l - 1 the layer before: see `layers_before`).

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
        share: Of the variance that the components counted stay below. In the paper's code .999 is the documented
            default, but the evaluation and the plots use .99.
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
        gain: What the rule compares with delta; None where no layer of the curve comes before.
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


def layers_before(architecture: Architecture, names: Iterable[str]) -> dict[str, str | None]:
    """Of each named layer the nearest named one among what it reads, directly or through layers without a name here.

    Where a sum or a concatenation has several, it is the one that computes last: on the main path of a block, not on
    its shortcut. None: the layer is the first of the network or of a branch.
    """
    curve = set(names)
    place = {layer.name: number for number, layer in enumerate(architecture.layers)}
    nearest: dict[str, str] = {}
    found: dict[str, str | None] = {}
    for layer in architecture.layers:
        before = max((nearest[name] for name in layer.inputs if name in nearest), key=place.__getitem__, default=None)
        if layer.name in curve:
            found[layer.name] = before
            nearest[layer.name] = layer.name
        elif before is not None:
            nearest[layer.name] = before
    return found


def principal_variances(module: nn.Module, names: Sequence[str], batches: Iterable[Tensor]) -> dict[str, FloatArray]:
    """Variances along the principal components of each layer's output, streamed: memory does not grow with pictures.

    Args:
        module: Looked at in evaluation mode (its mode is left as it was).
        names: Of its convolutions (any submodules that give N x C x H x W or N x C; linear layers on tokens too). Of a
            built network, the names of layers: their bare operations are looked at. Other names are those of
            `named_modules`.
        batches: Pictures (N x C x H x W) held out of training; never test pictures.

    Returns:
        Name -> C variances, the largest first.

    Raises:
        UnknownName: The module has no such part, or it computed nothing.
    """
    parts = _parts(module, names)
    found: dict[str, Covariance] = {}
    look_at(module, batches, [(_bare(part), partial(_take_in, found, name)) for name, part in parts.items()])
    silent = [name for name in names if name not in found]
    if silent:
        raise UnknownName("layers must compute something", f"nothing from {', '.join(silent[:5])}")
    return {name: found[name].variances() for name in names}


def _parts(module: nn.Module, names: Sequence[str]) -> dict[str, nn.Module]:
    """The named parts; of a built network, layers come before modules (whose names can have an underscore behind).

    Raises:
        UnknownName: There is no such part.
    """
    known: dict[str, nn.Module] = dict(module.named_modules(remove_duplicate=False))
    if isinstance(module, Network):
        known |= {unit.step.layer.name: unit for unit in module.units()}
    missing = [name for name in names if name not in known]
    if missing:
        raise UnknownName("layers must be named parts of the module", ", ".join(missing[:5]))
    return {name: known[name] for name in names}


def _bare(part: nn.Module) -> nn.Module:
    """The operation of a layer of a built network, without norm and activation; any other module is itself."""
    return part.operation if isinstance(part, Unit) else part


def _take_in(found: dict[str, Covariance], name: str, part: nn.Module, given: tuple[Any, ...], output: Tensor) -> None:
    """Forward hook: N x C x H x W -> N H W rows of C, N x T x C of a linear layer -> N T rows."""
    del given
    tokens = isinstance(part, nn.Linear) and not isinstance(part, PositionwiseLinear)
    apart = output if tokens else output.movedim(1, -1)
    rows = apart.reshape(-1, apart.shape[-1]).cpu()
    if name not in found:
        found[name] = Covariance(rows.shape[1])
    found[name].add(rows)


def judge(
    components: Sequence[int],
    channels: Sequence[int],
    names: Sequence[str],
    options: SignificanceOptions,
    before: Mapping[str, str | None] | None = None,
) -> Significance:
    """Apply the rule to a curve of components.

    Args:
        components: k_l of each layer.
        channels: C_l.
        names: Of the layers, in the order in which they compute.
        options: The rule.
        before: The layer that each is compared with (see `layers_before`); None: the one in front of it in `names`,
            which is right for chains alone.
    """
    usual = dict(zip(names, (None, *names), strict=False))
    compared = usual if before is None else before
    place = {name: number for number, name in enumerate(names)}
    layers = []
    for index, name in enumerate(names):
        other = compared[name]
        if other is None:
            gain, reason = None, f"first of {'its branch' if index else 'the curve'}: nothing to compare with"
        else:
            reference = float(components[place[other]])
            if options.rule is Rule.NORMALISED:
                reference *= channels[index] / channels[place[other]]
            gain = components[index] - reference
            sign = ">=" if gain >= options.delta else "<"
            after = f"{reference:.4g}" if other == usual[name] else f"{reference:.4g} of {other}"
            reason = f"{components[index]} components after {after}: {gain:+.4g} {sign} {options.delta:g}"
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
    """Which of the named layers are significant (see `principal_variances` for the arguments).

    Layers of a built network are compared with what they read (`layers_before`); parts of any other module with the one
    in front of them in `names`, so name a chain.
    """
    own = options or SignificanceOptions()
    variances = principal_variances(module, names, batches)
    components = [components_below(variances[name], own.share) for name in names]
    return judge(components, [len(variances[name]) for name in names], names, own, _before(module, names))


def _before(module: nn.Module, names: Sequence[str]) -> dict[str, str | None] | None:
    """The layers that come before those named; None where what they read is not known."""
    if not isinstance(module, Network):
        return None
    layers = {name: part.step.layer.name for name, part in _parts(module, names).items() if isinstance(part, Unit)}
    if len(set(layers.values())) < len(names):
        return None
    named = {layer: name for name, layer in layers.items()}
    found = layers_before(module.architecture, named)
    return {named[layer]: None if other is None else named[other] for layer, other in found.items()}


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
