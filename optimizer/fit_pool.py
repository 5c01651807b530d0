"""Designs and devices that the surrogate and the generator are fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from design.counts import model_bytes, training_memory_bytes
from design.device import DeviceProfile
from design.encoding import EncodedDesigns, FloatArray, IntArray
from optimizer.gene_code import GeneCode
from optimizer.observation import log_odds, observe
from optimizer.repair import mask_of, open_mask
from optimizer.starts import uniform_policies
from predictors.accuracy import accuracy_predictor
from predictors.adapt import DEFAULT_ENERGY_MODEL
from predictors.descriptor import Descriptor, describe
from predictors.predict import predict

CHUNK = 512
"""Designs that are predicted together."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some designs of one space for one task.

    Attributes:
        code: Of the space and task.
        hot: N x W.
        own: N x 4, figures that do not depend on the device, see `Surrogate.own_mean`.
    """

    code: GeneCode
    designs: EncodedDesigns
    hot: Tensor
    own: Tensor

    @classmethod
    def of(cls, code: GeneCode, genotypes: IntArray) -> Chunk:
        """Encode genotypes (N x G)."""
        known = code.space.canonical(code.task, genotypes)
        designs = code.space.rows(code.task, known)
        accuracy = accuracy_predictor().predict(designs, None, code.task).median
        own = np.column_stack(
            [
                np.log(model_bytes(designs)),
                np.log(np.maximum(designs.peak_activation_bytes, 1.0)),
                np.log(training_memory_bytes(designs)),
                log_odds(accuracy),
            ]
        )
        return cls(
            code=code,
            designs=designs,
            hot=torch.from_numpy(code.hot(known)),
            own=torch.tensor(own, dtype=torch.float32),
        )

    def costs(self, device: Descriptor) -> Tensor:
        """N x 2, logarithms of latency and energy on a device, by the predictors."""
        found = predict(self.designs, device, self.code.task, energy_model=DEFAULT_ENERGY_MODEL)
        stacked = np.column_stack([found.latency_ms.median, found.energy_mj.median])
        return torch.tensor(np.log(stacked), dtype=torch.float32)


def random_genotypes(code: GeneCode, count: int, rng: np.random.Generator) -> IntArray:
    """Half fully random, half with uniform bits and filters of which a random share is drawn anew, `count` x G."""
    every = open_mask(code.genes)
    uniform = uniform_policies(code.genes, every, count // 2, rng)
    share = 0.5 * rng.random((len(uniform), 1))
    mixed = np.where(rng.random(uniform.shape) < share, every.sample(len(uniform), rng), uniform)
    return np.concatenate([mixed, every.sample(count - len(uniform), rng)])


@dataclass(frozen=True, kw_only=True)
class Park:
    """D devices as the generator sees them, for each of T tasks.

    Attributes:
        devices: D.
        costs: T x D x P x 2.
        accuracy: T x P.
        accuracy_spread: T.
        memory: D x 2.
        allowed: D x W.
    """

    devices: Sequence[Descriptor]
    costs: Tensor
    accuracy: Tensor
    accuracy_spread: Tensor
    memory: Tensor
    allowed: Tensor

    def __len__(self) -> int:
        return len(self.devices)

    @classmethod
    def of(cls, codes: Sequence[GeneCode], profiles: Sequence[DeviceProfile]) -> Park:
        """Observe devices; those that run no precision of some layer are left out."""
        devices, allowed = [], []
        for profile in profiles:
            device = describe(profile)
            mask = mask_of(codes[0].genes, device.supported_bits)
            if mask is not None:
                devices.append(device)
                allowed.append(torch.from_numpy(codes[0].allowed(mask)))
        seen = [[observe(code.space, code.task, one, DEFAULT_ENERGY_MODEL) for one in devices] for code in codes]
        return cls(
            devices=devices,
            costs=torch.stack([_stack([one.costs for one in row]) for row in seen]),
            accuracy=_stack([row[0].accuracy for row in seen]),
            accuracy_spread=torch.tensor([row[0].accuracy_spread for row in seen], dtype=torch.float32),
            memory=_stack([one.memory for one in seen[0]]),
            allowed=torch.stack(allowed),
        )


def _stack(arrays: Sequence[FloatArray]) -> Tensor:
    return torch.tensor(np.stack(arrays), dtype=torch.float32)
