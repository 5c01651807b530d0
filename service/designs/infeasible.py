"""What a request hears whose limits no design keeps."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

from design.constraints import Constraints
from optimizer.objective import MEMORY_KB, TOLERANCE
from optimizer.problem import Violation
from service.designs.places import BODY, Place
from service.problems import Fault, Refusal
from service.verdicts import OwnMemory, own_memory


def infeasible(
    violations: Sequence[Violation],
    nearest: dict[str, Any],
    limits: Constraints,
    *,
    searched: bool = True,
    place: Place = BODY,
) -> Refusal:
    """What came nearest, which limits it breaks and how tight each could be.

    Args:
        violations: Limits that the nearest design breaks, one at least; the device's own memory among them.
        nearest: That design, as JSON values.
        limits: As requested.
        searched: Whether more was tried than is proposed without a search.
        place: Where the body has the device and the limits.
    """
    tried = "found" if searched else "proposed without a search"
    broken = []
    for one in violations:
        own = own_memory(one, limits)
        broken.append(one.limit if own is None else f"{one.limit} (the device's own {own.label})")
    closing = "Nothing was stored." if searched else "POST /v1/designs searches beside that."
    return Refusal(
        "infeasible-constraints",
        422,
        f"No design {tried} keeps every limit on this device; the nearest breaks {', '.join(broken)}. {closing}",
        faults=[_fault(one, own_memory(one, limits), searched, place) for one in violations],
        more={"nearest": nearest, "violations": [one.model_dump(mode="json") for one in violations]},
    )


def _fault(one: Violation, own: OwnMemory | None, searched: bool, place: Place) -> Fault:
    """A limit that is broken, or memory of the device that is exceeded."""
    least = one.limit == "min_accuracy"
    slack = TOLERANCE * one.allowed
    if one.tightest >= one.allowed - slack if least else one.tightest <= one.allowed + slack:
        must = "must be kept together with the other limits, which no design does"
        alone = f" Alone {_written(one.tightest, own, least)} can be kept."
    else:
        bound = "at most" if least else "at least"
        among = "on this device" if searched else "among what was tried"
        must, alone = f"must be {bound} {_written(one.tightest, own, least)} {among}, even alone", ""
    pointer = f"{place.limits}/{one.limit}"
    if own is not None:
        pointer = place.of_device(f"/{own.member}")
        must = f"{own.member} {must}: it is the device's own {own.label}, not a limit of the request"
    reached, allowed = (f"{_own_unit(value, own):.6g}" for value in (one.reached, one.allowed))
    return Fault(pointer=pointer, must=must, got=allowed, way_out=f"The nearest design reaches {reached}.{alone}")


def _own_unit(value: float, own: OwnMemory | None) -> float:
    """A value of a limit in the unit that it was stated in: memories of devices in kilobytes of 1,024 bytes."""
    return value if own is None else value / MEMORY_KB


def _written(value: float, own: OwnMemory | None, least: bool) -> str:
    """A value that can be kept in six digits, rounded to where it can be: costs up, accuracy down."""
    rounding = ROUND_FLOOR if least else ROUND_CEILING
    near = f"{_own_unit(value, own):.12g}"  # sums of floats lie a hair beside what they stand for
    return f"{float(Context(prec=6, rounding=rounding).plus(Decimal(near))):.6g}"
