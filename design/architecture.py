"""Architecture: the ordered layers of one network."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from design.errors import InvalidArchitecture
from design.layer import Layer, Op, Role, Size

INPUT = "input"
"""The name under which layers read the picture."""
Shape = tuple[Size, Size, Size]


class Architecture(BaseModel):
    """The layers of one network in execution order, each reading the picture or earlier layers.

    Attributes:
        name: What people call it.
        input_shape: C x H x W of the picture.
        layers: Topologically ordered; the last one is the output.

    Raises:
        InvalidArchitecture: A name used twice, a layer that reads one not yet run, or shapes that do not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    input_shape: Shape
    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=4096)]

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        shapes: dict[str, tuple[int, int, int]] = {INPUT: self.input_shape}
        for layer in self.layers:
            if layer.name in shapes:
                raise InvalidArchitecture("layer names must be unique (and not 'input')", repr(layer.name))
            for name in layer.inputs:
                if name not in shapes:
                    raise InvalidArchitecture(f"layer {layer.name!r} must read 'input' or earlier layers", repr(name))
            _check_inputs(layer, [shapes[name] for name in layer.inputs])
            shapes[layer.name] = layer.out_shape
        return self

    def layer(self, name: str) -> Layer:
        """The layer of that name.

        Raises:
            KeyError: No such layer.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)

    @property
    def weighted(self) -> tuple[Layer, ...]:
        """The layers that have a precision."""
        return tuple(layer for layer in self.layers if layer.weighted)

    @property
    def shortcuts(self) -> tuple[Layer, ...]:
        """The weighted layers on shortcuts (1x1 convolutions where the shape changes)."""
        return tuple(layer for layer in self.weighted if layer.role is Role.SHORTCUT)


def _check_inputs(layer: Layer, shapes: list[tuple[int, int, int]]) -> None:
    """Compare what a layer says it reads with what it gets."""
    if layer.op is Op.OTHER:
        return
    if layer.op is Op.MATMUL:
        second = layer.in_height * layer.in_channels * layer.out_channels
        wanted = [layer.in_elements - second, second]
        if [channels * height * width for channels, height, width in shapes] != wanted:
            raise InvalidArchitecture(
                f"layer {layer.name!r} (matmul) must read two inputs of {wanted} elements",
                f"{shapes} from {list(layer.inputs)}",
            )
        return
    if layer.op is Op.CONCAT:
        fits = sum(c for c, _, _ in shapes) == layer.in_channels and len({s[1:] for s in shapes}) == 1
    elif layer.op is Op.ADD:
        fits = len(shapes) >= (1 if layer.constants else 2) and all(shape == layer.in_shape for shape in shapes)
    elif layer.op is Op.MULTIPLY:
        gate = (layer.in_channels, 1, 1)
        fits = shapes[0] == layer.in_shape and all(shape in (layer.in_shape, gate) for shape in shapes[1:])
    else:
        fits = len(shapes) == 1 and shapes[0] == layer.in_shape
    if not fits:
        raise InvalidArchitecture(
            f"layer {layer.name!r} ({layer.op.value}) must read inputs that fit {layer.in_shape}",
            f"{shapes} from {list(layer.inputs)}",
        )
