"""Planes of bits: signs, masks and places of maxima, eight to a byte, a picture a row.

A plane of N x C x H x W is packed in the order N, H, W, C (that of tensors in channels-last format), each picture
filled up to whole bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Shape = tuple[int, ...]
"""Of one picture: C x H x W or features."""


def _table(low: float, high: float) -> Tensor:
    """What each byte stands for, 256 x 8."""
    bits = (torch.arange(256)[:, None] >> torch.arange(8)) & 1
    return torch.where(bits.bool(), high, low)


_TABLES = {low: _table(low, 1.0) for low in (-1.0, 0.0)}


@dataclass(frozen=True, eq=False)
class Plane:
    """One bit for each element of N pictures.

    Attributes:
        data: N x ceil(elements / 8), uint8.
        shape: Of one picture.
    """

    data: Tensor
    shape: Shape

    def __len__(self) -> int:
        return len(self.data)

    @property
    def elements(self) -> int:
        """Of one picture."""
        return int(np.prod(self.shape))

    def values(self, first: int, last: int, *, low: float = -1.0) -> Tensor:
        """Pictures from `first` up to `last` as float32: `low` for a bit that is not set (-1 or 0), 1 for one that is.

        N x C x H x W in channels-last format, or N x features.
        """
        return as_pictures(unpacked_rows(self.data[first:last], self.elements, low=low), self.shape)


def unpacked_rows(data: Tensor, elements: int, *, low: float = -1.0) -> Tensor:
    """The first `elements` bits of each of N rows of bytes as float32: `low` or 1."""
    found = looked_up(data, low) if data.device.type == "cpu" else looked_up_slow(data, low)
    return found[:, :elements]


def looked_up(data: Tensor, low: float) -> Tensor:
    """Bits of N x bytes as N x 8 bytes numbers: `low` (-1 or 0) or 1."""
    found = np.take(_TABLES[low].numpy(), data.reshape(-1).numpy(), axis=0, mode="clip")
    return torch.from_numpy(found).view(len(data), -1)


def looked_up_slow(data: Tensor, low: float) -> Tensor:
    """The same without numpy, on any device."""
    bits = (data[:, :, None] >> torch.arange(8, dtype=torch.uint8, device=data.device)) & 1
    return torch.where(bits.bool(), 1.0, low).flatten(1)


def not_negative(x: Tensor) -> Tensor:
    """Where the sign bit is not set, bool; numpy does it several times faster."""
    if x.device.type == "cpu":
        return torch.from_numpy(np.logical_not(np.signbit(x.detach().numpy())))
    return ~torch.signbit(x)


def less(x: Tensor, y: Tensor | float) -> Tensor:
    """Where x < y, bool."""
    if x.device.type == "cpu":
        other = y.detach().numpy() if isinstance(y, Tensor) else np.asarray(y, dtype=x.detach().numpy().dtype)
        return torch.from_numpy(np.less(x.detach().numpy(), other))
    return x < y


def empty_plane(number: int, shape: Shape, device: torch.device) -> Plane:
    """A plane to be filled by `write`."""
    size = -(-int(np.prod(shape)) // 8)
    return Plane(torch.empty(number, size, dtype=torch.uint8, device=device), shape)


def write(plane: Plane, first: int, bits: Tensor) -> None:
    """Set pictures from `first` on to the bits of a boolean N x C x H x W (channels last) or N x features."""
    rows = as_rows(bits)
    plane.data[first : first + len(rows)] = packed_rows(rows)


def packed_rows(rows: Tensor) -> Tensor:
    """Boolean N x elements as bytes, the first bit the lowest."""
    if rows.device.type == "cpu":
        return torch.from_numpy(np.packbits(rows.numpy(), axis=1, bitorder="little"))
    return packed_rows_slow(rows)


def packed_rows_slow(rows: Tensor) -> Tensor:
    """The same without numpy, on any device."""
    filled = torch.nn.functional.pad(rows, (0, -rows.shape[1] % 8)).view(len(rows), -1, 8)
    weights = (2 ** torch.arange(8, device=rows.device)).to(torch.uint8)
    return (filled * weights).sum(2, dtype=torch.uint8)


def as_rows(x: Tensor) -> Tensor:
    """N x elements in the order of planes; a view where `x` is in channels-last format."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1) if x.dim() == 4 else x


def as_pictures(rows: Tensor, shape: Shape) -> Tensor:
    """N x elements as N x C x H x W in channels-last format (a view), or unchanged for features."""
    if len(shape) == 1:
        return rows
    channels, height, width = shape
    return rows.reshape(len(rows), height, width, channels).permute(0, 3, 1, 2)
