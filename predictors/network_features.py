"""Network features: what a whole network looks like to a CPU, whatever the device, in sixteen numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from design.encoding import Column, EncodedDesigns, FloatArray, IntArray
from predictors.layer_terms import CATEGORIES, categories, quantized

NETWORK_FEATURES = (
    "log_macs",
    *(f"share_{name}" for name in CATEGORIES),
    "log_out_elements_per_mac",
    "log_weights_per_mac",
    "log_layers",
    "log_weighted_layers",
    "any_int8",
    "share_int8",
    "log_mean_in_channels",
    "mean_log_positions",
)
LOG_MACS, SHARE_INT8 = 0, NETWORK_FEATURES.index("share_int8")


MOST_KNOWN = 8
"""Sets of layers computed as integers that features are kept for."""


@dataclass(frozen=True)
class _Known:
    """Features of N designs by which layers are computed as integers, kept with the designs."""

    features: dict[bytes, FloatArray]

    def take(self, index: IntArray | NDArray[np.bool_]) -> _Known:
        """Those at `index`."""
        return _Known({which: own[index] for which, own in tuple(self.features.items())})


def network_features(designs: EncodedDesigns, width: IntArray) -> FloatArray:
    """N x NETWORK_FEATURES; shares and `mean_log_positions` are weighted by multiply-adds.

    Worked out once for a set of designs on devices that compute the same layers as integers.

    Args:
        designs: N designs.
        width: R, bits that each distinct layer computes at.
    """
    integers = quantized(designs.rows, width)
    known = designs.facts.setdefault((_Known, len(integers)), _Known({}))
    assert isinstance(known, _Known)
    which = np.packbits(integers > 0).tobytes()
    found = known.features.get(which)
    if found is None:
        found = _features(designs, integers)
        if len(known.features) >= MOST_KNOWN:
            known.features.clear()
        known.features[which] = found
    return found


def _features(designs: EncodedDesigns, integers: FloatArray) -> FloatArray:
    rows = designs.rows
    kind = categories(rows)
    weighted = kind >= 0
    macs = np.where(weighted, rows[:, Column.MACS], 0.0)
    own = np.zeros((len(rows), len(CATEGORIES) + 8))
    own[np.arange(len(rows))[weighted], kind[weighted]] = macs[weighted]
    positions = np.log(np.maximum(rows[:, Column.OUT_POSITIONS], 1.0))
    extra = [
        rows[:, Column.MACS],
        rows[:, Column.OUT_ELEMENTS],
        rows[:, Column.WEIGHTS] + rows[:, Column.BIASES],
        rows[:, Column.OP] > 0,
        weighted,
        integers * macs,
        np.where(weighted, rows[:, Column.IN_CHANNELS], 0.0),
        macs * positions,
    ]
    own[:, len(CATEGORIES) :] = np.stack(extra, axis=1)
    sums = designs.total(own)
    shares, (total, written, weights, layers, count, int8, channels, log_positions) = sums[:, :7], sums[:, 7:].T
    total, count = np.maximum(total, 1.0), np.maximum(count, 1.0)
    columns = [
        np.log(total),
        *(shares / total[:, None]).T,
        np.log(np.maximum(written, 1.0) / total),
        np.log(np.maximum(weights, 1.0) / total),
        np.log(np.maximum(layers, 1.0)),
        np.log(count),
        int8 > 0,
        int8 / total,
        np.log(np.maximum(channels, 1.0) / count),
        log_positions / total,
    ]
    return np.stack(columns, axis=1)
