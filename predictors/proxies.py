"""Proxies: which known devices rank designs as a device does, whether their fronts may be reused for it, and why.

Devices are compared on the reference designs (`predictors.proxy_reference`). Where both have rows in a measured table,
or enough of the same networks were measured on both, these count and the basis is `measured`.

A correlation between predictions is a prediction. Predictors see less of what sets devices apart than
there is, so their correlations are too high: over pairs of devices of NAS-Bench-201 and FBNet whose latencies were
measured, atanh(rho measured) = INTERCEPT + SLOPE atanh(rho predicted), give or take RESIDUAL (`benchmarks.proxies`
fits these on development devices and scores them on the others). The verdict rests on the interval that follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist

import numpy as np
from scipy.special import ndtr

from design.device import DeviceProfile
from design.devices.catalogue import catalogue, find_device
from design.encoding import FloatArray
from predictors.costs import LATENCY
from predictors.monotonicity import REUSE_FROM, RankMatrix, Verdict, fisher_z, monotonicity, rank_interval
from predictors.predictor import INTERVAL_COVERAGE, Predictor
from predictors.proxy_front import equivalent_limit
from predictors.proxy_reference import SPACES, ReferenceLatencies, bound_shares, reference_latencies
from predictors.proxy_tables import read_latencies
from predictors.roofline import Bound
from predictors.space_rank import VERDICT_SENTENCES, SpaceRank, bounds_sentence, rank_sentence, weakest

INTERCEPT, SLOPE, RESIDUAL = 0.63, 0.26, 0.44
_GREATEST_Z = float(np.arctanh(0.9999))
TABLE_SPACES = {"nb201": "nasbench201"}
MEASURED_SPACE = "networks measured on both"
LEAST_MEASURED = 8
"""Networks measured on both devices from which on they take the place of predictions."""


@dataclass(frozen=True, kw_only=True)
class KnownDevice:
    """A device beside those of the catalogue.

    Attributes:
        predictor: For it alone, e.g. adapted to measurements of it; None = the one of all devices.
        latency_ms: Key of a network -> what was measured of it; empty where nothing was.
    """

    id: str
    profile: DeviceProfile
    predictor: Predictor | None = None
    latency_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A known device that may stand in for another.

    Attributes:
        id: Address in the catalogue, `id` or `id@setting`, or the id of a known device.
        spaces: One for each space that could be compared.
        bounds: Share of time that each resource bounds, on the proxy.
        explanation: For people.
    """

    id: str
    name: str
    spaces: tuple[SpaceRank, ...]
    bounds: dict[Bound, float]
    explanation: str

    @property
    def weakest(self) -> SpaceRank:
        """The space with the lowest lower end; only spaces that were measured count where there are any."""
        return weakest(self.spaces)

    @property
    def verdict(self) -> Verdict:
        """Of the weakest space; another space may have its own."""
        return self.weakest.verdict

    @property
    def front_reusable(self) -> bool:
        """Whether the proxy's fronts may be taken as they are; members are picked by `proxy_front.search_front`."""
        return self.verdict == "reuse"


@lru_cache(maxsize=1)
def _addresses() -> dict[DeviceProfile, str]:
    """Every device of the catalogue under every setting."""
    return {
        device.profile(setting): device.id if setting == "default" else f"{device.id}@{setting}"
        for device in catalogue().values()
        for setting in device.settings
    }


@lru_cache(maxsize=8)
def _candidates(tables: tuple[Path, ...]) -> dict[str, DeviceProfile]:
    """Addresses of all devices at their default setting, and of those that were measured under another."""
    measured = {address for path in tables for address in read_latencies(path).rows}
    return {address: find_device(address) for address in sorted({*catalogue(), *measured})}


def expected_measured(rank: RankMatrix) -> tuple[RankMatrix, FloatArray]:
    """What measuring devices would show, from correlations of predictions (any shape); the chance of 0.9 or more."""
    centre = INTERCEPT + SLOPE * np.minimum(fisher_z(rank.rho, rank.designs.astype(np.float64)), _GREATEST_Z)
    step = NormalDist().inv_cdf((1 + INTERVAL_COVERAGE) / 2) * RESIDUAL
    found = RankMatrix(
        rho=np.tanh(centre), low=np.tanh(centre - step), high=np.tanh(centre + step), designs=rank.designs
    )
    return found, np.asarray(ndtr((centre - np.arctanh(REUSE_FROM)) / RESIDUAL))


def _of_predictions(
    own: ReferenceLatencies, others: Sequence[ReferenceLatencies], alike: Sequence[bool], limit_ms: float | None
) -> list[list[SpaceRank]]:
    """Every space by predictions, for each other device.

    Args:
        own: Of the target.
        others: Of D devices.
        alike: D, whether a device has the target's figures, so that both are one device to every predictor.
        limit_ms: On the target.
    """
    rho = np.array([[one.ranks[space] @ own.ranks[space] for space in SPACES] for one in others])
    rho = np.clip(rho, -1.0, 1.0)
    designs = np.broadcast_to(np.array(list(SPACES.values())), rho.shape)
    low, high = rank_interval(rho, designs.astype(np.float64))
    rank = RankMatrix(rho=rho, low=low, high=high, designs=designs)
    expected, chance = expected_measured(rank)
    return [
        [
            SpaceRank(
                space=space,
                basis="predicted",
                rank=rank.at(device, number),
                expected=(rank if alike[device] else expected).at(device, number),
                reuse_chance=1.0 if alike[device] else float(chance[device, number]),
                limit=None
                if limit_ms is None
                else equivalent_limit(one.latency_ms[space], own.latency_ms[space], limit_ms),
            )
            for number, space in enumerate(SPACES)
            if np.isfinite(rho[device, number])
        ]
        for device, one in enumerate(others)
    ]


def _of_tables(own: str | None, other: str, tables: Sequence[Path], limit_ms: float | None) -> list[SpaceRank]:
    """Every table in which both devices have a row."""
    found = []
    for table in (read_latencies(path) for path in tables):
        if own not in table.rows or other not in table.rows:
            continue
        first, second = table.rows[own], table.rows[other]
        target, proxy = table.latency_ms[first], table.latency_ms[second]
        rank = table.ranks.at(first, second)
        both = np.isfinite(target) & np.isfinite(proxy)
        if np.isfinite(rank.rho):
            found.append(
                SpaceRank(
                    space=TABLE_SPACES.get(table.name, table.name),
                    basis="measured",
                    rank=rank,
                    expected=rank,
                    reuse_chance=float(rank.low >= REUSE_FROM),
                    limit=None if limit_ms is None else equivalent_limit(proxy[both], target[both], limit_ms),
                )
            )
    return found


def _of_measurements(own: Mapping[str, float], other: Mapping[str, float], limit_ms: float | None) -> list[SpaceRank]:
    """The networks measured on both devices, if there are enough of them."""
    both = sorted(own.keys() & other.keys())
    if len(both) < LEAST_MEASURED:
        return []
    target, proxy = (np.array([values[key] for key in both]) for values in (own, other))
    rank = monotonicity(target, proxy)
    if not np.isfinite(rank.rho):
        return []
    return [
        SpaceRank(
            space=MEASURED_SPACE,
            basis="measured",
            rank=rank,
            expected=rank,
            reuse_chance=float(rank.low >= REUSE_FROM),
            limit=None if limit_ms is None else equivalent_limit(proxy, target, limit_ms),
        )
    ]


def proxies(
    profile: DeviceProfile,
    *,
    tables: Sequence[Path] = (),
    limit_ms: float | None = None,
    predictor: Predictor = LATENCY,
    target_predictor: Predictor | None = None,
    known: Sequence[KnownDevice] = (),
    latency_ms: Mapping[str, float] | None = None,
) -> list[Proxy]:
    """Every known device as a proxy of this one, the best first (by the lower end in the weakest space).

    Args:
        profile: The target.
        tables: `.npz` files of measured latencies, named after the catalogue's tables (`nb201.npz`, `fbnet.npz`).
        limit_ms: A latency limit of the target to be said in milliseconds of each proxy.
        predictor: Of latencies, for all devices.
        target_predictor: For the target alone, e.g. adapted to measurements of it.
        known: Devices beside those of the catalogue.
        latency_ms: Key of a network -> what was measured of it on the target.

    Raises:
        FileNotFoundError: No such table.
    """
    paths = tuple(tables)
    own_address = _addresses().get(profile)
    own = reference_latencies(profile, target_predictor or predictor)
    own_bounds = bound_shares(profile)
    others = [
        KnownDevice(id=address, profile=other)
        for address, other in _candidates(paths).items()
        if address != own_address
    ]
    others += known
    name = {"name": profile.name}
    alike = [
        target_predictor is None and one.predictor is None and one.profile.model_copy(update=name) == profile
        for one in others
    ]
    references = [reference_latencies(one.profile, one.predictor or predictor) for one in others]
    predicted = _of_predictions(own, references, alike, limit_ms)
    found = []
    for one, same, ranks in zip(others, alike, predicted, strict=True):
        measured = _of_tables(own_address, _addresses().get(one.profile, one.id), paths, limit_ms)
        measured += _of_measurements(latency_ms or {}, one.latency_ms, limit_ms)
        spaces = tuple({rank.space: rank for rank in [*ranks, *measured]}.values())
        if not spaces:
            continue
        bounds, least = bound_shares(one.profile), weakest(spaces)
        why = "Both have the same figures." if same else bounds_sentence(one.profile.name, own_bounds, bounds)
        words = f"{why} {rank_sentence(least, same)} {VERDICT_SENTENCES[least.verdict]}"
        found.append(Proxy(id=one.id, name=one.profile.name, spaces=spaces, bounds=bounds, explanation=words))
    return sorted(found, key=lambda one: (-one.weakest.expected.low, -one.weakest.rank.rho, one.id))
