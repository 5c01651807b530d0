"""Sensitivities: how much some output of the next layers ever depends on a channel. From a small batch of pictures.

Empirical sensitivity of Liebenwein et al. (arXiv 1911.07412): s_j = max over pictures x, outputs i and patches of the
share g_ij(x) (`networks.pruning.shares`). A channel that several layers read (a residual stream) has the largest of
theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from design.errors import UnknownName
from networks.looking import look_at
from networks.network import Network
from networks.pruning.families import Families, Family
from networks.pruning.shares import Piece, shares

FloatArray = NDArray[np.float64]
Taken = Callable[[str, list[Tensor]], None]
"""Told a layer's name and its shares: N x width for each piece."""


@dataclass(frozen=True, kw_only=True)
class Sensitivities:
    """What a batch showed.

    Attributes:
        layers: Layer -> sensitivity of each channel of each piece that it reads.
        pictures: How many were looked at.
    """

    layers: Mapping[str, tuple[FloatArray, ...]]
    pictures: int

    def of(self, family: Family, found: Families) -> FloatArray:
        """The largest sensitivity of each channel of a family among all layers that read it."""
        largest = np.zeros(family.width)
        for name, pieces in found.readers.items():
            for piece, own in zip(pieces, self.layers[name], strict=True):
                if piece.group in family.members:
                    largest = np.maximum(largest, own[family.members[piece.group]])
        return largest


def sensitivities(
    module: nn.Module,
    found: Families,
    batches: Iterable[Tensor],
    *,
    parts: Mapping[str, nn.Module] | None = None,
    per_weight: bool = False,
) -> Sensitivities:
    """Stream pictures through a network; memory does not grow with them.

    Args:
        module: Looked at in evaluation mode (its mode is left as it was).
        found: What can be removed from its architecture.
        batches: Pictures (N x C x H x W) held out of training; never test pictures.
        parts: Layer -> its convolution or linear layer; not needed for a `Network`.
        per_weight: See `shares`.

    Raises:
        UnknownName: A layer is missing, or it computed nothing.
    """
    largest = {name: [torch.zeros(piece.width) for piece in pieces] for name, pieces in found.readers.items()}
    seen = _Counter()

    def take(name: str, own: list[Tensor]) -> None:
        for known, raised in zip(largest[name], own, strict=True):
            torch.maximum(known, raised.amax(0).cpu(), out=known)

    _watch(module, found.readers, seen.counted(batches), take, parts, known=largest, per_weight=per_weight)
    return Sensitivities(
        layers={name: tuple(one.double().numpy() for one in own) for name, own in largest.items()},
        pictures=seen.pictures,
    )


def shares_by_picture(
    module: nn.Module, found: Families, batches: Iterable[Tensor], *, parts: Mapping[str, nn.Module] | None = None
) -> dict[str, list[FloatArray]]:
    """The largest share of each channel in each picture: layer -> N x width for each piece it reads."""
    rows: dict[str, list[list[Tensor]]] = {name: [[] for _ in pieces] for name, pieces in found.readers.items()}

    def take(name: str, own: list[Tensor]) -> None:
        for kept, new in zip(rows[name], own, strict=True):
            kept.append(new.cpu())

    _watch(module, found.readers, batches, take, parts, known=None, per_weight=False)
    return {name: [torch.cat(one).double().numpy() for one in own] for name, own in rows.items()}


class _Counter:
    """Counts pictures as they pass."""

    def __init__(self) -> None:
        self.pictures = 0

    def counted(self, batches: Iterable[Tensor]) -> Iterable[Tensor]:
        for images in batches:
            self.pictures += len(images)
            yield images


def parts_of(module: nn.Module, names: Iterable[str], parts: Mapping[str, nn.Module] | None) -> dict[str, nn.Module]:
    """The bare operation of each layer.

    Raises:
        UnknownName: A layer is missing.
    """
    if parts is None and isinstance(module, Network):
        return {name: module.unit(name).operation for name in names}
    missing = [name for name in names if name not in (parts or {})]
    if missing:
        raise UnknownName("every layer that reads what can be removed must have a part", ", ".join(missing[:5]))
    return {name: (parts or {})[name] for name in names}


def _watch(
    module: nn.Module,
    readers: Mapping[str, tuple[Piece, ...]],
    batches: Iterable[Tensor],
    take: Taken,
    parts: Mapping[str, nn.Module] | None,
    *,
    known: Mapping[str, list[Tensor]] | None,
    per_weight: bool,
) -> None:
    """Run pictures through; hooks compute shares of what each layer reads."""
    watched = parts_of(module, readers, parts)
    silent = set(readers)

    def look(name: str, part: nn.Module, given: tuple[Any, ...], output: Tensor) -> None:
        del output
        silent.discard(name)
        before = None if known is None else known[name]
        take(name, shares(part, given[0], readers[name], per_weight=per_weight, known=before))

    look_at(module, batches, [(part, partial(look, name)) for name, part in watched.items()])
    if silent:
        raise UnknownName("layers must compute something", f"nothing from {', '.join(sorted(silent)[:5])}")
