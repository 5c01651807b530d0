"""Context: what endpoints and pages share within one application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from optimizer.problem import Answer, Problem
from service.database import Database
from service.gate import Gate
from service.measurements.adaptations import Adaptations
from service.metrics import Metrics
from service.settings import Settings

Optimize = Callable[[Problem], Answer]


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything an operation may need.

    Attributes:
        optimize: Finds the best design; `optimizer.optimize.optimize` in production.
        adaptations: What measurements say of own devices.
        gate: Bounds how many optimizations run and wait.
    """

    settings: Settings
    database: Database
    adaptations: Adaptations
    optimize: Optimize
    gate: Gate
    metrics: Metrics


def context_of(request: Request) -> Context:
    """The context of the application that serves this request."""
    context: Context = request.app.state.context
    return context


ContextDep = Annotated[Context, Depends(context_of)]
