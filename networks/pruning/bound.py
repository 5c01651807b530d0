"""Bound: how many samples keep every sum of a layer within 1 +- epsilon, the reverse, and what a fixed choice loses.

Filters of a layer are drawn with replacement, channel j with probability p_j = s_j / S, S = sum of s_j; the columns of
the next layer are weighted by count_j / (m p_j), which leaves all its same-sign sums right in the mean. Where a share
is at most K s_j, each term is at most K S times the sum and so is its variance over the squared sum; Bernstein's
inequality for m terms gives, for n sums at once,

    P(some sum is off by more than epsilon) <= 2 n exp(-3 m epsilon^2 / (K S (6 + 2 epsilon))) = delta

    m(epsilon) = K S (6 + 2 epsilon) / (3 epsilon^2) * ln(2 n / delta)

the form of theorem 2 of Liebenwein et al. (arXiv 1911.07412). Their code uses larger constants (PUBLISHED). It says
nothing where a share on a new picture exceeds K s_j: that is the assumption of the theorem.

It speaks of channels that are drawn and re-weighted. Where they are chosen otherwise and those that remain keep their
weights, the same assumption says something simpler. Terms t_j >= 0 make up a same-sign sum T; without those of the
removed channels R it is off by

    sum over R of t_j / T = sum over R of the share of j <= min(1, K sum over R of s_j)

at every output and patch where T does not vanish, for certain (`removed_share`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from design.layer import Layer

SIGNS = 4
"""Same-sign sums of an output at a patch: what is positive and what is negative of weights and of inputs."""
UNSIGNED_SIGNS = 2
"""The same where no input is negative."""


@dataclass(frozen=True, kw_only=True)
class BoundOptions:
    """Constants of the bound.

    Attributes:
        delta: Chance that the bound fails, at most.
        slack: K: a share on a new picture is at most so many times its sensitivity.
        factor: Of K S (6 + 2 epsilon) / epsilon^2.
        events: Of the sums that must hold at once, in the logarithm: n is outputs x patches x signs where this is
            None, else `events` x (patches + 1) x kernel positions.
    """

    delta: float = 0.1
    slack: float = 1.0
    factor: float = 1 / 3
    events: float | None = None


BERNSTEIN = BoundOptions()
"""The constants that the inequality needs."""
PUBLISHED = BoundOptions(delta=1e-16, slack=3.0, factor=6.0, events=4.0)
"""Of the authors' code: 3 (6 + 2 eps) / eps^2 * S * 2 C ln(8 (patches + 1) kernel / delta), C = 3."""


@dataclass(frozen=True, kw_only=True)
class LayerBound:
    """What can be said of one layer by itself, reading what the whole network gives it.

    Attributes:
        sensitivity: S.
        samples: m: random draws that are expected to keep as many channels; where channels were drawn, the draws.
        distinct: Channels that are left of what it reads.
        epsilon: For as many random draws: relative error that every same-sign sum stays within, at a chance of
            1 - delta, where channels are drawn m times and re-weighted. Says nothing of a choice that was not drawn.
        removed_share: Of a choice that was not drawn: relative error that every same-sign sum stays within for certain
            (constants that stand for removed channels are no part of it). None where channels were drawn.
    """

    layer: str
    sensitivity: float
    samples: float
    distinct: float
    epsilon: float
    delta: float
    removed_share: float | None


def logarithm(layer: Layer, options: BoundOptions, *, unsigned: bool = False) -> float:
    """ln(2 n / delta) of the layer that reads the channels; `unsigned` where it is known to read nothing negative."""
    patches = layer.out_height * layer.out_width
    if options.events is None:
        events: float = layer.out_channels * patches * (UNSIGNED_SIGNS if unsigned else SIGNS)
    else:
        events = options.events * (patches + 1) * layer.kernel_height * layer.kernel_width
    return math.log(2 * events / options.delta)


def samples_for(epsilon: float, total: float, log: float, options: BoundOptions) -> float:
    """m(epsilon), not rounded.

    Args:
        epsilon: Relative error, over 0.
        total: S.
        log: See `logarithm`.
        options: Constants.
    """
    return options.factor * options.slack * total * log * (6 + 2 * epsilon) / epsilon**2


def epsilon_for(samples: float, total: float, log: float, options: BoundOptions) -> float:
    """The reverse of `samples_for`: the positive root of m eps^2 = c (6 + 2 eps); 0 where nothing can be off."""
    constant = options.factor * options.slack * total * log
    if constant == 0:
        return 0.0
    if samples == 0:
        return math.inf
    return (constant + math.sqrt(constant**2 + 6 * constant * samples)) / samples


def removed_share(sensitivity: float, options: BoundOptions) -> float:
    """min(1, K x sum of the sensitivities of what is removed): the relative error of any same-sign sum, at most.

    Args:
        sensitivity: Sum over the removed channels.
        options: Constants.
    """
    return min(1.0, options.slack * sensitivity)
