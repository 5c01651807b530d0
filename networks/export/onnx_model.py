"""export_onnx: a built (trained) network as an ONNX model. The main path of exporting.

Written node by node from the units of a network, in the order in which they run; torch computes nothing here. Values
are named as the layers, norms are folded, the number of pictures is free.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from design.layer import Activation
from networks.errors import UnsupportedLayer
from networks.export.exported import Exported, Form, Kernels
from networks.export.graph import Graph
from networks.export.grid import Grid, grid_of
from networks.export.integer import SIX, Range, core, is_integer, output_grids, parts_in_order
from networks.export.onnx_activations import kept_float, nonlinear, on_grid, quantized
from networks.export.onnx_operations import folded_left, scaled_and_shifted, weightless
from networks.export.onnx_weighted import Weighted
from networks.layers import Attention, Quantized
from networks.network import Network, Unit
from networks.operations import Sum
from networks.quantizers.learned_step import LearnedStepActivations

GRID = "kernel"
"""Part of a layer's name under which what its integer kernel writes is found where more follows."""


def export_onnx(
    network: Network,
    *,
    form: Form = Form.EXACT,
    ranges: Mapping[str, Range] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Exported:
    """Write a network as it computes in evaluation mode.

    Args:
        network: Its learned steps must have started. It is not changed.
        form: What to compute with.
        ranges: For INTEGER, from `calibrate`.
        metadata: Text that travels with the model (`networks.export.description`).

    Raises:
        UnsupportedLayer: An operation, quantizer or name that cannot be exported.
        InvalidArtefact: A step that has not started, or a range that is missing.
    """
    writer = _Writer(network, form, output_grids(network, ranges) if form is Form.INTEGER else {})
    for unit in network.units():
        writer.unit(unit)
    last = network.architecture.layers[-1]
    name, shape = last.name, tuple(last.out_shape)
    if shape[1:] == (1, 1):
        name, shape = writer.graph.node("Flatten", [name], f"{name}/classes", axis=1), shape[:1]
    kernels = Kernels(
        form=form, integer=tuple(writer.integer), grids=writer.grids, values=writer.values, units=writer.units
    )
    return Exported(model=writer.graph.model(name, shape, kernels.as_text() | dict(metadata or {})), kernels=kernels)


class _Writer:
    """Writes the units of one network."""

    def __init__(self, network: Network, form: Form, grids: dict[str, Grid]) -> None:
        architecture = network.architecture
        self.graph = Graph(architecture.name, architecture.input_shape)
        self.form, self.grids = form, grids
        self.integer: list[str] = []
        self.values: dict[str, str] = {}
        self.units: dict[str, float] = {}
        self.levels: dict[str, Grid] = {}
        """Values on levels, right behind DequantizeLinear or where a runtime sees it through what only moves them."""

    def kernels(self) -> Kernels:
        """What the layers written so far are computed with."""
        return Kernels(
            form=self.form, integer=tuple(self.integer), grids=self.grids, values=self.values, units=self.units
        )

    def unit(self, unit: Unit) -> None:
        """One layer: what its kernel computes, rounded where that is on whole numbers, and what follows."""
        name = unit.step.layer.name
        sources = list(unit.step.inputs)
        if unit.input_norm is not None:
            sources[0] = scaled_and_shifted(self.graph, unit.input_norm, sources[0], f"{name}/normed")
        ordered, own = parts_in_order(unit), core(unit)
        rest = ordered[len(own) :]
        grid = self.grids.get(name)
        more = bool(rest) or unit.sum is not None
        value = self._kernel(unit, own, sources, name if grid is None and not more else f"{name}/{GRID}_float")
        if grid is not None:
            target = f"{name}/{GRID}" if more else name
            value = on_grid(self.graph, grid, value, f"{name}/write", target)
            self.values[name] = value
        for place, part in enumerate(rest):
            end = place == len(rest) - 1 and unit.sum is None
            value = self._follows(unit, part, value, name if end else f"{name}/{place}")
        if unit.sum is not None:
            assert unit.step.beside is not None
            self._summed(unit.sum, [value, unit.step.beside], name, f"{name}/sum")
        moves = not isinstance(unit.operation, Quantized | Attention | Sum) and len(ordered) == 1 and not more
        moved = [self.levels[source] for source in sources if source in self.levels] if moves else []
        if self.values.get(name) == name:
            self.levels[name] = self.grids[name]
        elif moved:
            self.levels[name] = moved[0]

    def _kernel(self, unit: Unit, parts: list[nn.Module], sources: list[str], output: str) -> str:
        """Operation, and the norm and ReLU that are one with it."""
        operation, *others = parts
        norm = unit.norm if unit.norm is not None and unit.norm in others else None
        relu = unit.activation if unit.activation is not None and unit.activation in others else None
        made = output if relu is None else f"{unit.step.layer.name}/linear"
        if isinstance(operation, Quantized | Attention):
            integer = self.form is Form.INTEGER and is_integer(unit)
            if integer:
                self.integer.append(unit.step.layer.name)
            writer = Weighted(self.graph, unit, norm, integer=integer)
            value = writer.write(*self._source(unit, sources[0], integer=integer), made)
            if integer:
                self.units[unit.step.layer.name] = writer.unit_of_bias
        elif isinstance(operation, Sum):
            value = self._summed(operation, sources, made, unit.step.layer.name)
        else:
            value = weightless(self.graph, operation, unit.step.layer, sources, made)
        kind = unit.step.activation
        grid = self.grids.get(unit.step.layer.name)
        if kind is Activation.RELU6 and grid is not None and grid.largest <= SIX + grid.step / 2:
            kind = Activation.RELU  # rounding to levels that end there cuts too
        return value if relu is None else nonlinear(self.graph, kind, value, output)

    def _follows(self, unit: Unit, part: nn.Module, source: str, output: str) -> str:
        if part is unit.norm:
            return scaled_and_shifted(self.graph, part, source, output)
        return nonlinear(self.graph, unit.step.activation, source, output)

    def _source(self, unit: Unit, source: str, *, integer: bool) -> tuple[str, bool]:
        """What a layer with weights is to read, and whether that lies on the levels it would round to already.

        Two roundings in a row, and floats between levels, are held apart: runtimes would make one of them.
        """
        part, name = unit.operation, unit.step.layer.name
        quantizer = part.activation_quantizer if isinstance(part, Quantized) else None
        if source not in self.levels:
            return source, False
        if integer and isinstance(quantizer, LearnedStepActivations):
            own = grid_of(quantizer)
            if self.levels[source].within(own):
                return source, self._lies_on(source, own)
        return kept_float(self.graph, source, name), False

    def _lies_on(self, source: str, grid: Grid) -> bool:
        """Whether a value comes right from the kernel of a layer that rounds to these levels."""
        return self.values.get(source) == source and self.grids[source].within(grid)

    def _summed(self, added: Sum, sources: list[str], output: str, name: str) -> str:
        """A sum, each part at its bits."""
        if len(sources) < 2:
            raise UnsupportedLayer("a sum must have at least two parts to be exported", f"{len(sources)} in {name!r}")
        if added.quantizers:
            sources = [
                source
                if isinstance(quantizer, LearnedStepActivations) and self._lies_on(source, grid_of(quantizer))
                else quantized(self.graph, quantizer, source, f"{name}/part{place}")
                for place, (quantizer, source) in enumerate(zip(added.quantizers, sources, strict=True))
            ]
        return folded_left(self.graph, "Add", sources, output, name)
