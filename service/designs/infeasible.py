"""What a request hears whose limits no design keeps."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

from optimizer.problem import Violation
from service.designs.places import BODY, Place
from service.problems import Fault, Refusal


def infeasible(
    violations: Sequence[Violation], nearest: dict[str, Any], *, searched: bool = True, place: Place = BODY
) -> Refusal:
    """What came nearest, which limits it breaks and how tight each could be.

    Args:
        violations: Limits that the nearest design breaks, one at least.
        nearest: That design, as JSON values.
        searched: Whether more was tried than is proposed without a search.
        place: Where the body has the device and the limits.
    """
    among, tried = ("on this device", "found") if searched else ("among what was tried", "proposed without a search")
    faults = []
    for one in violations:
        bound = "at most" if one.limit == "min_accuracy" else "at least"
        faults.append(
            Fault(
                pointer=f"{place.limits}/{one.limit}",
                must=f"must be {bound} {_kept(one)} {among}, even alone",
                got=f"{one.allowed:.6g}",
                way_out=f"The nearest design reaches {one.reached:.6g}.",
            )
        )
    broken = ", ".join(one.limit for one in violations)
    closing = "Nothing was stored." if searched else "POST /v1/designs searches beside that."
    return Refusal(
        "infeasible-constraints",
        422,
        f"No design {tried} keeps every limit on this device; the nearest breaks {broken}. {closing}",
        faults=faults,
        more={"nearest": nearest, "violations": [one.model_dump(mode="json") for one in violations]},
    )


def _kept(one: Violation) -> str:
    """The tightest value in six digits, rounded to where it can be kept: costs up, accuracy down."""
    exact = Decimal(one.tightest)
    rounding = ROUND_FLOOR if one.limit == "min_accuracy" else ROUND_CEILING
    return f"{float(Context(prec=6, rounding=rounding).plus(exact)):.6g}"
