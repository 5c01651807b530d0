"""Hessian: products of a network's Hessian with vectors, never the matrix itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from networks.training.sharpness.probe import Chunk, Probe, calm
from networks.training.sharpness.surrogate import Surrogate

FloatArray = NDArray[np.float64]


class Hessian:
    """S (H + D) S as an operator: H of the mean loss over a probe, D weight decay, S = P^-1/2 the preconditioner's.

    A product is the gradient of (gradient . vector), differentiated twice (Pearlmutter, 1994), chunk by chunk; several
    vectors share the first gradient of a chunk.

    Args:
        own: Of which network; a copy, so that nothing is disturbed.
        probe: On which examples.
        preconditioner: P, one tensor a parameter; None = ones.
        decays: D, one figure a parameter; None = zeros.
        hold: Keep the first gradients with their graphs from product to product: a third less time, and the memory of
            all chunks at once.

    Attributes:
        size: Rows of the matrix.
        products: Products with one vector so far.
    """

    def __init__(
        self,
        own: Surrogate,
        probe: Probe,
        *,
        preconditioner: Sequence[Tensor] | None = None,
        decays: Sequence[float] | None = None,
        hold: bool = False,
    ) -> None:
        self.own, self.probe, self.hold = own, probe, hold
        self.size = sum(one.numel() for one in own.parameters)
        self.products = 0
        self._scale = None
        if preconditioner is not None:
            self._scale = np.concatenate([_flat(one.double().rsqrt()) for one in preconditioner])
        self._decay = None
        if decays is not None and any(decays):
            sizes = [one.numel() for one in own.parameters]
            self._decay = np.repeat(np.asarray(decays, dtype=np.float64), sizes)
        self._held: dict[int, list[Tensor | None]] = {}

    def apply(self, vectors: FloatArray) -> FloatArray:
        """The product with each column (size x k)."""
        found = np.zeros_like(vectors)
        for number, share in enumerate(self.probe.shares):
            found += share * self._of_chunk(number, vectors)
        self.products += vectors.shape[1]
        return found

    def quotients(self, vector: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The product with a unit vector (size), and the curvature along it in every chunk alone (chunks)."""
        columns = [self._of_chunk(number, vector[:, None])[:, 0] for number in range(len(self.probe.chunks))]
        self.products += 1
        product = np.sum([share * one for share, one in zip(self.probe.shares, columns, strict=True)], axis=0)
        return product, np.asarray([float(vector @ one) for one in columns])

    def gradient(self) -> FloatArray:
        """The gradient of the mean loss (size), without decay and preconditioner."""
        total = np.zeros(self.size)
        for share, chunk in zip(self.probe.shares, self.probe.chunks, strict=True):
            with calm(self.own.module):
                loss = self.probe.chunk_loss(self.own.module, chunk)
                slopes = torch.autograd.grad(loss, self.own.parameters, allow_unused=True)
            total += share * np.concatenate([self._flat_or_zero(*pair) for pair in self._pairs(slopes)])
        return total

    def _of_chunk(self, number: int, vectors: FloatArray) -> FloatArray:
        scaled = vectors if self._scale is None else vectors * self._scale[:, None]
        slopes = self._slopes(number)
        used = [(place, slope) for place, slope in enumerate(slopes) if slope is not None and slope.requires_grad]
        found = np.zeros_like(vectors)
        for column in range(vectors.shape[1]):
            along = self._shaped(scaled[:, column])
            last = column == vectors.shape[1] - 1 and not self.hold
            second: Sequence[Tensor | None] = [None] * len(slopes)
            if used:
                second = torch.autograd.grad(
                    [slope for _, slope in used],
                    self.own.parameters,
                    [along[place] for place, _ in used],
                    retain_graph=not last,
                    allow_unused=True,
                )
            found[:, column] = np.concatenate([self._flat_or_zero(*pair) for pair in self._pairs(second)])
        if self._decay is not None:
            found += self._decay[:, None] * scaled
        return found if self._scale is None else found * self._scale[:, None]

    def _slopes(self, number: int) -> list[Tensor | None]:
        """The gradient of a chunk, with its graph."""
        if number in self._held:
            return self._held[number]
        chunk: Chunk = self.probe.chunks[number]
        with calm(self.own.module), torch.enable_grad():
            loss = self.probe.chunk_loss(self.own.module, chunk)
            found = torch.autograd.grad(loss, self.own.parameters, create_graph=True, allow_unused=True)
        slopes: list[Tensor | None] = list(found)
        if self.hold:
            self._held[number] = slopes
        return slopes

    def _pairs(self, values: Sequence[Tensor | None]) -> list[tuple[Tensor | None, Tensor]]:
        return list(zip(values, self.own.parameters, strict=True))

    def _flat_or_zero(self, value: Tensor | None, parameter: Tensor) -> FloatArray:
        return np.zeros(parameter.numel()) if value is None else _flat(value)

    def _shaped(self, vector: FloatArray) -> list[Tensor]:
        """A flat vector as tensors like the parameters."""
        parts, at = [], 0
        for one in self.own.parameters:
            part = torch.from_numpy(vector[at : at + one.numel()])
            parts.append(part.to(one.device, one.dtype).reshape(one.shape))
            at += one.numel()
        return parts


def _flat(value: Tensor) -> FloatArray:
    found: FloatArray = value.detach().double().cpu().reshape(-1).numpy()
    return found
