"""Bypasses: residual blocks of two convolutions around each of which a shortcut of its own can lead.

A block is `add(second(first(x)), x or a shortcut of x)`. Where one of its convolutions reads signs and all of its maps
have one size, a network is built with a shortcut around each convolution, not around both together (Bi-Real Net, Liu
et al., arXiv 1808.00278), and so with one addition more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from design.layer import Layer, Op, Role


@dataclass(frozen=True, kw_only=True)
class Bypass:
    """Names of the layers of one block.

    Attributes:
        add: The sum behind it.
        first, second: Its convolutions.
        beside: What is added to them; INPUT where that is not among the layers.
    """

    add: str
    first: str
    second: str
    beside: str


def bypasses(layers: Sequence[Layer]) -> tuple[Bypass, ...]:
    """Blocks whose layers allow it, in order; numbers of channels and bits are for the caller to compare."""
    adds = [layer for layer in layers if layer.op is Op.ADD and len(layer.inputs) == 2]
    if not adds:
        return ()
    found = {layer.name: layer for layer in layers}
    readers: dict[str, list[str]] = {}
    for layer in layers:
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer.name)
    blocks = []
    for add in adds:
        for second_name, beside in (add.inputs, add.inputs[::-1]):
            second = found.get(second_name)
            first = found.get(second.inputs[0]) if second else None
            if (
                second is not None
                and first is not None
                and _is_body_convolution(second)
                and _is_body_convolution(first)
                and readers[second_name] == [add.name]
                and readers[first.name] == [second_name]
                and first.out_shape[1:] == second.out_shape[1:]
                and _origin(found, beside) == first.inputs[0]
            ):
                blocks.append(Bypass(add=add.name, first=first.name, second=second_name, beside=beside))
                break
    return tuple(blocks)


def _is_body_convolution(layer: Layer) -> bool:
    return layer.op is Op.CONV and layer.role is Role.BODY


def _origin(found: Mapping[str, Layer], name: str) -> str:
    """The tensor that a shortcut starts from."""
    while name in found and (found[name].role is Role.SHORTCUT or found[name].op is Op.POOL_AVERAGE):
        name = found[name].inputs[0]
    return name
