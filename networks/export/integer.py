"""Which layers run on whole numbers, where their outputs are rounded to 8 bits, and to which levels.

A runtime computes a convolution on whole numbers only where what it reads and what it writes lies on levels. What a
layer reads does, by its own quantizer. What it writes does where a single layer reads it, on the levels of that
reader: then nothing is rounded that the network does not round itself. Elsewhere (sums, other nonlinearities, several
readers) the levels come from `networks.export.calibration`, and the exported network rounds once more than the module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import nn

from design.layer import Op
from networks.errors import InvalidArtefact
from networks.export.grid import Grid, grid_of, grid_over
from networks.layers import PositionwiseLinear, Quantized, QuantizedConv2d
from networks.network import Network, Unit
from networks.operations import Sum
from networks.quantizers.learned_step import LearnedStepActivations

SIX = 6.0


@dataclass(frozen=True, kw_only=True)
class Range:
    """Values that a tensor takes."""

    low: float
    high: float


def is_integer(unit: Unit) -> bool:
    """Whether a layer has weights and inputs of 2 to 8 bits (weights also of 1) that int8 kernels take."""
    part = unit.operation
    return (
        isinstance(part, QuantizedConv2d | PositionwiseLinear)
        and part.weight_codes is not None
        and isinstance(part.activation_quantizer, LearnedStepActivations)
    )


def rounds_output(unit: Unit) -> bool:
    """Whether an integer layer must write levels: all but linear layers at one position, which write floats."""
    return is_integer(unit) and not is_single(unit)


def is_single(unit: Unit) -> bool:
    """Whether a layer is linear at one position: a matrix product."""
    return isinstance(unit.operation, PositionwiseLinear) and unit.step.layer.in_shape[1:] == (1, 1)


def parts_in_order(unit: Unit) -> list[nn.Module]:
    """Operation, norm and activation as they follow each other."""
    behind = [unit.activation, unit.norm] if unit.step.norm_last else [unit.norm, unit.activation]
    return [unit.operation, *(part for part in behind if part is not None)]


def core(unit: Unit) -> list[nn.Module]:
    """The parts that one kernel computes: the operation, a norm right behind it, a ReLU right behind that."""
    found, *rest = parts_in_order(unit)
    parts = [found]
    if rest and rest[0] is unit.norm and isinstance(found, Quantized):
        parts.append(rest.pop(0))
    if rest and isinstance(rest[0], nn.ReLU | nn.ReLU6):
        parts.append(rest.pop(0))
    return parts


def output_grids(network: Network, ranges: Mapping[str, Range] | None) -> dict[str, Grid]:
    """Layer -> levels of what its kernel writes, for every layer that writes levels.

    Args:
        network: Built, its steps started.
        ranges: Of the outputs of kernels, from calibration; None where no layer needs them.

    Raises:
        InvalidArtefact: A layer that needs a range has none.
    """
    found = {}
    for unit in network.units():
        if not rounds_output(unit):
            continue
        name = unit.step.layer.name
        own = _grid_of_reader(network, unit)
        if own is None and (ranges is None or name not in ranges):
            raise InvalidArtefact(
                "the output of a layer that runs on whole numbers must have a known range",
                f"none for {name!r}",
                "Give the ranges that networks.export.calibration.calibrate has found.",
            )
        if own is None:
            assert ranges is not None
            own = grid_over(ranges[name].low, ranges[name].high)
        found[name] = own
    return found


def needs_ranges(network: Network) -> tuple[str, ...]:
    """The layers whose outputs need calibration to run on whole numbers."""
    return tuple(
        unit.step.layer.name
        for unit in network.units()
        if rounds_output(unit) and _grid_of_reader(network, unit) is None
    )


def _grid_of_reader(network: Network, unit: Unit) -> Grid | None:
    """The levels of the only reader, where rounding to them right behind the kernel changes nothing."""
    parts = core(unit)
    if parts != parts_in_order(unit) or unit.sum is not None:
        return None
    grid = _read_on(network, unit.step.layer.name)
    if grid is None or not isinstance(parts[-1], nn.ReLU | nn.ReLU6):
        return grid
    if grid.zero != 0:
        return None
    six = round(SIX / grid.step)
    return replace(grid, high=min(grid.high, six)) if isinstance(parts[-1], nn.ReLU6) else grid


def _read_on(network: Network, name: str) -> Grid | None:
    """The levels on which a tensor is read, if one layer alone reads it, perhaps through a max pool."""
    readers = [unit for unit in network.units() if name in unit.step.inputs or name == unit.step.beside]
    if len(readers) != 1 or readers[0].step.inputs.count(name) != 1 or readers[0].step.beside == name:
        return None
    reader = readers[0]
    quantizer: nn.Module | None = None
    if isinstance(reader.operation, nn.MaxPool2d) and len(parts_in_order(reader)) == 1 and reader.sum is None:
        return _read_on(network, reader.step.layer.name)
    if isinstance(reader.operation, Quantized) and reader.input_norm is None:
        quantizer = reader.operation.activation_quantizer
    elif isinstance(reader.operation, Sum) and reader.step.layer.op is Op.ADD and reader.operation.quantizers:
        quantizer = reader.operation.quantizers[reader.step.inputs.index(name)]
    return grid_of(quantizer) if isinstance(quantizer, LearnedStepActivations) else None
