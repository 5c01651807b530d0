"""Fits a network without labels, in whole: the second method of arXiv 2009.00278, beside the shipped networks.

Fit a surrogate to the predictors and the network to the surrogate, let it propose, and fit both again where it
proposes. `benchmarks.optimizer` compares what comes out with the networks fitted to labels (docs/decisions/0015).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from optimizer.fit_by_gradient import fit_generator, proposed
from optimizer.fit_pool import CHUNK, Chunk, Park, random_genotypes
from optimizer.fit_surrogate import centre, fit_surrogate, held_out_error
from optimizer.gene_code import GeneCode
from optimizer.generator import Generator
from optimizer.surrogate import COSTS, Surrogate
from optimizer.synthetic_profiles import synthetic_profiles


@dataclass(frozen=True, kw_only=True)
class WithoutLabels:
    """How much is fitted.

    Attributes:
        devices, validation: Synthetic profiles.
        chunks: Of designs for each task.
        surrogate_steps, generator_steps: First fit, second fit.
    """

    devices: int = 1200
    validation: int = 60
    chunks: int = 40
    surrogate_steps: tuple[int, int] = (2500, 1500)
    generator_steps: tuple[int, int] = (1200, 2500)


def fit_without_labels(
    codes: Sequence[GeneCode], options: WithoutLabels, seed: int, say: Callable[[str], None]
) -> tuple[Generator, tuple[float, float, float]]:
    """A network for tasks whose genes are the same; and the median errors of the surrogate it was led by.

    The errors are of log latency, log energy and log odds of accuracy, on devices and designs it was not fitted on.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    known = [code.task for code in codes]
    park = Park.of(codes, synthetic_profiles(options.devices, seed))
    unseen = Park.of(codes, synthetic_profiles(options.validation, seed + 1))
    chunks = [Chunk.of(code, random_genotypes(code, CHUNK, rng)) for code in codes for _ in range(options.chunks)]
    aside = [Chunk.of(code, random_genotypes(code, CHUNK, rng)) for code in codes for _ in range(2)]
    surrogate = Surrogate(codes[0].width)
    generator = Generator(codes[0].width, int(codes[0].sizes[0]))
    centre(surrogate, chunks)
    generator.centre.copy_(torch.cat([torch.zeros(COSTS), surrogate.own_mean]))
    for steps, again in zip(options.surrogate_steps, options.generator_steps, strict=True):
        fit_surrogate(surrogate, chunks, park, known, steps=steps, rng=rng, progress=say)
        fit_generator(generator, surrogate, codes, chunks, park, steps=again, rng=rng, progress=say)
        for number, code in enumerate(codes):
            hot = torch.cat([chunk.hot for chunk in chunks if chunk.code is code])
            for _ in range(options.chunks):
                found = proposed(generator, surrogate, code, number, hot, park, CHUNK, rng)
                chunks.append(Chunk.of(code, found))
    return generator.eval().requires_grad_(False), held_out_error(surrogate, aside, unseen, known)
