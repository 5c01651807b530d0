"""Design traits: what a device may deviate in - the level, where the time of a design goes, and how the design looks.

Deviations of log latency or energy from the prediction are taken as linear in these, each with a variance of its own:
a closed form for any number of measurements.
"""

from __future__ import annotations

import numpy as np

from design.encoding import Column, EncodedDesigns, FloatArray
from predictors.descriptor import Descriptor
from predictors.layer_terms import PARTS, categories, quantized
from predictors.roofline import LayerTimes, executed_width

SHAPES = ("log_macs", "log_layers", "log_elements_per_mac", "log_weights_per_mac")
TRAITS = ("level", *PARTS, "low_bits", *SHAPES)
SCATTER = ("any", "concentration", "low_bits")
"""What the variance of one design around its traits is linear in: errors of single layers average out over a network,
and low precision scatters more."""
_TYPICAL = np.array([18.0, 3.5, -4.0, -4.0])
"""Of SHAPES; the level is that of a design like this."""
_PART = {name: place for place, name in enumerate(PARTS)}


def part_seconds(rows: FloatArray, times: LayerTimes, device: Descriptor) -> FloatArray:
    """Seconds of every distinct row by part, R x PARTS: a layer that waits for memory counts as memory."""
    kind, width = categories(rows), executed_width(rows, device)
    weighted, work = kind >= 0, np.maximum(times.compute, times.memory)
    moved = np.where(weighted, _PART["weighted_elements"], _PART["elements"])
    part = np.where(weighted & (times.compute >= times.memory), kind, moved)
    part = np.where((quantized(rows, width) > 0) & (times.compute >= times.memory), _PART["int8"], part)
    held = rows[:, Column.WEIGHTS] > rows[:, Column.IN_ELEMENTS] + rows[:, Column.OUT_ELEMENTS]
    part = np.where(weighted & held & (times.compute < times.memory), _PART["weights"], part)
    found = np.zeros((len(rows), len(PARTS)))
    found[np.arange(len(rows)), part] = work
    found[:, _PART["overhead"]] += times.overhead
    return found


def design_traits(designs: EncodedDesigns, times: LayerTimes, device: Descriptor) -> FloatArray:
    """N x TRAITS: 1, shares of time by part, share of time at 8 bits or fewer, and logs of the totals."""
    rows = designs.rows
    width = executed_width(rows, device)
    low = times.total * ((width > 0) & (width <= 8))
    parts = np.column_stack([part_seconds(rows, times, device), low])
    total = np.maximum(designs.total(times.total), np.finfo(np.float64).tiny)
    shares = designs.total(np.ascontiguousarray(parts)) / total[:, None]
    macs = np.maximum(designs.total(rows[:, Column.MACS]), 1.0)
    layers = designs.total((rows[:, Column.OP] > 0).astype(np.float64))
    written = designs.total(rows[:, Column.OUT_ELEMENTS])
    weights = designs.total(rows[:, Column.WEIGHTS])
    logs = [np.log(macs), np.log(np.maximum(layers, 1.0))]
    logs += [np.log(np.maximum(written, 1.0) / macs), np.log(np.maximum(weights, 1.0) / macs)]
    return np.column_stack([np.ones(len(designs)), shares, np.stack(logs, axis=1) - _TYPICAL])


def scatter_terms(designs: EncodedDesigns, times: LayerTimes, traits: FloatArray) -> FloatArray:
    """N x SCATTER: 1, sum of squared shares of time by layer (1 for a single layer), share of time at low precision.

    Args:
        designs: N.
        times: Of their rows.
        traits: N x TRAITS, of the same.
    """
    total = np.maximum(designs.total(times.total), np.finfo(np.float64).tiny)
    concentration = designs.total(times.total**2) / total**2
    return np.column_stack([np.ones(len(designs)), concentration, traits[:, TRAITS.index("low_bits")]])
