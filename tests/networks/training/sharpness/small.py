"""Small networks and probes whose Hessian can be written out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev
from torch.nn import functional

from networks.training.sharpness.probe import Probe


def tanh_net(seed: int = 0, *, norm: bool = False) -> nn.Sequential:
    """6 inputs, 5 hidden units, 3 outputs, float64."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Linear(6, 5), *([nn.BatchNorm1d(5)] if norm else []), nn.Tanh(), nn.Linear(5, 3)]
        return nn.Sequential(*layers).double()


def cross_entropy_probe(number: int = 60, chunks: int = 3, seed: int = 0) -> Probe:
    """Noise with labels."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(number, 6, dtype=torch.float64, generator=generator)
    labels = torch.randint(3, (number,), generator=generator)
    parts = zip(torch.split(inputs, number // chunks), torch.split(labels, number // chunks), strict=True)
    return Probe(chunks=tuple(parts), loss=functional.cross_entropy)


def dense_hessian(module: nn.Module, probe: Probe) -> NDArray[np.float64]:
    """The whole matrix, by torch.func: the slow twin. Chunks are weighted by their sizes."""
    names = [name for name, one in module.named_parameters() if one.requires_grad]
    values = [one.detach() for one in module.parameters() if one.requires_grad]
    sizes = [one.numel() for one in values]

    def loss(flat: Tensor) -> Tensor:
        parts = [part.reshape(one.shape) for part, one in zip(torch.split(flat, sizes), values, strict=True)]
        own = dict(zip(names, parts, strict=True))
        losses = [
            share * probe.loss(functional_call(module, own, (inputs,)), *targets)
            for share, (inputs, *targets) in zip(probe.shares, probe.chunks, strict=True)
        ]
        return torch.stack(losses).sum()

    whole: NDArray[np.float64] = jacrev(grad(loss))(torch.cat([one.reshape(-1) for one in values])).numpy()
    return whole


class Bowl(nn.Module):
    """A parameter whose loss is 1/2 w'Aw; the input is not looked at."""

    def __init__(self, matrix: Tensor, start: Tensor) -> None:
        super().__init__()
        self.matrix = matrix
        self.w = nn.Parameter(start.clone())

    def forward(self, x: Tensor) -> Tensor:
        """One value an example."""
        return (0.5 * self.w @ self.matrix @ self.w).expand(len(x))


def bowl(curvatures: Sequence[float], seed: int = 0) -> Bowl:
    """A quadratic of these curvatures in turned axes."""
    generator = torch.Generator().manual_seed(seed)
    size = len(curvatures)
    turned, _ = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64, generator=generator))
    matrix = turned @ torch.diag(torch.tensor(curvatures, dtype=torch.float64)) @ turned.T
    return Bowl(matrix, torch.randn(size, dtype=torch.float64, generator=generator))


def mean_probe() -> Probe:
    """For bowls."""
    return Probe(chunks=((torch.zeros(1, 1, dtype=torch.float64),),), loss=lambda values: values.mean())
