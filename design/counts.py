"""What a design weighs: MACs, bit-operations, packed bytes, activation and training memory. Exact, no prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from design.activation_steps import PROJECTIONS
from design.design import Design
from design.encoding import OPS, Column, EncodedDesigns, FloatArray, encode_designs
from design.layer import Op
from design.policies import full_precision
from design.training_memory import LOW_MEMORY, TRAINING_BATCH_SIZE, training_bytes


@dataclass(frozen=True, kw_only=True)
class CountOptions:
    """What counts as stored beside the packed weights; papers differ, so every part can be switched.

    Attributes:
        batch_norm_floats: 32-bit values per normalised channel: 2 as deployed (folded scale and shift), 4 as in
            checkpoints (mean, variance, scale, shift), 0 to leave batch norms out.
        scales: One 32-bit scale per filter of a layer with weights under 16 bits.
        biases: Biases, at 32 bits.
        activation_steps: The learned steps of activations, at 32 bits (`design.activation_steps`).
    """

    batch_norm_floats: int = 2
    scales: bool = True
    biases: bool = True
    activation_steps: bool = True


DEPLOYED = CountOptions()
_ATTENTION = 1 + OPS.index(Op.ATTENTION)


def model_bytes_per_row(rows: FloatArray, options: CountOptions = DEPLOYED) -> FloatArray:
    """Packed bytes of each distinct layer, R: weights at their bits, rounded up to whole bytes per layer.

    Packed files (`networks.packing`) have 17 bytes more, and what pads read in networks that were cut.
    """
    bits = rows[:, Column.WEIGHT_BITS]
    parts = np.where(rows[:, Column.OP] == _ATTENTION, PROJECTIONS, 1)
    size = parts * np.ceil(rows[:, Column.WEIGHTS] / parts * bits / 8)
    size = size + 4 * options.batch_norm_floats * rows[:, Column.BATCH_NORM_CHANNELS]
    if options.scales:
        size = size + 4 * parts * rows[:, Column.OUT_CHANNELS] * ((bits > 0) & (bits < 16))
    if options.biases:
        size = size + 4 * rows[:, Column.BIASES]
    if options.activation_steps:
        size = size + 4 * rows[:, Column.ACTIVATION_STEPS]
    return np.asarray(size)


def model_bytes(designs: EncodedDesigns, options: CountOptions = DEPLOYED) -> FloatArray:
    """Packed size of each design's weights, N bytes."""
    return designs.total(model_bytes_per_row(designs.rows, options))


def macs(designs: EncodedDesigns) -> FloatArray:
    """Multiply-accumulates per picture, N."""
    return designs.total(designs.column(Column.MACS))


def parameters(designs: EncodedDesigns) -> FloatArray:
    """Trainable values (weights, biases, scale and shift of batch norms), N."""
    rows = designs.rows
    return designs.total(rows[:, Column.WEIGHTS] + rows[:, Column.BIASES] + 2 * rows[:, Column.BATCH_NORM_CHANNELS])


def bit_operations(designs: EncodedDesigns) -> FloatArray:
    """Sum over layers of MACs x weight bits x activation bits (BOPs), N."""
    rows = designs.rows
    return designs.total(rows[:, Column.MACS] * rows[:, Column.WEIGHT_BITS] * rows[:, Column.ACTIVATION_BITS])


def training_memory_bytes(designs: EncodedDesigns, batch_size: int = TRAINING_BATCH_SIZE) -> FloatArray:
    """Memory of one standard training step, N bytes: float32 throughout, Adam (see `design.training_memory`)."""
    return training_bytes(designs, batch_size=batch_size)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The counts of one design (pruned), per picture.

    Attributes:
        low_memory_training_bytes: Of a training step that keeps bits where layers are binary (`LOW_MEMORY`).
        memory_compression: Bytes of the unpruned network at 32 bits over `model_bytes`, both without scales.
    """

    macs: int
    parameters: int
    bit_operations: int
    model_bytes: int
    peak_activation_bytes: int
    training_memory_bytes: int
    low_memory_training_bytes: int
    memory_compression: float


def count(design: Design, options: CountOptions = DEPLOYED) -> Counts:
    """All counts of one design."""
    encoded = encode_designs([design])
    size = model_bytes(encoded, options)[0]
    full = encode_designs([Design(architecture=design.architecture, policy=full_precision(design.architecture))])
    return Counts(
        macs=int(macs(encoded)[0]),
        parameters=int(parameters(encoded)[0]),
        bit_operations=int(bit_operations(encoded)[0]),
        model_bytes=int(size),
        peak_activation_bytes=int(encoded.peak_activation_bytes[0]),
        training_memory_bytes=int(training_memory_bytes(encoded)[0]),
        low_memory_training_bytes=int(training_bytes(encoded, method=LOW_MEMORY)[0]),
        memory_compression=float(model_bytes(full, options)[0] / size),
    )
