"""Probe: the fixed examples that curvature is measured on, and the calm in which that happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from networks.training.errors import InvalidOptions

Chunk = tuple[Tensor, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Probe:
    """Examples in chunks; the loss measured is the mean over all examples.

    Attributes:
        chunks: Each the inputs (B x ...) and what the loss compares with. With batch statistics a chunk is normalised
            by itself, as a batch of training is.
        loss: (outputs, *targets) -> mean over the chunk.

    Raises:
        InvalidOptions: No examples.
    """

    chunks: Sequence[Chunk]
    loss: Callable[..., Tensor]

    def __post_init__(self) -> None:
        if not sum(len(chunk[0]) for chunk in self.chunks):
            raise InvalidOptions("a probe must have at least one example", "none")

    def __len__(self) -> int:
        return sum(len(chunk[0]) for chunk in self.chunks)

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of the examples in each chunk."""
        return tuple(len(chunk[0]) / len(self) for chunk in self.chunks)

    def chunk_loss(self, module: nn.Module, chunk: Chunk) -> Tensor:
        """Mean over a chunk, in the precision of the network's output."""
        inputs, *targets = chunk
        return self.loss(module(inputs), *targets)

    def value(self, module: nn.Module) -> float:
        """Mean over all examples, without gradients; a network that gives no numbers gives no number here."""
        with torch.no_grad(), calm(module):
            losses = [float(self.chunk_loss(module, chunk)) for chunk in self.chunks]
        return sum(share * loss for share, loss in zip(self.shares, losses, strict=True))


@contextmanager
def calm(module: nn.Module) -> Iterator[None]:
    """The same random numbers each time, and the caller's untouched; attention in the form that has two derivatives."""
    device: Any = next(module.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []), sdpa_kernel(SDPBackend.MATH):
        torch.manual_seed(0)
        yield
