"""Network features: what a whole network looks like to a CPU, whatever the device, in sixteen numbers."""

from __future__ import annotations

import numpy as np

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


def network_features(designs: EncodedDesigns, width: IntArray) -> FloatArray:
    """N x NETWORK_FEATURES; shares and `mean_log_positions` are weighted by multiply-adds.

    Args:
        designs: N designs.
        width: R, bits that each distinct layer computes at.
    """
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
        quantized(rows, width) * macs,
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
