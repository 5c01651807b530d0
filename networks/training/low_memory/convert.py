"""Which units of a network can be computed as chains, and which chains hand signs on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from design.layer import Op
from networks.layers import Norm, PositionwiseLinear, QuantizedConv2d
from networks.network import Network, Unit
from networks.quantizers.binary import BinaryActivations, BinaryWeights
from networks.quantizers.options import ScaleGradient
from networks.training.low_memory.block import Block, geometry
from networks.training.low_memory.chain import Chain, Reading
from networks.training.low_memory.options import LowMemoryOptions


@dataclass(frozen=True, kw_only=True)
class Place:
    """A chain in a network.

    Attributes:
        name: Of the layer with weights.
        output: Of the last layer in it: itself or its pool.
        reads: The tensor it reads.
        beside: The tensor added behind it, or None.
        cut_behind: Negative values are cut off behind the norm, not in front of it.
        binary: It reads signs.
    """

    name: str
    output: str
    reads: str
    beside: str | None
    unit: Unit
    norm: Norm
    cut_behind: bool
    binary: bool


def find_places(network: Network) -> dict[str, Place]:
    """Chains by the name of their layer: those that read signs, and those whose norm is read by signs alone."""
    readers = read_by(network)
    found: dict[str, Place] = {}
    for unit in network.units():
        place = _place(network, unit, readers)
        if place is not None:
            found[place.name] = place
    binary = {name for name, place in found.items() if place.binary}
    return {
        name: place
        for name, place in found.items()
        if place.binary or (_alone(place) and _signs_alone(network, place.output, readers, binary))
    }


def read_by(network: Network) -> dict[str, list[str]]:
    """Tensor -> layers that read it, shortcuts of their own too."""
    found: dict[str, list[str]] = {}
    for unit in network.units():
        step = unit.step
        for name in step.inputs if step.beside is None else (*step.inputs, step.beside):
            found.setdefault(name, []).append(step.layer.name)
    return found


def _place(network: Network, unit: Unit, readers: dict[str, list[str]]) -> Place | None:
    """The chain that begins with a unit, if it is one."""
    step, layer = unit.step, unit.operation
    if not isinstance(layer, QuantizedConv2d | PositionwiseLinear) or layer.bias is not None:
        return None
    linear = isinstance(layer, PositionwiseLinear)
    if unit.input_norm is not None or (linear and step.layer.in_shape[1:] != (1, 1)):
        return None
    if not isinstance(unit.activation, nn.ReLU | None):
        return None
    weights, reading = layer.weight_quantizer, layer.activation_quantizer
    if isinstance(weights, BinaryWeights) and weights.gradient is not ScaleGradient.STRAIGHT:
        return None
    binary = isinstance(reading, BinaryActivations) and reading.shift is None
    if isinstance(reading, BinaryActivations) and not binary:
        return None
    output, norm = step.layer.name, unit.norm
    if norm is None and unit.sum is None:
        only = readers.get(output, [])
        pool = network.unit(only[0]) if len(only) == 1 else None
        if pool is None or not _is_small_pool(pool):
            return None
        output, norm = pool.step.layer.name, pool.norm
    if not isinstance(norm, Norm):
        return None
    return Place(
        name=step.layer.name,
        output=output,
        reads=step.inputs[0],
        beside=step.beside,
        unit=unit,
        norm=norm,
        cut_behind=unit.activation is not None and unit.norm is not None and not step.norm_last,
        binary=binary,
    )


def _alone(place: Place) -> bool:
    """Whether the norm is the last in the chain."""
    return place.beside is None and not place.cut_behind


def _is_small_pool(unit: Unit) -> bool:
    """A maximum over windows of 2 x 2 with a norm behind it and no activation."""
    layer = unit.step.layer
    return (
        layer.op is Op.POOL_MAX
        and (layer.kernel_height, layer.kernel_width, layer.stride, layer.padding or 0) == (2, 2, 2, 0)
        and (layer.out_height, layer.out_width) == (layer.in_height // 2, layer.in_width // 2)
        and unit.activation is None
        and unit.norm is not None
    )


def _signs_alone(network: Network, name: str, readers: dict[str, list[str]], binary: set[str]) -> bool:
    """Whether a tensor is read by signs alone, through flattening."""
    found = readers.get(name, [])
    return bool(found) and all(
        (reader in binary and network.unit(reader).step.beside != name)
        or (network.unit(reader).step.layer.op is Op.FLATTEN and _signs_alone(network, reader, readers, binary))
        for reader in found
    )


def make_blocks(network: Network, options: LowMemoryOptions) -> dict[str, tuple[Place, Block]]:
    """The chains of a network as blocks, by the name of their layer."""
    readers, places = read_by(network), find_places(network)
    binary = {name for name, place in places.items() if place.binary}
    handing = {
        place.output
        for place in places.values()
        if _alone(place) and _signs_alone(network, place.output, readers, binary)
    }
    found = {}
    for name, place in places.items():
        layer = place.unit.operation
        assert isinstance(layer, QuantizedConv2d | PositionwiseLinear)
        reading = Reading.REAL
        if place.binary:
            reading = Reading.SIGNS if _source(network, place.reads) in handing else Reading.VALUES
        chain = Chain(
            reading=reading,
            signs_out=place.output in handing,
            binary_weights=isinstance(layer.weight_quantizer, BinaryWeights),
            linear=isinstance(layer, PositionwiseLinear),
            pool=place.output != name,
            relu=place.unit.activation is not None and not place.cut_behind,
            eps=place.norm.eps,
            options=options,
            **geometry(layer),  # type: ignore[arg-type]
        )
        found[name] = (place, Block(place.unit, place.norm, chain, cut_behind=place.cut_behind))
    return found


def _source(network: Network, name: str) -> str:
    """The tensor in front of flattening."""
    paths = {unit.step.layer.name: unit for unit in network.units()}
    while name in paths and paths[name].step.layer.op is Op.FLATTEN:
        name = paths[name].step.inputs[0]
    return name
