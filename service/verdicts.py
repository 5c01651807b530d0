"""Verdict: a limit beside what a design reaches, for people to compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from design.constraints import Constraints, LimitName
from design.prediction import Prediction
from optimizer.problem import Violation
from service.units import AT_LEAST, AT_MOST, KILOBYTE, at_risk, kilobytes, millijoules, milliseconds, percent


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How one limit is read and written.

    Attributes:
        reached: The figure of a prediction that it is compared with, in the limit's own unit.
        text: A value of it for people.
    """

    label: str
    reached: Callable[[Prediction], float]
    text: Callable[[float], str]
    least: bool = False


def _kb_text(value_kb: float) -> str:
    return kilobytes(value_kb * KILOBYTE)


LIMITS: dict[LimitName, Limit] = {
    "latency_ms": Limit(label="Latency", reached=lambda made: at_risk(made.latency_ms), text=milliseconds),
    "energy_mj": Limit(label="Energy", reached=lambda made: at_risk(made.energy_mj), text=millijoules),
    "model_kb": Limit(label="Model size", reached=lambda made: made.model_bytes / KILOBYTE, text=_kb_text),
    "peak_memory_kb": Limit(label="Peak memory", reached=lambda made: made.peak_memory_bytes / KILOBYTE, text=_kb_text),
    "training_memory_kb": Limit(
        label="Training memory", reached=lambda made: made.training_memory_bytes / KILOBYTE, text=_kb_text
    ),
    "min_accuracy": Limit(
        label="Accuracy", reached=lambda made: at_risk(made.known_accuracy), text=percent, least=True
    ),
}


@dataclass(frozen=True, kw_only=True)
class OwnMemory:
    """Memory of a device that holds whatever is asked, as a microcontroller has nothing behind it.

    Attributes:
        member: Of the device's profile.
        label: For people.
    """

    member: str
    label: str


OWN_MEMORY: dict[LimitName, OwnMemory] = {
    "model_kb": OwnMemory(member="flash_kb", label="flash"),
    "peak_memory_kb": OwnMemory(member="ram_kb", label="RAM"),
}
"""What stands behind a limit; see `optimizer.objective.Objective.own` and MEMORY_KB for its unit."""


def own_memory(violation: Violation, constraints: Constraints) -> OwnMemory | None:
    """The memory of the device that a design exceeds; None where it breaks a limit of the request.

    A bound that differs from the limit that was set, or was not set at all, is the device's own.
    """
    return None if constraints.limits().get(violation.limit) == violation.allowed else OWN_MEMORY.get(violation.limit)


def bound(name: LimitName, value: float) -> str:
    """A limit as a bound, `at most` or `at least` as a sign."""
    limit = LIMITS[name]
    return f"{AT_LEAST if limit.least else AT_MOST} {limit.text(value)}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One limit that was set.

    Attributes:
        allowed, reached, tightest: For people, with units; `tightest` only where the limit is broken.
        relation: `at most` or `at least`.
    """

    name: LimitName
    label: str
    allowed: str
    reached: str
    kept: bool
    relation: str
    tightest: str | None = None


def verdicts(
    constraints: Constraints, prediction: Prediction, violations: Sequence[Violation] = ()
) -> dict[str, Verdict]:
    """Every limit that was set, with what the design reaches at the accepted risk.

    Whether a limit is kept is what the optimizer said (`violations`), not computed anew.
    """
    broken = {violation.limit: violation for violation in violations}
    found: dict[str, Verdict] = {}
    for name, allowed in constraints.limits().items():
        limit = LIMITS[name]
        violation = broken.get(name)
        reached = violation.reached if violation else limit.reached(prediction)
        found[name] = Verdict(
            name=name,
            label=limit.label,
            allowed=limit.text(allowed),
            reached=limit.text(reached),
            kept=violation is None,
            relation="at least" if limit.least else "at most",
            tightest=limit.text(violation.tightest) if violation else None,
        )
    return found
