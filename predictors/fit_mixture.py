"""Fit the variances of experts on episodes in which a known device plays the unknown one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from design.encoding import FloatArray, IntArray
from predictors.covariances import covariance, variance
from predictors.experts import CONSTANT_VARIANCE, Expert, SpaceFeatures

MEASUREMENTS = (5, 10, 20)
HELD_OUT = 120
STUDENT_DEGREES = 4.0


@dataclass(frozen=True, kw_only=True)
class Episode:
    """A device to be predicted by an expert that does not know it.

    Attributes:
        expert: Built without the device (its `variances` are ignored).
        latency_ms: N, the device's own table.
    """

    expert: Expert
    latency_ms: FloatArray


def fit_variances(
    episodes: Sequence[Episode],
    features: SpaceFeatures,
    initial: Mapping[str, float],
    *,
    steps: int = 200,
    rate: float = 0.05,
    episodes_per_step: int = 4,
    seed: int = 0,
) -> dict[str, float]:
    """Variances that predict unmeasured networks best, over random episodes.

    The loss is the Student-t negative log-likelihood of held-out networks plus half the log of (1 - correlation):
    scale and ranking both count. One variance per term; one per feature overfits a dozen devices.

    Args:
        episodes: At least one.
        features: N networks.
        initial: Term -> variance to start from.
        steps: Of Adam.
        rate: Its step size, on log variances.
        episodes_per_step: Averaged per step.
        seed: Of episodes and networks drawn.
    """
    rng = np.random.default_rng(seed)
    logs = {name: torch.tensor(float(np.log(value)), requires_grad=True) for name, value in initial.items()}
    optim = torch.optim.Adam(list(logs.values()), lr=rate)
    tensors = _as_tensors(features)
    prepared = [(_expert_tensors(episode.expert), episode.latency_ms) for episode in episodes]
    for _ in range(steps):
        optim.zero_grad()
        variances = {name: value.exp() for name, value in logs.items()}
        losses = []
        for _ in range(episodes_per_step):
            expert, latency_ms = prepared[int(rng.integers(len(prepared)))]
            count = int(rng.choice(MEASUREMENTS))
            drawn = rng.permutation(len(features))[: count + HELD_OUT]
            losses.append(_loss(replace(expert, variances=variances), tensors, latency_ms, drawn, count))  # type: ignore[arg-type]
        torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
        optim.step()
    return {name: float(value.detach().exp()) for name, value in logs.items()}


def _as_tensors(features: SpaceFeatures) -> SpaceFeatures:
    return SpaceFeatures(
        groups={name: torch.tensor(group) for name, group in features.groups.items()},  # type: ignore[misc]
        flat=torch.tensor(features.flat),  # type: ignore[arg-type]
        structure=features.structure,
        work=features.work,
        terms=features.terms,
        amounts=features.amounts,
    )


def _expert_tensors(expert: Expert) -> Expert:
    return replace(
        expert,
        mean=torch.tensor(expert.mean),  # type: ignore[arg-type]
        own=torch.tensor(expert.own),  # type: ignore[arg-type]
        all=torch.tensor(expert.all),  # type: ignore[arg-type]
    )


def _loss(expert: Expert, features: SpaceFeatures, latency_ms: FloatArray, drawn: IntArray, count: int) -> torch.Tensor:
    """Loss of one episode: condition on the first `count` networks drawn, score the others."""
    measured, others = torch.tensor(drawn[:count]), torch.tensor(drawn[count:])
    scale = latency_ms[drawn[:count]].mean()
    target = torch.tensor((latency_ms[drawn] / scale - 1) / expert.spread)
    of = expert.variances
    flat = torch.as_tensor(features.flat)

    def smooth(rows: torch.Tensor) -> torch.Tensor:
        distances = torch.cdist(flat[rows], flat[measured]) ** 2
        return of["smooth"] * torch.exp(-distances / (2 * of["length"]))

    mean = torch.as_tensor(expert.mean)
    inner = torch.as_tensor(covariance(expert, features, measured, measured)) + smooth(measured)  # type: ignore[arg-type]
    outer = torch.as_tensor(covariance(expert, features, others, measured)) + smooth(others)  # type: ignore[arg-type]
    noisy = inner + CONSTANT_VARIANCE + of["noise"] * torch.eye(count, dtype=inner.dtype)
    factor = torch.linalg.cholesky(noisy)
    outer = outer + CONSTANT_VARIANCE
    solved = torch.cholesky_solve((target[:count] - mean[measured])[:, None], factor)[:, 0]
    predicted = mean[others] + outer @ solved
    explained = torch.linalg.solve_triangular(factor, outer.T, upper=False)
    prior = torch.as_tensor(variance(expert, features, others))  # type: ignore[arg-type]
    spread = (prior + CONSTANT_VARIANCE - (explained**2).sum(0) + of["noise"]).clamp_min(1e-9)
    truth = target[count:]
    error = (truth - predicted) ** 2 / spread
    likelihood = (0.5 * spread.log() + (STUDENT_DEGREES + 1) / 2 * torch.log1p(error / STUDENT_DEGREES)).mean()
    left, right = truth - truth.mean(), predicted - predicted.mean()
    correlation = (left @ right) / (left.norm() * right.norm() + 1e-9)
    total: torch.Tensor = likelihood + 0.5 * torch.log(1 - correlation.clamp(-1, 0.99999) + 1e-4)
    return total
