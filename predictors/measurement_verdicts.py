"""Measurement verdicts: which measurements were believed, and why not the others, in words for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from design.encoding import EncodedDesigns, FloatArray, IntArray
from predictors.deviations import NOTHING

Verdict = Literal["used", "down-weighted", "set aside"]
Figure = Literal["latency_ms", "energy_mj"]
UNITS: dict[Figure, str] = {"latency_ms": "ms", "energy_mj": "mJ"}
SMALLER: dict[Figure, str] = {"latency_ms": "microseconds", "energy_mj": "microjoules"}
LARGER: dict[Figure, str] = {"latency_ms": "seconds", "energy_mj": "joules"}
THOUSAND = (300.0, 3000.0)
"""A factor in this range looks like a wrong unit."""
REPEATS_AGREE = 2.0
"""Repeated measurements of one design within this factor are averaged."""
_GRIDS = 10.0 ** np.arange(2, -5, -1)
_LEAST_ON_GRID = 3


@dataclass(frozen=True, kw_only=True)
class MeasurementVerdict:
    """What became of one measurement.

    Attributes:
        position: Among the measurements given.
        figure: Which of the two values.
        verdict: `set aside` ones do not count at all.
        reason: In words.
    """

    position: int
    figure: Figure
    verdict: Verdict
    reason: str


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Measurements of one design together: repeats count once.

    Attributes:
        first: g, position of one measurement of each design.
        group: n, number of the design of each measurement.
        log_value: g, median of the logs.
        ratio: g, largest over smallest.
    """

    first: IntArray
    group: IntArray
    log_value: FloatArray
    ratio: FloatArray


def grouped(designs: EncodedDesigns, values: FloatArray) -> Groups:
    """N measurements by design."""
    _, first, group = np.unique(designs.row_ids, axis=0, return_index=True, return_inverse=True)
    group = np.asarray(group).reshape(-1)
    order = np.lexsort((values, group))
    logs, size = np.log(values[order]), np.bincount(group)
    begin = np.cumsum(size) - size
    middle = (logs[begin + (size - 1) // 2] + logs[begin + size // 2]) / 2
    return Groups(first=first, group=group, log_value=middle, ratio=np.exp(logs[begin + size - 1] - logs[begin]))


def grid_of(values: FloatArray) -> float:
    """Largest power of ten that all values are whole multiples of, one step or more; 0 where nothing tells."""
    if len(np.unique(values)) < _LEAST_ON_GRID:
        return 0.0
    for step in _GRIDS:
        steps = np.round(values / step)
        if bool(np.all((steps >= 1) & (np.abs(values / step - steps) < 1e-6))):
            return float(step)
    return 0.0


def _factor(ratio: float) -> str:
    return f"{ratio:.3g}x" if ratio < 10 else f"{round(ratio):,}x"


def _contradiction(figure: Figure, log_ratio: float) -> str:
    ratio = float(np.exp(abs(log_ratio)))
    if THOUSAND[0] <= ratio <= THOUSAND[1]:
        word = SMALLER[figure] if log_ratio > 0 else LARGER[figure]
        return f"about 1,000x {'above' if log_ratio > 0 else 'below'} what the others say: {word}?"
    return f"contradicts the others by {_factor(ratio)}"


def verdicts(
    figure: Figure, positions: IntArray, values: FloatArray, groups: Groups, left_out: FloatArray, added: FloatArray
) -> list[MeasurementVerdict]:
    """One verdict for each of n measured values.

    Args:
        figure: Latency or energy.
        positions: n, among all measurements given.
        values: n.
        groups: The values by design, g.
        left_out: g, log value that the other designs say.
        added: g, variance that was added to each; NOTHING where set aside.
    """
    unit, found = UNITS[figure], []
    for place, position in enumerate(positions.tolist()):
        own = int(groups.group[place])
        same = values[groups.group == own] if groups.ratio[own] > 1 else values[place : place + 1]
        verdict: Verdict = "used"
        reason = "agrees with the others" if len(groups.first) > 1 else "the only design measured"
        if groups.ratio[own] > REPEATS_AGREE:
            verdict = "down-weighted"
            reason = f"the same network measured {same.min():g} and {same.max():g} {unit}"
        elif len(same) > 1:
            reason = f"one of {len(same)} measurements of the same network: their median counts once"
        if added[own] >= NOTHING:
            verdict, reason = "set aside", _contradiction(figure, groups.log_value[own] - left_out[own])
        elif added[own] > 0 and verdict == "used":
            verdict = "down-weighted"
            reason = _contradiction(figure, groups.log_value[own] - left_out[own])
        found.append(MeasurementVerdict(position=position, figure=figure, verdict=verdict, reason=reason))
    return found


def advice(
    figure: Figure, values: FloatArray, predicted: FloatArray, groups: Groups, grid: float, level: float
) -> Sequence[str]:
    """Sentences about the whole column.

    Args:
        figure: Latency or energy.
        values: n.
        predicted: n, before any measurement.
        groups: The values by design.
        grid: Step of the clock, 0 if not seen.
        level: Mean log deviation from the profile.
    """
    unit, name, count = UNITS[figure], figure.rsplit("_", 1)[0], len(groups.first)
    found = []
    if count == 1:
        found.append(
            f"One design has its {name} measured: it fixes the level of the device, not which designs are fast. "
            "Measure two more that differ."
        )
    elif is_constant(values, predicted):
        found.append(
            f"All {len(values)} measured values of {name} are {values[0]:g} {unit}, although the predictions range "
            f"from {predicted.min():.3g} to {predicted.max():.3g} {unit}: a constant column says little, it counts "
            "for the level only."
        )
    if count == 2 and np.ptp(groups.log_value - np.log(predicted[groups.first])) > np.log(3):
        found.append("Two designs were measured and contradict each other by more than 3x: measure a third.")
    ratio = float(np.exp(abs(level)))
    if ratio >= THOUSAND[0]:
        word = SMALLER[figure] if level > 0 else LARGER[figure]
        found.append(
            f"The measured {name} is about {_factor(ratio)} {'above' if level > 0 else 'below'} what the profile "
            f"predicts: is it in {word}?"
        )
    coarse = grid / (2 * float(np.median(values)))
    if coarse > 0.02:
        found.append(
            f"The clock shows whole steps of {grid:g} {unit}, {coarse:.0%} of a typical value: measure many calls "
            "together, or larger designs."
        )
    return found


def is_constant(values: FloatArray, predicted: FloatArray) -> bool:
    """All the same, though the predictions differ."""
    return len(values) > 2 and np.ptp(values) == 0 and float(predicted.max() / predicted.min()) > 1.5
