"""Traffic: bytes that each layer moves on a device, and the share of them that the last level of cache cannot hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from design.encoding import OPS, Column, FloatArray
from design.layer import Op
from predictors.descriptors import AnyDescriptor, anywhere

_FLATTEN = 1 + OPS.index(Op.FLATTEN)


@dataclass(frozen=True)
class Traffic:
    """Of R distinct rows; on several devices each array is D x R, or R where they agree.

    Attributes:
        weights: Bytes of weights, once a call.
        activations: Bytes of inputs and outputs, of the whole batch.
        off_chip: Share of both that comes from main memory.
    """

    weights: FloatArray
    activations: FloatArray
    off_chip: FloatArray

    @classmethod
    def of(cls, rows: FloatArray, device: AnyDescriptor) -> Traffic:
        """Of every distinct row; those that do not run (absent, or a change of shape alone) move nothing."""
        runs = run(rows)
        weights = rows[:, Column.WEIGHTS] * _stored(rows[:, Column.WEIGHT_BITS], device) / 8
        weights = runs * (weights + 8 * rows[:, Column.BATCH_NORM_CHANNELS] + 4 * rows[:, Column.BIASES])
        inputs = rows[:, Column.IN_ELEMENTS] * _stored(rows[:, Column.ACTIVATION_BITS], device)
        outputs = rows[:, Column.OUT_ELEMENTS] * _stored(rows[:, Column.OUT_BITS], device)
        activations = device.batch_size * (runs * (inputs + outputs) / 8)
        return cls(weights, activations, off_chip_share(weights + activations, device))

    def seconds(self, device: AnyDescriptor) -> FloatArray:
        """Time to move it at nominal bandwidths, R: from flash or main memory what the cache cannot hold."""
        held = self.weights + self.activations
        outside = self.off_chip * held
        if anywhere(device.weights_in_flash):
            outside = np.where(device.weights_in_flash, self.off_chip * self.activations + self.weights, outside)
        slow, fast = 1 / device.memory_bytes_per_second, 1 / device.cache_bytes_per_second
        return np.asarray(outside * (slow - fast) + held * fast)


def run(rows: FloatArray) -> NDArray[np.bool_]:
    """Which rows are layers that do something, R: not absent, and no change of shape alone."""
    op = rows[:, Column.OP]
    return np.asarray((op > 0) & (op != _FLATTEN))


def _stored(bits: FloatArray, device: AnyDescriptor) -> FloatArray:
    """Bits that a tensor is moved at: floats as the runtime keeps them, others as planned."""
    return np.minimum(bits, device.float_bits)


def off_chip_share(held_bytes: FloatArray, device: AnyDescriptor) -> FloatArray:
    """Share of a working set that comes from main memory: x^2 / (1 + x^2) with x its size over the cache's."""
    share = np.asarray(held_bytes / device.cache_bytes)
    share *= share
    share /= 1 + share
    return share
