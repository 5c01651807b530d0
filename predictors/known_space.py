"""KnownSpace: what is known of a space from the devices measured on it, ready to meet a new device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from design.encoding import FloatArray, IntArray
from design.errors import BespokeError
from predictors.experts import Expert, Source, SpaceFeatures, expert_from, physical_expert
from predictors.mixture import Posterior, posterior

PENALTY = 30.0
"""Ridge penalty of the devices' functions, on standardised features."""
CLIP = 0.995
"""Latencies above this quantile are taken as disturbances when fitting a device's function."""
FLOOR = 0.5
"""A device's function never falls below this share of its smallest latency."""
PHYSICAL_LOG_WEIGHT = 3.0
"""Chosen on left-out source devices of the FBNet table, 10 and 20 measurements, unlike devices and like ones."""
PRUNED_LOG_WEIGHT = 0.0
"""Of experts that believe the runtime leaves out dead parts. Chosen on left-out source devices of NAS-Bench-201: as
likely as the others."""


class UnusableMeasurements(BespokeError):
    """Measurements that say nothing: none, not positive, not finite."""


@dataclass(frozen=True, kw_only=True)
class SourceFunction:
    """A known device's relative latency, linear in a space's structure features.

    Attributes:
        weights: S + 1, the last one is the constant.
        floor: Least value.
        level_ms: Mean latency over the networks it was fitted on.
    """

    name: str
    chip: str
    kind: str
    weights: FloatArray
    floor: float
    level_ms: float

    def on(self, features: SpaceFeatures) -> Source:
        """The function's values on networks."""
        values = features.structure @ self.weights[:-1] + self.weights[-1]
        return Source(name=self.name, chip=self.chip, kind=self.kind, values=np.maximum(values, self.floor))


def fit_sources(
    features: SpaceFeatures, rows: Mapping[str, FloatArray], kinds: Mapping[str, str], chips: Mapping[str, str]
) -> list[SourceFunction]:
    """Ridge functions of many devices with one factorisation; rows with missing values use their own networks.

    Args:
        features: N networks.
        rows: Device -> N latencies, NaN = no value.
        kinds: Device -> class of devices.
        chips: Device -> chip.
    """
    design = np.column_stack([features.structure, np.ones(len(features))])
    penalty = PENALTY * np.eye(design.shape[1])
    whole = np.linalg.inv(design.T @ design + penalty)
    found = []
    for name, latency in rows.items():
        valid = np.isfinite(latency) & (latency > 0)
        clipped = np.minimum(latency[valid], np.quantile(latency[valid], CLIP))
        used = design[valid]
        inverse = whole if valid.all() else np.linalg.inv(used.T @ used + penalty)
        weights = inverse @ (used.T @ clipped)
        floor = FLOOR * float(clipped.min())
        mean = float(np.maximum(design @ weights, floor).mean())
        found.append(
            SourceFunction(
                name=name,
                chip=chips[name],
                kind=kinds[name],
                weights=weights / mean,
                floor=floor / mean,
                level_ms=mean,
            )
        )
    return found


@dataclass(frozen=True, kw_only=True)
class KnownSpace:
    """Everything needed to predict a new device on a space from a few measurements.

    Attributes:
        name: Of the space's table.
        sources: Known devices.
        variances: `far`, `near`, `physical` -> term -> variance.
        spreads: Expert name -> spread of its mean over a reference population.
        physical: Whether the expert without known devices takes part.
        widening: Factor on standard deviations that makes intervals hold on left-out devices.
    """

    name: str
    sources: tuple[SourceFunction, ...]
    variances: Mapping[str, Mapping[str, float]]
    spreads: Mapping[str, float]
    physical: bool
    widening: float = 1.0

    def experts(self, features: SpaceFeatures) -> list[Expert]:
        """All experts, evaluated on networks: everyone, each class of devices, and physics alone."""
        found = self._experts_on(features)
        if features.pruned is not None:
            aside = self._experts_on(features.pruned)
            found += [replace(one, pruned=True, log_weight=PRUNED_LOG_WEIGHT) for one in aside]
        if self.physical:
            found.append(physical_expert(features, self.variances["physical"], PHYSICAL_LOG_WEIGHT))
        return found

    def _experts_on(self, features: SpaceFeatures) -> list[Expert]:
        """Those that know devices; all their functions in one product."""
        weights = np.stack([source.weights for source in self.sources])
        values = weights[:, :-1] @ features.structure.T + weights[:, -1:]
        values = np.maximum(values, np.array([source.floor for source in self.sources])[:, None])
        known = [
            Source(name=source.name, chip=source.chip, kind=source.kind, values=row)
            for source, row in zip(self.sources, values, strict=True)
        ]
        found = [expert_from("far", known, known, self.spreads.get("far"), self.variances["far"])]
        for kind in sorted({source.kind for source in known}):
            members = [source for source in known if source.kind == kind]
            found.append(expert_from(kind, members, known, self.spreads.get(kind), self.variances["near"]))
        return found

    def posterior(
        self, features: SpaceFeatures, measured: IntArray, latency_ms: FloatArray, query: IntArray
    ) -> Posterior:
        """Predict the networks `query` from measurements of the networks `measured`.

        Args:
            features: N networks.
            measured: n indices into them; one network may stand several times.
            latency_ms: n.
            query: Q indices.

        Raises:
            UnusableMeasurements: None, a count that does not fit, or a value that is not finite and above 0.
        """
        _check(measured, latency_ms)
        found = posterior(self.experts(features), features, measured, latency_ms, query)
        return replace(found, variance_ms2=found.variance_ms2 * self.widening**2)


def _check(measured: IntArray, latency_ms: FloatArray) -> None:
    if len(measured) == 0 or len(measured) != len(latency_ms):
        raise UnusableMeasurements(
            "there must be at least one measurement, each of one network",
            f"{len(latency_ms)} latencies of {len(measured)} networks",
        )
    bad = np.flatnonzero(~(np.isfinite(latency_ms) & (latency_ms > 0)))
    if len(bad):
        raise UnusableMeasurements(
            "every measured latency must be finite and above 0 ms",
            f"{latency_ms[bad[0]]} at position {bad[0]}",
            "Leave out runs that failed: profilers report them as 0.",
        )
