"""Tensor: a value that depends on the picture, as a view of what a layer writes."""

from __future__ import annotations

from dataclasses import dataclass

from networks.tracing.graph import Dims, elements

Maps = tuple[int, int, int]
"""C x H x W, as layers count."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A value of the graph.

    Attributes:
        shape: As the graph says, batch included.
        layer: The layer (or `input`) that wrote the elements.
        maps: C x H x W of what that layer wrote.
        axis: Dimension of `shape` that holds the channels; None where a reshape has lost it.
        moved: Name of the node since that layer that put elements elsewhere or took a part; empty: none did.
        alone: Nobody else reads what the layer wrote, so that a following operation may be fused into it.
        bits: Bits that the model's quantizers give it; None: floats.
        steps: (moved, rows, columns): if `moved` is still that, all that was moved is that every so many-th row and
            column was taken, from the first.
    """

    shape: Dims
    layer: str
    maps: Maps
    axis: int | None
    moved: str = ""
    alone: bool = True
    bits: int | None = None
    steps: tuple[str, int, int] = ("", 1, 1)

    @property
    def stride(self) -> int:
        """The step in both directions where it is the same and nothing else was moved, else 0."""
        name, rows, columns = self.steps
        if name != self.moved or rows != columns or len(self.shape) != 4 or self.axis != 1:
            return 0
        channels, height, width = self.maps
        return rows if self.shape[1:] == (channels, -(-height // rows), -(-width // rows)) else 0


def usual_axis(rank: int) -> int:
    """Where channels stand unless something says otherwise: last of up to three dimensions, else behind the batch."""
    return max(rank - 1, 0) if rank <= 3 else 1


def maps_of(shape: Dims, axis: int) -> Maps:
    """C x H x W of a tensor whose channels stand at `axis`.

    Behind the channels of a sequence (1 x C x L) lies a row, before those of tokens (1 x T x F) a column of positions;
    of more dimensions the last is the width and all others together the height.
    """
    if not shape:
        return (1, 1, 1)
    rest = [side for place, side in enumerate(shape) if place != axis]
    if len(shape) <= 3:
        before, behind = elements(shape[:axis]), elements(shape[axis + 1 :])
        return (shape[axis], 1, behind) if behind > 1 and before == 1 else (shape[axis], before * behind, 1)
    return (shape[axis], elements(tuple(rest[:-1])), rest[-1])


def axis_after(shape: Dims, axis: int | None, wanted: Dims) -> int | None:
    """Where the channels stand after a reshape, None if they are split or merged."""
    if axis is None:
        return None
    before = elements(shape[:axis])
    places = [place for place, side in enumerate(wanted) if side == shape[axis] and elements(wanted[:place]) == before]
    return places[-1] if places else None
