"""Sample size: how many pictures sensitivities need, and what those that were looked at stand for.

Liebenwein et al. (arXiv 1911.07412) assume of each channel that its share on a random picture is not nearly always
small beside the largest share M that any picture gives: P(share <= M / K) <= exp(-1 / C), for constants K and C that do
not depend on the network. So many independent pictures all stay under M / K with a chance of exp(-|S| / C) at most. The
size in the authors' code

    |S| = ceil(C ln(8 n_max n / delta)),    n channels of all layers, n_max of the largest

leaves delta for the chance that of any channel the largest share seen, times K, is exceeded by a new picture: what
`BoundOptions.slack` = K then stands for. (n exp(-|S| / C) would do for channels alone; the rest is room for outputs and
signs.) Nothing measures K and C: the statement is no better than they are. The code has C = 3 and delta = 1e-16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from networks.pruning.families import Families


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """Constants of the assumption.

    Attributes:
        constant: C.
        events: Sums of a channel that must hold at once, over the channels of the largest layer.
    """

    constant: float = 3.0
    events: float = 8.0


PUBLISHED_SAMPLES = SampleOptions()
"""Of the authors' code."""
PUBLISHED_DELTA = 1e-16


def pictures_for(found: Families, delta: float = PUBLISHED_DELTA, options: SampleOptions = PUBLISHED_SAMPLES) -> int:
    """Pictures that the published formula asks for, at least one.

    Args:
        found: What can be removed from the network.
        delta: Chance that some channel's sensitivity, times K, is exceeded, over 0.
        options: Constants of the assumption.
    """
    return max(1, math.ceil(options.constant * (_log_events(found, options) - math.log(delta)) - 1e-9))


def delta_of(found: Families, pictures: int, options: SampleOptions = PUBLISHED_SAMPLES) -> float:
    """The delta that so many pictures stand for, the reverse of `pictures_for`; at most 1."""
    return min(1.0, math.exp(min(0.0, _log_events(found, options) - pictures / options.constant)))


def _log_events(found: Families, options: SampleOptions) -> float:
    """ln(8 n_max n) of the channels that layers read and that could be removed; 0 without any."""
    channels = [sum(piece.width for piece in pieces) for pieces in found.readers.values()]
    return math.log(options.events * max(channels) * sum(channels)) if channels else 0.0
