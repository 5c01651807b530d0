"""The learned latency of CPUs before any measurement: what networks look like to it, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from design.encoding import EncodedDesigns, FloatArray, IntArray
from predictors.cpu_facts import CpuFacts
from predictors.descriptors import HELD, Figure, shared
from predictors.latency_weights import LatencyWeights
from predictors.layer_sums import LayerSums
from predictors.layer_terms import row_parts
from predictors.network_effects import NetworkTraits
from predictors.network_features import LOG_MACS, SHARE_INT8, network_features
from predictors.random_effects import Pairs
from predictors.several_cpus import AnyCpu, SeveralCpus
from predictors.trees import KnownTrees

PAIRS = 2_000
"""Networks on CPUs that the trees are asked about at once."""
_TINY = 1e-12


def pairs_of(traits: NetworkTraits, int8: FloatArray, facts: CpuFacts, setting: int = 0) -> Pairs:
    """N networks on one setting."""
    count = len(int8)
    return Pairs(
        traits=traits,
        int8=int8,
        setting=np.full(count, setting, dtype=np.int64),
        log_cores=np.full(count, np.log(facts.cores)),
        little=np.full(count, float(facts.little)),
    )


def blended(layers: FloatArray, trees: FloatArray, traits: NetworkTraits, tree_weight: float) -> FloatArray:
    """Mean of the two log predictions, N each, by how near the network is to those fitted on."""
    weight = tree_weight * traits.nearest**2
    return np.asarray((1 - weight) * (layers + traits.bias) + weight * trees)


@dataclass(frozen=True)
class Networks:
    """N designs as the learned latency sees them on any CPU that runs the same precisions.

    Attributes:
        designs: N; of R distinct layers.
        features: N x NETWORK_FEATURES.
        traits: Of the N.
        named: Numbers of the layers that some design has, and 0: a few designs often share a table with thousands.
        rows: These layers.
        width: Bits that each of them computes at.
    """

    designs: EncodedDesigns
    features: FloatArray
    traits: NetworkTraits
    named: IntArray
    rows: FloatArray
    width: IntArray

    @classmethod
    def of(cls, weights: LatencyWeights, designs: EncodedDesigns, width: IntArray) -> Networks:
        """Of a set of designs; `width` is R, bits that each distinct layer computes at."""
        features = network_features(designs, width)
        named = np.union1d(0, np.flatnonzero(designs.named))
        return cls(designs, features, weights.effects.traits(features), named, designs.rows[named], width[named])

    def __len__(self) -> int:
        return len(self.features)

    def parts(self, facts: AnyCpu, prices: FloatArray, batch: Figure) -> tuple[FloatArray, FloatArray]:
        """Seconds of the layers named: all but products of binary ones, and these at the rate of int8 products.

        Args:
            facts: One CPU, or D of them for D x layers.
            prices: Of `LayerModel.prices`, TERMS or D x TERMS.
            batch: Pictures per call.
        """
        seconds, products = row_parts(self.rows, self.width, facts, prices, batch)
        binary = products * (self.width == 1)
        return seconds + (products - binary), binary


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Predictions of N designs on one setting before any measurement: log seconds, and the pairs."""

    log_seconds: FloatArray
    pairs: Pairs


def prior_of(weights: LatencyWeights, walk: KnownTrees, networks: Networks, facts: CpuFacts, batch: int) -> Prior:
    """What is said of N networks on a CPU before any measurement.

    Args:
        weights: What was fitted.
        walk: Trees for this CPU.
        networks: N.
        facts: Of the CPU.
        batch: Pictures per call.
    """
    figures = np.zeros((len(networks.designs.rows), 2))
    figures[networks.named] = np.stack(networks.parts(facts, weights.layers.prices(facts), batch), axis=1)
    seconds, binary = networks.designs.total(figures).T
    return _prior(weights, networks, facts, batch, seconds, binary, walk.predict(networks.features))


def priors_of(
    weights: LatencyWeights, networks: Networks, cpus: Sequence[CpuFacts], batches: Sequence[int]
) -> list[Prior]:
    """The same on each of D CPUs, at D numbers of pictures per call."""
    designs = networks.designs
    sums = LayerSums(replace(designs, rows=networks.rows, row_ids=_renumbered(designs.row_ids, networks.named)))
    together = max(HELD // max(len(networks.rows), 1), 1)
    found: list[Prior] = []
    for first in range(0, len(cpus), together):
        own, batch = cpus[first : first + together], batches[first : first + together]
        prices = np.stack([weights.layers.prices(one) for one in own])
        parts = networks.parts(SeveralCpus.of(own), prices, shared(list(batch)))
        seconds, binary = sums.of(*parts, number=len(own))
        trees = _tree_means(weights, networks, own)
        for at, (one, pictures) in enumerate(zip(own, batch, strict=True)):
            found.append(_prior(weights, networks, one, pictures, seconds[at], binary[at], trees[at]))
    return found


def _renumbered(row_ids: IntArray, named: IntArray) -> IntArray:
    """Row ids counted among the rows named, of which the first is row 0: no layer."""
    numbers = np.zeros(int(row_ids.max(initial=0)) + 1, dtype=np.int64)
    numbers[named] = np.arange(len(named))
    return numbers[row_ids]


def _tree_means(weights: LatencyWeights, networks: Networks, cpus: Sequence[CpuFacts]) -> FloatArray:
    """What the trees say of N networks on D CPUs, D x N."""
    each = max(PAIRS // max(len(networks), 1), 1)
    found = []
    for first in range(0, len(cpus), each):
        known = np.stack([one.features for one in cpus[first : first + each]])
        pairs = np.hstack([np.repeat(known, len(networks), axis=0), np.tile(networks.features, (len(known), 1))])
        found.append(weights.trees.predict(pairs).reshape(len(known), -1))
    return np.concatenate(found)


def _prior(
    weights: LatencyWeights,
    networks: Networks,
    facts: CpuFacts,
    batch: int,
    seconds: FloatArray,
    binary: FloatArray,
    trees: FloatArray,
) -> Prior:
    """From sums over layers (`Networks.parts`, N each) and the trees (N)."""
    features, traits = networks.features, networks.traits
    layers = np.log(np.maximum(seconds + binary / facts.binary_speedup, _TINY))
    trees = trees + (features[:, LOG_MACS] + np.log(batch) - np.log(facts.macs_per_second))
    if facts.binary_speedup > 1:
        trees = trees + layers - np.log(np.maximum(seconds + binary, _TINY))
    log_seconds = blended(layers, trees, traits, weights.tree_weight)
    return Prior(log_seconds=log_seconds, pairs=pairs_of(traits, features[:, SHARE_INT8], facts))
