"""CondensedSpace: a known space on a fixed set of networks, without the wide features of their structure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from predictors.experts import SpaceFeatures
from predictors.known_space import KnownSpace


@dataclass(frozen=True, kw_only=True)
class CondensedSpace:
    """The same posterior from fewer features: for structure stands what each known device makes of a network.

    Attributes:
        known: With functions that pick their own column.
        features: Of the networks.
    """

    known: KnownSpace
    features: SpaceFeatures

    @classmethod
    def of(cls, known: KnownSpace, parts: Iterable[SpaceFeatures]) -> CondensedSpace:
        """Condense a known space on the networks of all parts, one part after another to save memory."""
        picks = np.hstack([np.eye(len(known.sources)), np.zeros((len(known.sources), 1))])
        sources = tuple(replace(source, weights=pick) for source, pick in zip(known.sources, picks, strict=True))
        features = SpaceFeatures.stacked([_condensed(known, part) for part in parts])
        return cls(known=replace(known, sources=sources), features=features)


def _condensed(known: KnownSpace, features: SpaceFeatures) -> SpaceFeatures:
    values = np.stack([source.on(features).values for source in known.sources], axis=1)
    pruned = None if features.pruned is None else _condensed(known, features.pruned)
    return replace(features, structure=values, pruned=pruned)
