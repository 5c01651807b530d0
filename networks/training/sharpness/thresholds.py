"""Threshold: the largest curvature at which a step rule is still stable on a quadratic.

Along an eigenvector of curvature `a` every rule below is a linear recursion; it turns unstable where its characteristic
polynomial has the root -1. With step size eta, momentum b, decay d:

| rule | stable while `a` is under |
|---|---|
| descent: w <- w - eta g | 2 / eta |
| Polyak: v <- b v + (1 - tau) g, w <- w - eta v | (2 + 2 b) / (eta (1 - tau)) |
| Nesterov: v <- b v + g, w <- w - eta (g + b v) | (2 + 2 b) / (eta (1 + 2 b)) |
| averaged: m <- b m + (1 - b) g, w <- w - eta P^-1 m | (2 + 2 b) / (eta (1 - b)), of P^-1/2 H P^-1/2 |
| preconditioned: v <- b v + P^-1 g, w <- w - eta v | (2 + 2 b) / eta, of P^-1/2 H P^-1/2 |

Descent is the case of Cohen et al. (arXiv 2103.00065), averaged momentum that of Adam (arXiv 2207.14484). Decay that is
part of the gradient adds d to every curvature (the caller adds it to the Hessian). Decoupled decay, w <- (1 - eta d) w
before the step, replaces 2 + 2 b by (1 + b) (2 - eta d).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import optim

from networks.training.errors import InvalidOptions

Rule = Literal["descent", "polyak", "nesterov", "averaged", "preconditioned"]


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A step rule and where it turns unstable.

    Attributes:
        rule: Which recursion (see above).
        rate: eta.
        momentum: b.
        dampening: tau, of Polyak's rule.
        decoupled_decay: d, of decay that is not part of the gradient.
    """

    rule: Rule
    rate: float
    momentum: float = 0.0
    dampening: float = 0.0
    decoupled_decay: float = 0.0

    @property
    def rate_times_curvature(self) -> float:
        """The product of step size and curvature at the edge."""
        shared = (1 + self.momentum) * (2 - self.rate * self.decoupled_decay)
        if self.rule == "polyak":
            return shared / (1 - self.dampening)
        if self.rule == "nesterov":
            return shared / (1 + 2 * self.momentum)
        if self.rule == "averaged":
            return shared / (1 - self.momentum)
        return shared

    @property
    def sharpness(self) -> float:
        """The largest stable curvature (of the preconditioned Hessian where the rule has a preconditioner)."""
        return self.rate_times_curvature / self.rate

    def largest_rate(self, sharpness: float) -> float:
        """The largest step size that is stable at this curvature."""
        return self.rate_times_curvature / sharpness

    @property
    def words(self) -> str:
        """The formula with its figures, for people."""
        b, eta = f"{self.momentum:g}", f"{self.rate:.3g}"
        formulas: dict[Rule, str] = {
            "descent": f"2 / {eta}",
            "polyak": f"(2 + 2 x {b}) / {eta}",
            "nesterov": f"(2 + 2 x {b}) / ({eta} x (1 + 2 x {b}))",
            "averaged": f"(2 + 2 x {b}) / ((1 - {b}) x {eta})",
            "preconditioned": f"(2 + 2 x {b}) / {eta}",
        }
        return formulas[self.rule]


def threshold_of(stepper: optim.Optimizer) -> Threshold:
    """The threshold of a torch optimizer as it stands; of several groups the lowest.

    Raises:
        InvalidOptions: An optimizer that is none of SGD, Adam, AdamW and RMSprop, or a step size of 0.
    """
    found = [_of_group(stepper, group) for group in stepper.param_groups]
    return min(found, key=lambda one: one.sharpness)


def gradient_decay(stepper: optim.Optimizer, group: dict[str, Any]) -> float:
    """The decay of a group that is part of the gradient, and so of the Hessian."""
    decoupled = isinstance(stepper, optim.AdamW) or bool(group.get("decoupled_weight_decay", False))
    return 0.0 if decoupled else float(group["weight_decay"])


def is_preconditioned(stepper: optim.Optimizer) -> bool:
    """Whether its threshold speaks of the preconditioned Hessian."""
    return isinstance(stepper, optim.Adam | optim.RMSprop)


def _of_group(stepper: optim.Optimizer, group: dict[str, Any]) -> Threshold:
    rate = float(group["lr"])
    if rate <= 0:
        raise InvalidOptions("a threshold must have a step size over 0", f"{rate}")
    apart = float(group["weight_decay"]) - gradient_decay(stepper, group)
    if isinstance(stepper, optim.SGD):
        momentum = float(group["momentum"])
        rule: Rule = "descent" if not momentum else "nesterov" if group["nesterov"] else "polyak"
        dampening = float(group["dampening"]) if momentum else 0.0
        return Threshold(rule=rule, rate=rate, momentum=momentum, dampening=dampening)
    if isinstance(stepper, optim.Adam):
        return Threshold(rule="averaged", rate=rate, momentum=float(group["betas"][0]), decoupled_decay=apart)
    if isinstance(stepper, optim.RMSprop):
        return Threshold(rule="preconditioned", rate=rate, momentum=float(group["momentum"]))
    raise InvalidOptions(
        "the stability of a step rule must be known (SGD, Adam, AdamW, RMSprop)",
        type(stepper).__name__,
        "Measure critical sharpness instead, which needs no rule.",
    )
