"""Blocks that designs share, and facts that are kept with a set of designs: what makes sums over many designs fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Fact(Protocol):
    """Something found of N designs."""

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Fact:
        """Of those at `index`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Designs as chains of blocks that many of them share: sums over layers are sums over far fewer blocks.

    Attributes:
        ids: N x P, the block at each place.
        rows: B x W, rows of the layers of each block, 0 where it has fewer.
    """

    ids: NDArray[np.int64]
    rows: NDArray[np.int64]
