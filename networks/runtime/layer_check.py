"""Layer check: every layer of an exported network against its module, both reading the same.

Rounding is not continuous: where a value lies within the last digits of a threshold (a sign of nearly 0, a half between
two levels), two runtimes that add in another order come to different levels, and everything behind differs. So each
unit of the module is given what the exported network itself computed in front of it. Then both quantize the same
numbers to the same levels, thresholds play no part, and whatever differs is wrong in that very layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from design.architecture import INPUT
from networks.export.exported import Exported
from networks.export.integer import core
from networks.network import Network, Unit
from networks.runtime.session import open_session, with_values_shown

HALF = 0.501
"""Of a step or unit: what rounding to it may change, and the last digits."""


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """How far a layer is off.

    Attributes:
        error: Largest difference over the largest magnitude of what the module writes, after what rounding explains.
        shape: Of what the layer writes, C x H x W.
    """

    layer: str
    op: str
    error: float
    shape: tuple[int, ...]


@dataclass(kw_only=True)
class LayerCheck:
    """Compares the layers of one exported network with those of its module.

    Args:
        exported: The network as a file.
        network: The module, in evaluation mode while it is compared.
        optimised: Whether to compare the graph that the runtime makes of the model.
    """

    exported: Exported
    network: Network
    optimised: bool = True
    _values: list[str] = field(init=False)

    def __post_init__(self) -> None:
        layers = [unit.step.layer.name for unit in self.network.units()]
        kernels = [value for value in self.exported.kernels.values.values() if value not in layers]
        self._values = [*layers, *kernels]
        self._session = open_session(with_values_shown(self.exported.model, self._values), optimised=self.optimised)

    def errors(self, images: Tensor) -> tuple[LayerError, ...]:
        """The error of each layer on N x C x H x W pictures, in the order in which they run."""
        given = images.contiguous()
        found = self._session.run(self._values, {INPUT: given.numpy()})
        tensors = {INPUT: given} | {
            name: torch.from_numpy(value) for name, value in zip(self._values, found, strict=True)
        }
        training = self.network.training
        self.network.eval()
        try:
            with torch.inference_mode():
                return tuple(self._error(unit, tensors) for unit in self.network.units())
        finally:
            self.network.train(training)

    def _error(self, unit: Unit, tensors: dict[str, Tensor]) -> LayerError:
        step, kernels = unit.step, self.exported.kernels
        name = step.layer.name
        reads = step.inputs if step.beside is None else (*step.inputs, step.beside)
        kernel = tensors[kernels.values[name]] if name in kernels.values else None
        own: list[Tensor] = []

        def replaced(part: nn.Module, given: Any, output: Tensor) -> Tensor | None:
            own.append(output)
            return kernel

        handle = core(unit)[-1].register_forward_hook(replaced)
        try:
            output: Tensor = unit(*(tensors[source] for source in reads))
        finally:
            handle.remove()
        unit_of_bias = kernels.units.get(name, 0.0)
        error = _relative(tensors[name], output, 0.0 if kernel is not None else HALF * unit_of_bias)
        if kernel is not None:
            grid = kernels.grids[name]
            cut = own[0].clamp(grid.smallest, grid.largest)
            error = max(error, _relative(kernel, cut, HALF * (grid.step + unit_of_bias)))
        return LayerError(layer=name, op=step.layer.op.value, error=error, shape=tuple(output.shape[1:]))


def _relative(found: Tensor, wanted: Tensor, rounded: float) -> float:
    """The largest difference that rounding by `rounded` does not explain, over the largest magnitude."""
    if found.shape != wanted.shape:
        return math.inf
    difference, largest = float((found - wanted).abs().max()), float(wanted.abs().max())
    if math.isnan(difference):
        return math.inf
    beyond = max(0.0, difference - rounded)
    return beyond / largest if largest else beyond


def first_beyond(errors: Sequence[LayerError], tolerance: float) -> LayerError | None:
    """The first layer that is off by more."""
    return next((one for one in errors if not one.error <= tolerance), None)
