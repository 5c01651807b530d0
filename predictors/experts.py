"""Experts: prior beliefs about a new device's latency over one space, each built from a set of known devices.

In linear time, relative to the mean of the networks measured: `y = t / mean(t) - 1`. An expert says

    y ~ N(m, a m m' + b D_own D_own' + c D_all D_all' + sum_g v_g F_g F_g' + v exp(-|f - f'|^2 / 2 l^2) + 25)

in units of the spread of `m` over networks: `m` is the mean of its known devices' functions, `D` their deviations
from it (a chip counts once, however many settings it has), `F_g` groups of features. The wide constant leaves the
scale to the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from design.encoding import FloatArray, IntArray
from predictors.amounts import Amount

CONSTANT_VARIANCE = 25.0
LINEAR_TERMS = ("mean", "own", "all")


@dataclass(frozen=True, kw_only=True)
class SpaceFeatures:
    """N networks of one space in numbers.

    Attributes:
        groups: Name -> N x K_g, standardised, each divided by the root of its number of columns.
        flat: N x F, what distances are measured in.
        structure: N x S, what the known devices' functions are linear in.
        work: N, arithmetic + traffic + launches, each relative to its mean, standardised: what a device known by
            nothing but physics feels.
        terms: N x T non-negative amounts: each kind of arithmetic, then weights, traffic, launches.
        amounts: N x `amounts.Amount`, what a descriptor gives prices to.
        pruned: The same networks without the parts that do not reach their output, as some runtimes execute them;
            None where a space has no such parts.
    """

    groups: Mapping[str, FloatArray]
    flat: FloatArray
    structure: FloatArray
    work: FloatArray
    terms: FloatArray
    amounts: FloatArray
    pruned: SpaceFeatures | None = None

    def __len__(self) -> int:
        return len(self.flat)

    @property
    def arithmetic(self) -> FloatArray:
        """All kinds of arithmetic together, N."""
        return np.asarray(self.terms[:, :-3].sum(axis=1))

    @property
    def traffic(self) -> FloatArray:
        """Activations read and written, N."""
        return np.asarray(self.terms[:, -2])

    @property
    def pool_macs(self) -> FloatArray:
        """Multiply-adds of pools if they ran as dense convolutions, N."""
        return np.asarray(self.amounts[:, Amount.POOL_MACS])

    @classmethod
    def stacked(cls, parts: Sequence[SpaceFeatures]) -> SpaceFeatures:
        """The networks of all parts, in their order; with pruned ones if all parts have them."""
        pruned = [part.pruned for part in parts if part.pruned is not None]
        return cls(
            groups={name: np.concatenate([part.groups[name] for part in parts]) for name in parts[0].groups},
            flat=np.concatenate([part.flat for part in parts]),
            structure=np.concatenate([part.structure for part in parts]),
            work=np.concatenate([part.work for part in parts]),
            terms=np.concatenate([part.terms for part in parts]),
            amounts=np.concatenate([part.amounts for part in parts]),
            pruned=cls.stacked(pruned) if len(pruned) == len(parts) else None,
        )

    def take(self, index: IntArray) -> SpaceFeatures:
        """The networks at `index`."""
        return SpaceFeatures(
            groups={name: group[index] for name, group in self.groups.items()},
            flat=self.flat[index],
            structure=self.structure[index],
            work=self.work[index],
            terms=self.terms[index],
            amounts=self.amounts[index],
            pruned=None if self.pruned is None else self.pruned.take(index),
        )


@dataclass(frozen=True, kw_only=True)
class Source:
    """A known device: its latency as a smooth function of the space, divided by its mean.

    Attributes:
        name: Row of the measured table.
        chip: Settings of one chip share it.
        kind: Class of devices that behave alike (e.g. GPU at batch 1).
        values: N, relative latency of the networks at hand.
    """

    name: str
    chip: str
    kind: str
    values: FloatArray


@dataclass(frozen=True, kw_only=True)
class Expert:
    """One prior, evaluated on N networks.

    Attributes:
        mean: N, in units of `spread`.
        spread: Standard deviation of the unscaled mean over a reference population.
        own: N x D deviations of its own devices.
        all: N x D' deviations of all known devices.
        variances: Term (`mean`, `own`, `all`, feature groups, `smooth`, `length`, `noise`) -> value.
        log_weight: Prior belief, unnormalised.
        pruned: Believes that the runtime leaves out dead parts; evaluated on `SpaceFeatures.pruned`.
    """

    name: str
    mean: FloatArray
    spread: float
    own: FloatArray
    all: FloatArray
    variances: Mapping[str, float]
    log_weight: float = 0.0
    pruned: bool = False

    def view(self, features: SpaceFeatures) -> SpaceFeatures:
        """The features that the expert looks at."""
        return features.pruned if self.pruned and features.pruned is not None else features


def chip_weights(sources: Sequence[Source]) -> FloatArray:
    """Weights that count each chip once; sum 1."""
    chips = [source.chip for source in sources]
    weights = np.array([1 / chips.count(chip) for chip in chips])
    return np.asarray(weights / weights.sum())


def expert_from(
    name: str,
    members: Sequence[Source],
    sources: Sequence[Source],
    spread: float | None,
    variances: Mapping[str, float],
    log_weight: float = 0.0,
) -> Expert:
    """The expert whose mean is that of `members`, among all known `sources`.

    Args:
        name: `far` (all devices) or the kind of its members.
        members: Devices that the mean is taken of.
        sources: All known devices.
        spread: Of the mean over a reference population; None = over the networks at hand.
        variances: See Expert.
        log_weight: Prior belief.
    """
    weights = chip_weights(members)
    stacked = np.stack([member.values for member in members])
    mean = weights @ stacked
    scale = float(mean.std()) if spread is None else spread
    everyone = np.stack([source.values for source in sources])
    return Expert(
        name=name,
        mean=(mean - 1) / scale,
        spread=scale,
        own=((stacked - mean) * np.sqrt(weights)[:, None]).T / scale,
        all=((everyone - mean) * np.sqrt(chip_weights(sources))[:, None]).T / scale,
        variances=variances,
        log_weight=log_weight,
    )


PHYSICAL_SPREAD = 0.25


def physical_expert(features: SpaceFeatures, variances: Mapping[str, float], log_weight: float = 0.0) -> Expert:
    """The expert that knows no device: relative work, traffic and launches count alike."""
    nothing = np.zeros((len(features), 1))
    return Expert(
        name="physical",
        mean=features.work,
        spread=PHYSICAL_SPREAD,
        own=nothing,
        all=nothing,
        variances=variances,
        log_weight=log_weight,
    )
