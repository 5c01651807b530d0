"""Parameters: what stands in a query must be known to its operation, or a filter with a slip would pass everything."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service.faults import MOST_FAULTS
from service.problems import Fault, Refusal, shown

_WITHOUT_BODY = ("GET", "DELETE")


async def known_parameters(request: Request) -> None:
    """A dependency of every operation that reads, lists or deletes.

    Raises:
        Refusal: The query has a parameter that the operation does not.
    """
    route = request.scope.get("route")
    if not request.query_params or request.method not in _WITHOUT_BODY or not isinstance(route, APIRoute):
        return
    known = dict.fromkeys(_names(route.dependant))
    must = "must not be given: the parameter is unknown"
    way_out = f"This address takes {', '.join(known) or 'none'}."
    faults = [
        Fault(parameter=name, must=must, got=shown(value), way_out=way_out)
        for name, value in request.query_params.items()
        if name not in known
    ]
    if faults:
        first = faults[0]
        detail = f"{shown(first.parameter)} {must}, but got {first.got}. {way_out}"
        raise Refusal("invalid-request", 422, detail, faults=faults[:MOST_FAULTS])


def _names(dependant: Dependant) -> Iterator[str]:
    for parameter in dependant.query_params:
        yield parameter.alias
    for below in dependant.dependencies:
        yield from _names(below)
