"""Network: the module of an Architecture. Its units are named as the layers are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from design.architecture import INPUT, Architecture
from design.layer import Op
from design.precision import Bits, Precision, PrecisionPolicy
from networks.errors import InvalidPolicy
from networks.layers import Attention, Norm, Quantized
from networks.operations import Sum, activation, operation
from networks.options import BuildOptions
from networks.order import Step, steps
from networks.quantizers.options import QuantizerOptions


class Group(nn.Module):
    """A part of a dotted layer name."""


class Unit(nn.Module):
    """One layer: norm in front (rarely), operation, norm and activation, and a shortcut of its own (rarely).

    Attributes:
        operation: The bare operation (`networks.layers`, `networks.operations`); its output is that before the norm.
    """

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step
        self.operation = operation(step.layer)
        self.input_norm: nn.Module | None = None
        self.norm: nn.Module | None = None
        self.activation: nn.Module | None = None
        self.sum: Sum | None = None

    def arrange(self, step: Step, norms: Mapping[str, nn.Module]) -> None:
        """Put norms, activation and shortcut where a step says."""
        layer = self.step.layer
        if step.input_norm and self.input_norm is None:
            self.input_norm = Norm(step.input_norm)
        if not step.input_norm:
            self.input_norm = None
        self.norm = norms[step.norm_of] if step.norm else None
        if self.activation is None or self.step.activation is not step.activation:
            self.activation = activation(step.activation, layer)
        if step.beside is None:
            self.sum = None
        elif self.sum is None:
            self.sum = Sum()
        self.step = step

    def quantize(self, precision: Precision | None, residual_bits: Bits, options: QuantizerOptions) -> None:
        """Set the quantizers of a layer with weights, and of what it adds."""
        if precision is not None:
            for part in weighted_parts(self):
                unsigned = self.step.unsigned if part is self.operation else False
                part.quantize(precision, options, unsigned=unsigned)
        added = self.operation if self.step.layer.op is Op.ADD else self.sum
        if isinstance(added, Sum):
            added.quantize(residual_bits, self.step.layer.out_channels, options, self.step.summed)

    def forward(self, *inputs: Tensor) -> Tensor:
        """N x C x H x W; the last input is the shortcut where it has one."""
        beside = inputs[-1] if self.sum is not None else None
        own = inputs if beside is None else inputs[:-1]
        x: Tensor = self.operation(*own) if self.input_norm is None else self.operation(self.input_norm(own[0]))
        if self.step.norm_last and self.activation is not None:
            x = self.activation(x)
        if self.norm is not None:
            x = self.norm(x)
        if self.activation is not None and not self.step.norm_last:
            x = self.activation(x)
        if self.sum is not None:
            x = self.sum(x, beside)
        return x


class Network(nn.Module):
    """The module of an architecture: N x C x H x W in, N x classes (or N x C x H x W) out.

    Every layer of the architecture is a unit under its own name (`get_submodule(name)`); parts of a name that torch
    does not allow get an underscore behind (`unit(name)` finds them all).

    Args:
        architecture: As it runs, that is pruned.
        policy: Precision of its layers.
        options: Order and quantizers.
    """

    def __init__(self, architecture: Architecture, policy: PrecisionPolicy, options: BuildOptions) -> None:
        super().__init__()
        self.architecture, self.options = architecture, options
        self.policy = policy
        self._paths: dict[str, str] = {}
        self._program: list[tuple[Unit, tuple[str, ...], tuple[str, ...]]] = []
        found = {step.layer.name: step for step in steps(architecture, policy, options)}
        for layer in architecture.layers:
            self._add(layer.name, Unit(found[layer.name]))
        self._norms = {step.norm_of: Norm(step.norm) for step in found.values() if step.norm}
        self.set_policy(policy)

    def _add(self, name: str, unit: Unit) -> None:
        parent: nn.Module = self
        path = []
        *groups, last = name.split(".")
        for part in groups:
            own = _allowed(parent, part, group=True)
            if own not in parent._modules:
                parent.add_module(own, Group())
            parent = parent.get_submodule(own)
            path.append(own)
        path.append(_allowed(parent, last, group=False))
        parent.add_module(path[-1], unit)
        self._paths[name] = ".".join(path)

    def unit(self, name: str) -> Unit:
        """The unit of a layer.

        Raises:
            KeyError: No such layer.
        """
        found = self.get_submodule(self._paths[name])
        assert isinstance(found, Unit)
        return found

    def path(self, name: str) -> str:
        """Where a layer's unit is among `named_modules`.

        Raises:
            KeyError: No such layer.
        """
        return self._paths[name]

    def units(self) -> Iterator[Unit]:
        """All units in the order in which they run."""
        return (unit for unit, _, _ in self._program)

    def set_policy(self, policy: PrecisionPolicy) -> None:
        """Quantize by a policy, in place; quantizers and norms that stay keep what they have learned.

        Raises:
            InvalidPolicy: It does not name exactly the layers with weights.
        """
        weighted = {layer.name for layer in self.architecture.weighted}
        if policy.layers.keys() != weighted:
            wrong = sorted(policy.layers.keys() ^ weighted)
            raise InvalidPolicy(
                "a policy for a built network must name exactly its layers with weights", f"{wrong[:5]}"
            )
        ordered = steps(self.architecture, policy, self.options)
        norms = self._norms
        device = next((p.device for p in self.parameters()), None)
        for step in ordered:
            if step.norm and step.norm_of not in norms:
                norms[step.norm_of] = Norm(step.norm).to(device)
        for step in ordered:
            unit = self.unit(step.layer.name)
            unit.arrange(step, norms)
            unit.quantize(policy.layers.get(step.layer.name), policy.residual_bits, self.options.quantizers)
            unit.to(device).train(self.training)
        self.policy = policy
        self._program = self._compiled(ordered)

    def _compiled(self, ordered: tuple[Step, ...]) -> list[tuple[Unit, tuple[str, ...], tuple[str, ...]]]:
        """Each unit with what it reads and what nobody reads after it."""
        reads = [step.inputs if step.beside is None else (*step.inputs, step.beside) for step in ordered]
        last = {name: index for index, names in enumerate(reads) for name in names}
        dying: list[list[str]] = [[] for _ in ordered]
        for name, index in last.items():
            dying[index].append(name)
        return [
            (self.unit(step.layer.name), names, tuple(dead))
            for step, names, dead in zip(ordered, reads, dying, strict=True)
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Logits of N pictures."""
        tensors = {INPUT: x}
        for unit, names, dead in self._program:
            x = unit(*[tensors[name] for name in names])
            for name in dead:
                del tensors[name]
            tensors[unit.step.layer.name] = x
        return x.flatten(1) if x.shape[2:] == (1, 1) else x


def weighted_parts(module: nn.Module) -> list[Quantized]:
    """The layers with weights in a unit (several in attention)."""
    if isinstance(module, Unit):
        module = module.operation
    if isinstance(module, Attention):
        return [part for part in module.children() if isinstance(part, Quantized)]
    return [module] if isinstance(module, Quantized) else []


def _allowed(parent: nn.Module, part: str, *, group: bool) -> str:
    """A part of a name as torch takes it: not empty, not an attribute, not that of another unit."""
    own = part
    while not own or (hasattr(parent, own) and not (group and own in parent._modules)):
        own += "_"
    return own
