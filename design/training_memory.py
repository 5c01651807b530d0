"""What one training step keeps in memory: every variable, how long it lives and at how many bits.

After the memory model of Wang et al. (arXiv 2102.04270, ACM TECS 2023). What each layer with weights reads is held from
the forward to the backward step; two buffers of the largest layer come and go (its output or the gradient of what it
reads; the gradient of its output); weights, their gradients and momenta; per normalised channel mean, deviation, shift
and the gradient of the shift; masks of max pools. Binary layers may keep all of it at fewer bits; layers that are not
binary stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from design.encoding import OPS, Column, EncodedDesigns, FloatArray, IntArray
from design.layer import Op

POOL_MAX = 1 + OPS.index(Op.POOL_MAX)
TRAINING_BATCH_SIZE = 32
FULL_BITS = 32


class TrainingOptim(StrEnum):
    """What steps the weights.

    BOP has no latent weights: a binary weight is one bit with one momentum (Helwegen et al., arXiv 1906.02107); layers
    that are not binary are stepped by Adam then.
    """

    ADAM = "adam"
    SGD = "sgd"
    BOP = "bop"


class Lifetime(StrEnum):
    """From when to when a variable is alive."""

    ALWAYS = "always"
    STEP = "step"
    LAYER = "layer"


class Variable(StrEnum):
    """What is stored: the letters are those of the paper."""

    INPUTS = "X"
    OUTPUTS = "Y, dX"
    OUTPUT_GRADIENTS = "dY"
    STATISTICS = "mu, psi"
    WEIGHTS = "W"
    WEIGHT_GRADIENTS = "dW"
    SHIFTS = "beta, dbeta"
    MOMENTA = "momenta"
    MASKS = "pool masks"


LIFETIMES: dict[Variable, Lifetime] = {
    Variable.INPUTS: Lifetime.STEP,
    Variable.OUTPUTS: Lifetime.LAYER,
    Variable.OUTPUT_GRADIENTS: Lifetime.LAYER,
    Variable.STATISTICS: Lifetime.STEP,
    Variable.WEIGHTS: Lifetime.ALWAYS,
    Variable.WEIGHT_GRADIENTS: Lifetime.STEP,
    Variable.SHIFTS: Lifetime.ALWAYS,
    Variable.MOMENTA: Lifetime.ALWAYS,
    Variable.MASKS: Lifetime.STEP,
}


@dataclass(frozen=True, kw_only=True)
class TrainingMethod:
    """Bits of everything that a binary layer keeps; 32 each is standard training.

    Attributes:
        input_bits: Of a value that is read as a sign.
        gradient_bits: Of outputs of layers, and of gradients of activations.
        state_bits: Of latent weights and momenta.
        weight_gradient_bits: Of gradients of weights.
        norm_bits: Of statistics and shifts of norms.
        mask_bits: Of max pools, for each element that they read.
        real_inputs: Values that a layer with binary weights reads as they are (the picture) are held as such; the
            published table counts them as signs.
        second_moment: Adam's second momentum is stored. With one-bit gradients it is the same known number for all
            weights of a layer.
    """

    input_bits: float = FULL_BITS
    gradient_bits: float = FULL_BITS
    state_bits: float = FULL_BITS
    weight_gradient_bits: float = FULL_BITS
    norm_bits: float = FULL_BITS
    mask_bits: float = FULL_BITS
    real_inputs: bool = True
    second_moment: bool = True


STANDARD = TrainingMethod()
"""float32 throughout."""
PUBLISHED = TrainingMethod(
    input_bits=1,
    gradient_bits=16,
    state_bits=16,
    weight_gradient_bits=1,
    norm_bits=16,
    mask_bits=1,
    real_inputs=False,
)
"""As the paper counts."""
LOW_MEMORY = TrainingMethod(
    input_bits=2,
    gradient_bits=16,
    state_bits=16,
    weight_gradient_bits=1,
    mask_bits=0.5,
    second_moment=False,
)
"""As networks train here: a second bit for each sign says where its gradient passes; of a pool of 2 x 2 the place of
each maximum is kept in two bits; norms stay at 32 bits."""


def variable_bytes(
    designs: EncodedDesigns,
    *,
    batch_size: int = TRAINING_BATCH_SIZE,
    method: TrainingMethod = STANDARD,
    optim: TrainingOptim = TrainingOptim.ADAM,
) -> dict[Variable, FloatArray]:
    """Bytes of every variable, N each.

    Args:
        designs: N.
        batch_size: Pictures in a step.
        method: Bits of what binary layers keep.
        optim: What steps the weights.
    """
    per_picture, fixed = _parts(designs, method, optim)
    return {
        name: np.asarray(batch_size * per_picture.get(name, 0.0) + fixed.get(name, 0.0) + np.zeros(len(designs)))
        for name in Variable
    }


def training_bytes(
    designs: EncodedDesigns,
    *,
    batch_size: int = TRAINING_BATCH_SIZE,
    method: TrainingMethod = STANDARD,
    optim: TrainingOptim = TrainingOptim.ADAM,
) -> FloatArray:
    """Memory of one training step, N bytes; arguments as of `variable_bytes`."""
    per_picture, fixed = _parts(designs, method, optim)
    return np.asarray(batch_size * sum(per_picture.values()) + sum(fixed.values()))


def largest_batch(
    designs: EncodedDesigns,
    limit_bytes: float,
    *,
    method: TrainingMethod = STANDARD,
    optim: TrainingOptim = TrainingOptim.ADAM,
) -> IntArray:
    """Most pictures in a step whose memory is at most `limit_bytes`, N; 0 where not even one fits."""
    per_picture, fixed = _parts(designs, method, optim)
    left = limit_bytes - sum(fixed.values())
    return np.maximum(np.floor(left / np.maximum(sum(per_picture.values()), 1e-9)), 0).astype(np.int64)


def _parts(
    designs: EncodedDesigns, method: TrainingMethod, optim: TrainingOptim
) -> tuple[dict[Variable, FloatArray], dict[Variable, FloatArray]]:
    """Bytes of each variable per picture and beside pictures, N each."""
    rows = designs.rows
    weighted, pool = rows[:, Column.WEIGHT_BITS] > 0, rows[:, Column.OP] == POOL_MAX
    binary_weights = rows[:, Column.WEIGHT_BITS] == 1
    reads_signs = weighted & (rows[:, Column.ACTIVATION_BITS] == 1)
    gives_signs = rows[:, Column.OUT_BITS] == 1
    binary = weighted & (binary_weights | reads_signs | gives_signs)

    as_signs = reads_signs | (binary_weights & (not method.real_inputs))
    held = weighted * rows[:, Column.IN_ELEMENTS] * np.where(as_signs, method.input_bits, FULL_BITS)
    masks = pool * rows[:, Column.IN_ELEMENTS] * np.where(gives_signs, method.mask_bits, FULL_BITS)
    either = np.maximum(rows[:, Column.IN_ELEMENTS], rows[:, Column.OUT_ELEMENTS])
    transient = designs.largest(np.where(weighted, either * np.where(binary, method.gradient_bits, FULL_BITS), 0.0)) / 8
    weights, biases = rows[:, Column.WEIGHTS], rows[:, Column.BIASES] * FULL_BITS
    stored = np.where(binary_weights, method.state_bits, FULL_BITS)
    latent = np.where(binary_weights, 1.0, FULL_BITS) if optim is TrainingOptim.BOP else stored
    gradients = np.where(binary_weights, np.minimum(method.weight_gradient_bits, method.state_bits), FULL_BITS)
    both = 1.0 if optim is TrainingOptim.SGD else 2.0
    one_bit = method.weight_gradient_bits == 1 and not method.second_moment
    momenta = np.where(binary_weights & (one_bit or optim is TrainingOptim.BOP), 1.0, both)
    channels = 2 * rows[:, Column.BATCH_NORM_CHANNELS] * np.where(binary, method.norm_bits, FULL_BITS)
    columns = [
        held,
        masks,
        channels,
        weights * latent + biases,
        weights * gradients + biases,
        weights * stored * momenta + biases * both,
    ]
    inputs, kept_masks, norms, own, own_gradients, own_momenta = designs.total(np.stack(columns, axis=1)).T / 8
    per_picture = {
        Variable.INPUTS: inputs,
        Variable.MASKS: kept_masks,
        Variable.OUTPUTS: transient,
        Variable.OUTPUT_GRADIENTS: transient,
    }
    fixed = {
        Variable.STATISTICS: norms,
        Variable.SHIFTS: norms,
        Variable.WEIGHTS: own,
        Variable.WEIGHT_GRADIENTS: own_gradients,
        Variable.MOMENTA: own_momenta,
    }
    return per_picture, fixed
