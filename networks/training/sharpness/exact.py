"""Sharpness: the largest eigenvalue of the Hessian of a network's loss, with what it is and how well it is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import nn, optim

from networks.training.sharpness.eigenvalues import follow, lanczos
from networks.training.sharpness.hessian import FloatArray, Hessian
from networks.training.sharpness.preconditioner import decays, preconditioner
from networks.training.sharpness.probe import Probe
from networks.training.sharpness.surrogate import Statistics, surrogate
from networks.training.sharpness.thresholds import is_preconditioned

PRECONDITIONED = ", preconditioned as the step is"


@dataclass(frozen=True, kw_only=True, eq=False)
class Sharpness:
    """The largest eigenvalues of a Hessian.

    Attributes:
        value: The largest, weight decay included.
        values: The largest ones, largest first.
        residual: Relative, see `Eigenpairs`; every value is at most the true one of these examples.
        converged: Whether the residual is as small as asked for.
        sampling_error: Standard error of `value` from the spread of the curvature along its vector over chunks: how far
            another draw of as many examples would be off. The vector was fitted to these very examples, so few examples
            read too sharp besides. None with one chunk.
        examples: How many it was measured on.
        measures: Which Hessian, in words.
        statistics: What batch norms used; None without.
        products: Hessian-vector products spent.
        vectors: size x k, to start from next time.
    """

    value: float
    values: tuple[float, ...]
    residual: float
    converged: bool
    sampling_error: float | None
    examples: int
    measures: str
    statistics: Statistics | None
    products: int
    vectors: FloatArray


def measure_sharpness(
    module: nn.Module,
    probe: Probe,
    *,
    stepper: optim.Optimizer | None = None,
    statistics: Statistics = Statistics.BATCH,
    count: int = 1,
    start: FloatArray | None = None,
    tolerance: float = 1e-4,
    most: int | None = None,
    population: int | None = None,
    hold: bool = False,
) -> Sharpness:
    """The sharpness of a network as it stands; the network is copied, not touched.

    Args:
        module: Which; quantized ones get a surrogate (`networks.training.sharpness.surrogate`).
        probe: Examples and loss.
        stepper: The torch optimizer at work: its weight decay is added, and with Adam and RMSprop the Hessian is
            preconditioned as its steps are.
        statistics: What batch norms use.
        count: How many eigenvalues.
        start: Vectors (size x `count` or more) of an earlier call, and others that may be sharp: LOBPCG from there.
            None: Lanczos from scratch.
        tolerance: Of the residual, relative.
        most: Hessian-vector products after which it stops unconverged (LOBPCG also from scratch); None = no limit.
        population: How many examples the probe was drawn from without replacement; None = endlessly many.
        hold: Keep graphs between products (`Hessian`).
    """
    own = surrogate(module, statistics)
    scale = added = None
    if stepper is not None:
        trained = [one for one in module.parameters() if one.requires_grad]
        added = decays(stepper, trained)
        scale = preconditioner(stepper, trained) if is_preconditioned(stepper) else None
    hessian = Hessian(own, probe, preconditioner=scale, decays=added, hold=hold)
    if start is None and most is not None:
        start = np.random.default_rng(0).standard_normal((hessian.size, count))
    if start is None or hessian.size <= count:
        pairs = lanczos(hessian, count, tolerance=tolerance)
    else:
        pairs = follow(hessian, start, count, tolerance=tolerance, most=most or 100)
    spread = None
    if len(probe.chunks) > 1:
        _, quotients = hessian.quotients(pairs.vectors[:, 0])
        spread = _standard_error(quotients, np.asarray(probe.shares), len(probe), population)
    return Sharpness(
        value=float(pairs.values[0]),
        values=tuple(float(one) for one in pairs.values),
        residual=pairs.residual,
        converged=pairs.converged,
        sampling_error=spread,
        examples=len(probe),
        measures=own.measures + (PRECONDITIONED if scale is not None else ""),
        statistics=own.statistics,
        products=hessian.products,
        vectors=pairs.vectors,
    )


def _standard_error(quotients: FloatArray, shares: FloatArray, examples: int, population: int | None) -> float:
    """Of the mean over chunks, weighted by their shares; a probe that is the whole population has none."""
    mean = float(shares @ quotients)
    variance = float(shares @ (quotients - mean) ** 2) * len(shares) / (len(shares) - 1)
    left = 1.0 if population is None else max(1 - examples / population, 0.0)
    return math.sqrt(variance * float(shares @ shares) * left)
