"""Power: energy of calls on a device - operations at its node, bytes by memory level, static power over time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np

from design.device import ARITHMETIC_BITS
from design.encoding import Column, EncodedDesigns, FloatArray
from design.task import Task
from predictors.descriptor import Descriptor, process_factor
from predictors.descriptors import AnyDescriptor, anywhere, figure_of, rows_of
from predictors.energy import (
    EnergyModel,
    elementwise_energy_pj_per_row,
    find_energy_model,
    other_bits_per_row,
    read_bits_per_row,
    weight_bits_per_row,
)
from predictors.peaks import BitPairs
from predictors.predictor import Estimates
from predictors.roofline import executed_table, layer_times, precision_index
from predictors.traffic import off_chip_share

DRAM_EXPONENT = 0.25
"""Off-chip energy follows the process node this much more slowly than logic does (interfaces dominate it)."""


@dataclass(frozen=True)
class LayerEnergies:
    """Joules per call of each distinct row, R each (D x R of several devices)."""

    arithmetic: FloatArray
    memory: FloatArray
    static: FloatArray

    @cached_property
    def total(self) -> FloatArray:
        """Energy of each row, joules."""
        return np.asarray(self.arithmetic + self.memory + self.static)


def _stated_mac_pj(device: Descriptor) -> dict[int, float]:
    """Bits -> pJ per multiply-accumulate as the profile states it for this very device."""
    stated = device.profile.energy_pj_per_mac
    return {bits: getattr(stated, name) for name, bits in ARITHMETIC_BITS.items() if getattr(stated, name) is not None}


@lru_cache(maxsize=256)
def _nominal_mac_pj(model: EnergyModel, supported: BitPairs) -> FloatArray:
    """PJ at 45 nm per multiply-accumulate of each planned precision (see `precision_index`) at the executed one."""
    return model.mac_pj(*executed_table(supported).astype(np.float64))


def _mac_pj(model: EnergyModel, device: Descriptor) -> FloatArray:
    """The same on a device."""
    per_mac = process_factor(device.process_nm) * _nominal_mac_pj(model, device.supported_bits)
    width = executed_table(device.supported_bits).max(axis=0)
    for bits, stated in _stated_mac_pj(device).items():
        per_mac = np.where(width == bits, stated, per_mac)
    return np.asarray(per_mac)


def _arithmetic_pj(rows: FloatArray, model: EnergyModel, device: AnyDescriptor) -> FloatArray:
    """Of the whole batch, at the precision that the device executes."""
    per_mac = rows_of(device, lambda one: _mac_pj(model, one)).take(precision_index(rows), axis=-1)
    factor = figure_of(device, lambda one: process_factor(one.process_nm))
    return np.asarray(
        device.batch_size * (rows[:, Column.MACS] * per_mac + factor * elementwise_energy_pj_per_row(rows))
    )


def _sram_pj(model: EnergyModel, device: Descriptor) -> float:
    """PJ per bit of on-chip memory."""
    stated = device.profile.energy_pj_per_byte_sram
    return model.read_pj_per_bit * process_factor(device.process_nm) if stated is None else stated / 8


def _dram_pj(model: EnergyModel, device: Descriptor) -> float:
    """PJ per bit of main memory."""
    stated = device.profile.energy_pj_per_byte_dram
    nominal = model.dram_pj_per_bit * process_factor(device.process_nm) ** DRAM_EXPONENT
    return nominal if stated is None else stated / 8


def _memory_pj(rows: FloatArray, model: EnergyModel, device: AnyDescriptor) -> FloatArray:
    """Of the whole batch: on-chip if the layer's working set fits the last level, else partly from main memory."""
    held = weight_bits_per_row(rows) + device.batch_size * (read_bits_per_row(rows) + other_bits_per_row(rows))
    share = off_chip_share(held / 8, device)
    if anywhere(device.weights_in_flash):
        share = np.where(device.weights_in_flash, 0.0, share)
    sram, dram = (figure_of(device, partial(of, model)) for of in (_sram_pj, _dram_pj))
    return np.asarray(held * (share * dram + (1 - share) * sram))


def layer_energies(rows: FloatArray, device: AnyDescriptor, model: EnergyModel, latency_s: FloatArray) -> LayerEnergies:
    """Energy of every distinct row on a device, by part; on several devices, D x R (or R where they agree).

    Args:
        rows: R x Column.
        device: Where it runs.
        model: Operation energies at 45 nm; the device's process node scales them, its own figures replace them.
        latency_s: Seconds per call, R or D x R, over which static power is drawn.
    """
    present = rows[:, Column.OP] > 0
    return LayerEnergies(
        arithmetic=1e-12 * present * _arithmetic_pj(rows, model, device),
        memory=1e-12 * present * _memory_pj(rows, model, device),
        static=device.static_w * latency_s,
    )


def energy(designs: EncodedDesigns, energies: LayerEnergies, device: Descriptor) -> Estimates:
    """Energy per call, N, millijoules."""
    median = 1e3 * designs.total(energies.total)
    return Estimates(median=median, spread=np.full(len(designs), device.energy_spread), scale="log")


class ClosedFormEnergy:
    """Energy of a call in millijoules, closed form, under a named energy model."""

    name = "closed_form_energy"
    version = "1"

    def __init__(self, energy_model: str = "horowitz") -> None:
        self.energy_model = energy_model

    def predict(self, designs: EncodedDesigns, device: Descriptor, task: Task) -> Estimates:
        """Energy per call at the device's batch size, N, millijoules."""
        times = layer_times(designs.rows, device)
        return energy(
            designs, layer_energies(designs.rows, device, find_energy_model(self.energy_model), times.total), device
        )
