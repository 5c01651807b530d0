"""The steps of a network: its layers in execution order, with norms and activations where each belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from design.architecture import INPUT, Architecture
from design.bypasses import bypasses
from design.layer import Activation, Layer, Op, Role
from design.precision import PrecisionPolicy
from networks.operations import NEVER_NEGATIVE
from networks.options import BuildOptions, Order

FEW_BITS = 4
HANDING_ON = frozenset({Op.ADD, Op.CONCAT, Op.POOL_MAX, Op.POOL_AVERAGE, Op.FLATTEN, Op.PAD, Op.OTHER, Op.RESIZE})
"""Operations whose output is centred if (and only if) what they read is."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """How one layer is run.

    Attributes:
        inputs: Names of the tensors it reads.
        beside: The tensor added behind it (a shortcut of its own), or None.
        input_norm: Channels of a norm in front of the quantizer, 0 without.
        norm: Channels of the norm behind the operation, 0 without.
        norm_of: The layer that this norm belongs to in the design (a max pool has that of the layer before it).
        activation: Behind the operation.
        norm_last: The norm stands behind the activation.
        unsigned: What it reads (behind the input norm) is never negative.
        summed: Of each tensor that it adds, whether that is never negative.
    """

    layer: Layer
    inputs: tuple[str, ...]
    beside: str | None = None
    input_norm: int = 0
    norm: int = 0
    norm_of: str = ""
    activation: Activation = Activation.NONE
    norm_last: bool = False
    unsigned: bool = False
    summed: tuple[bool, ...] = ()


def steps(architecture: Architecture, policy: PrecisionPolicy, options: BuildOptions) -> tuple[Step, ...]:
    """The steps of a (pruned) architecture, in an order in which they can run."""
    found = {layer.name: _as_designed(layer) for layer in architecture.layers}
    if options.shortcut_every_convolution:
        found = _scheduled(_shortcuts(found, policy, FEW_BITS if options.shortcut_few_bits else 1))
    found = _centred(found, policy) if options.order is Order.CENTRED else _norm_first(found, policy)
    return _signs(tuple(found.values()))


def _as_designed(layer: Layer) -> Step:
    own = layer.activation
    if layer.op is Op.ACTIVATION and own is Activation.NONE:
        own = Activation.RELU
    normed = layer.batch_norm or layer.op is Op.NORM
    return Step(
        layer=layer,
        inputs=layer.inputs,
        norm=layer.out_channels if normed else 0,
        norm_of=layer.name if normed else "",
        activation=own,
    )


def _reads(step: Step) -> tuple[str, ...]:
    return step.inputs if step.beside is None else (*step.inputs, step.beside)


def _readers(found: Mapping[str, Step]) -> dict[str, list[str]]:
    """Tensor -> names of the steps that read it."""
    readers: dict[str, list[str]] = {name: [] for name in (INPUT, *found)}
    for name, step in found.items():
        for source in _reads(step):
            readers[source].append(name)
    return readers


def _shortcuts(found: dict[str, Step], policy: PrecisionPolicy, most_bits: int) -> dict[str, Step]:
    """Give each convolution of a residual block that reads few bits a shortcut of its own (`design.bypasses`).

    The inner channels of the block must be those of the sum.

    Args:
        found: The steps.
        policy: Their bits.
        most_bits: That one of the two convolutions may read at most.
    """
    found = dict(found)
    for block in bypasses([step.layer for step in found.values()]):
        first, second, add = (found[name] for name in (block.first, block.second, block.add))
        few = min(_bits(policy, first), _bits(policy, second)) <= most_bits
        if few and first.layer.out_channels == add.layer.out_channels:
            found[block.first] = replace(first, beside=block.beside)
            found[block.add] = replace(add, inputs=(block.second, block.first))
    return found


def _bits(policy: PrecisionPolicy, step: Step) -> int:
    """Bits that a weighted layer reads; 32 for others."""
    return policy.layers[step.layer.name].activation_bits if step.layer.weighted else 32


def _centred(found: dict[str, Step], policy: PrecisionPolicy) -> dict[str, Step]:
    """Put norms behind activations, and activations into branches, where a sign reads what comes out."""
    found, readers = dict(found), _readers(found)
    wanted: dict[str, bool] = {}
    for name in reversed(found):
        wanted[name] = any(_wants_centred(found[reader], name, wanted, policy) for reader in readers[name])
    for name, step in list(found.items()):
        if not wanted[name]:
            continue
        if step.layer.op is Op.ACTIVATION:
            found[name] = replace(step, activation=Activation.NONE)
        elif step.layer.op is Op.ADD:
            _into_branches(found, readers, name, norm_last=True)
        elif step.norm:
            found[name] = replace(step, norm_last=True)
        elif step.layer.weighted:
            found[name] = replace(step, activation=Activation.NONE)
    for name, step in list(found.items()):
        if step.layer.op is Op.POOL_MAX and wanted[name]:
            _norm_behind_pool(found, readers, name)
    return found


def _wants_centred(reader: Step, name: str, wanted: Mapping[str, bool], policy: PrecisionPolicy) -> bool:
    layer = reader.layer
    if layer.weighted and name in reader.inputs and _bits(policy, reader) == 1:
        return True
    if name == reader.beside or layer.op in HANDING_ON or layer.op is Op.ACTIVATION:
        return wanted[layer.name]
    return layer.op is Op.MULTIPLY and name == reader.inputs[0] and wanted[layer.name]


def _into_branches(found: dict[str, Step], readers: Mapping[str, list[str]], add: str, *, norm_last: bool) -> None:
    """Move the activation of a sum to the convolutions that only the sum reads (shortcuts excepted)."""
    step = found[add]
    found[add] = replace(step, activation=Activation.NONE)
    for name in step.inputs:
        branch = found.get(name)
        if (
            branch is not None
            and branch.norm
            and branch.layer.role is not Role.SHORTCUT
            and branch.activation is Activation.NONE
            and readers[name] == [add]
        ):
            found[name] = replace(branch, activation=step.activation, norm_last=norm_last)


def _norm_behind_pool(found: dict[str, Step], readers: Mapping[str, list[str]], pool: str) -> None:
    """Move the norm of a layer that only a max pool reads behind the pool: sign sees what the norm has centred."""
    step = found[pool]
    before = found.get(step.inputs[0])
    if before is not None and before.norm and before.beside is None and readers[before.layer.name] == [pool]:
        found[before.layer.name] = replace(before, norm=0, norm_of="", norm_last=False)
        found[pool] = replace(step, norm=before.norm, norm_of=before.norm_of)


def _norm_first(found: dict[str, Step], policy: PrecisionPolicy) -> dict[str, Step]:
    """Norm in front of quantizers of few bits; activations in branches; no norm in front of a norm."""
    found, readers = dict(found), _readers(found)
    few = {
        name
        for name, step in found.items()
        if step.layer.weighted and step.layer.role in (Role.BODY, Role.SHORTCUT) and _bits(policy, step) <= FEW_BITS
    }
    for name in few:
        found[name] = replace(found[name], input_norm=found[name].layer.in_channels)
    for name, step in list(found.items()):
        if step.layer.op is Op.ADD and any(source in few for source in step.inputs):
            _into_branches(found, readers, name, norm_last=False)
    for name, step in list(found.items()):
        if step.layer.weighted and step.norm and name in few and _only_normed(found, readers, name):
            found[name] = replace(step, norm=0, norm_of="")
    return found


def _only_normed(found: Mapping[str, Step], readers: Mapping[str, list[str]], name: str) -> bool:
    """Whether everything that reads a tensor, through pools and flattening, begins with a norm."""
    if found[name].beside is not None or not readers[name]:
        return False
    return all(
        bool(found[reader].input_norm)
        if found[reader].layer.weighted
        else found[reader].layer.op in (Op.POOL_MAX, Op.FLATTEN) and _only_normed(found, readers, reader)
        for reader in readers[name]
    )


def _scheduled(found: Mapping[str, Step]) -> dict[str, Step]:
    """In the design's order, but each step behind what it reads."""
    done: dict[str, Step] = {}
    waiting = list(found)
    while waiting:
        name = next(name for name in waiting if all(s in done or s == INPUT for s in _reads(found[name])))
        done[name] = found[name]
        waiting.remove(name)
    return done


def _signs(ordered: tuple[Step, ...]) -> tuple[Step, ...]:
    """Find out which steps read tensors that are never negative."""
    never: dict[str, bool] = {INPUT: False}
    result = []
    for step in ordered:
        read = all(never[name] for name in step.inputs)
        layer = step.layer
        last_is_norm = bool(step.norm) and (step.norm_last or step.activation is Activation.NONE)
        if last_is_norm:
            own = False
        elif step.activation is not Activation.NONE:
            own = step.activation in NEVER_NEGATIVE
        else:
            own = read and not layer.weighted
        summed = tuple(never[name] for name in step.inputs) if layer.op is Op.ADD else ()
        if step.beside is not None:
            summed = (own, never[step.beside])
            own = all(summed)
        never[layer.name] = own
        result.append(replace(step, unsigned=read and not step.input_norm, summed=summed))
    return tuple(result)
