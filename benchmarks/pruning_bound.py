"""The theorem of sampled filters held against draws: how often its bound fails, how tight it is, what it assumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from networks.network import Network
from networks.pruning.bound import BERNSTEIN, BoundOptions, logarithm, samples_for
from networks.pruning.decision import families_of
from networks.pruning.estimate import relative_errors
from networks.pruning.families import Families
from networks.pruning.sampling import distribution, draw_samples, expected_distinct
from networks.pruning.sensitivity import Sensitivities, parts_of, sensitivities, shares_by_picture
from networks.pruning.shares import Piece

EPSILONS = (0.5, 0.9)
DRAWS = 200
FloatArray = NDArray[np.float64]


def bound_study(
    network: Network,
    looked_at: Sequence[Tensor],
    held: Sequence[Tensor],
    *,
    epsilons: Sequence[float] = EPSILONS,
    options: BoundOptions = BERNSTEIN,
) -> dict[str, Any]:
    """Draw filters anew for every held-out picture; compare every same-sign sum of every layer with its bound.

    Every layer is drawn for by itself, with the sample size of the theorem for its own sensitivities, and reads what
    the whole network gives it. One draw is one picture and one set of channels.

    Args:
        network: Trained.
        looked_at: Batches for the sensitivities.
        held: Batches that were not looked at.
        epsilons: Relative errors allowed, below 1; the first one's figures are also the headline.
        options: Constants of the bound.

    Returns:
        violations: Share of draws with a sum off by more than epsilon, in the layer where it is largest.
        violations_mean: The same, mean over layers.
        tightness: Mean over layers and draws of the largest error over epsilon.
        assumption_failures: Share of (picture, layer) where a share exceeds K times its sensitivity.
    """
    found = families_of(network)
    seen = sensitivities(network, found, looked_at)
    shown = shares_by_picture(network, found, held)
    failures = {
        name: np.any(
            [
                (own > options.slack * limit + 1e-6).any(1)
                for own, limit in zip(shown[name], seen.layers[name], strict=True)
            ],
            axis=0,
        )
        for name in found.readers
    }
    by_epsilon = {f"{round(100 * one)}": _draws(network, found, seen, held, one, options) for one in epsilons}
    headline = next(iter(by_epsilon.values()))
    return {
        **{name: headline[name] for name in ("violations", "violations_mean", "tightness", "epsilon")},
        "delta": options.delta,
        "draws": sum(len(images) for images in held),
        "pictures": seen.pictures,
        "assumption_failures": float(np.mean([own.mean() for own in failures.values()])),
        "assumption_failures_by_layer": {name: float(own.mean()) for name, own in failures.items()},
        "by_epsilon_percent": by_epsilon,
    }


def _draws(
    network: Network,
    found: Families,
    seen: Sensitivities,
    held: Sequence[Tensor],
    epsilon: float,
    options: BoundOptions,
) -> dict[str, Any]:
    """Errors of one epsilon."""
    random = np.random.default_rng(0)
    samples, layers = {}, {}
    for name in found.readers:
        layer = network.architecture.layer(name)
        own = np.concatenate(seen.layers[name])
        log = logarithm(layer, options, unsigned=name in found.unsigned)
        samples[name] = math.ceil(samples_for(epsilon, float(own.sum()), log, options))
        layers[name] = {
            "sensitivity": float(own.sum()),
            "samples": samples[name],
            "distinct": expected_distinct(distribution(own), samples[name]),
            "channels": len(own),
        }
    errors: dict[str, list[FloatArray]] = {name: [] for name in found.readers}

    def look(name: str, part: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        del output
        pieces, own = found.readers[name], seen.layers[name]
        drawn = _drawn(own, samples[name], len(given[0]), random)
        errors[name].append(relative_errors(part, given[0], pieces, _split(drawn, pieces)))

    hooks = [
        part.register_forward_hook(partial(look, name)) for name, part in parts_of(network, found.readers, None).items()
    ]
    try:
        with torch.inference_mode():
            for images in held:
                network(images)
    finally:
        for hook in hooks:
            hook.remove()
    for name, parts in errors.items():
        own = np.concatenate(parts)
        layers[name] |= {
            "violations": float((own > epsilon).mean()),
            "error_mean": float(own.mean()),
            "error_largest": float(own.max()),
        }
    return {
        "epsilon": epsilon,
        "violations": max(one["violations"] for one in layers.values()),
        "violations_mean": float(np.mean([one["violations"] for one in layers.values()])),
        "tightness": float(np.mean([one["error_mean"] for one in layers.values()])) / epsilon,
        "distinct_share": float(np.mean([one["distinct"] / one["channels"] for one in layers.values()])),
        "layers": layers,
    }


def _drawn(scores: Sequence[FloatArray], samples: int, pictures: int, random: np.random.Generator) -> FloatArray:
    """Factors of all channels, a draw of its own for each picture: N x C."""
    probabilities = distribution(np.concatenate(scores))
    return np.stack([draw_samples(probabilities, samples, random) for _ in range(pictures)])


def _split(drawn: FloatArray, pieces: Sequence[Piece]) -> list[FloatArray]:
    return np.split(drawn, np.cumsum([piece.width for piece in pieces])[:-1], axis=1)
