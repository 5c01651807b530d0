"""What a request hears whose limits no design keeps."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

from design.constraints import Constraints
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
    if own is None:
        pointer = f"{place.limits}/{one.limit}"
        bound = "at most" if one.limit == "min_accuracy" else "at least"
        among = "on this device" if searched else "among what was tried"
        must = f"must be {bound} {_kept(one)} {among}, even alone"
    else:
        pointer = place.of_device(f"/{own.member}")
        tried = "found" if searched else "that was tried"
        must = (
            f"{own.member} must be at least {_kept(one)} for any design {tried} to fit, even alone: it is the device's "
            f"own {own.label}, not a limit of the request"
        )
    way_out = f"The nearest design reaches {one.reached:.6g}."
    return Fault(pointer=pointer, must=must, got=f"{one.allowed:.6g}", way_out=way_out)


def _kept(one: Violation) -> str:
    """The tightest value in six digits, rounded to where it can be kept: costs up, accuracy down."""
    exact = Decimal(one.tightest)
    rounding = ROUND_FLOOR if one.limit == "min_accuracy" else ROUND_CEILING
    return f"{float(Context(prec=6, rounding=rounding).plus(exact)):.6g}"
