"""Context: what endpoints and pages share within one application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from optimizer.problem import Answer, Problem
from service.artifacts.store import Store
from service.database import Database
from service.gate import Gate
from service.jobs.engine import Queue
from service.measurements.adaptations import Adaptations
from service.metrics import Metrics
from service.settings import Settings

GIGABYTE = 1e9
Optimize = Callable[[Problem], Answer]


@dataclass(frozen=True, kw_only=True)
class JobDesk:
    """What jobs need beside the database: their queue, and the files they make.

    Attributes:
        gate: Bounds how many data sets are read at once.
    """

    queue: Queue
    store: Store
    gate: Gate

    @classmethod
    def of(cls, settings: Settings) -> JobDesk:
        """As the settings say."""
        store = Store(settings.data_folder / "artifacts", quota_bytes=settings.artifact_gb * GIGABYTE)
        return cls(queue=Queue(settings), store=store, gate=Gate(running=1, waiting=8))


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything an operation may need.

    Attributes:
        optimize: Finds the best design; `optimizer.optimize.optimize` in production.
        adaptations: What measurements say of own devices.
        gate: Bounds how many optimizations run and wait.
        jobs: None where no jobs are taken (`Settings.jobs`).
    """

    settings: Settings
    database: Database
    adaptations: Adaptations
    optimize: Optimize
    gate: Gate
    metrics: Metrics
    jobs: JobDesk | None = None

    @property
    def desk(self) -> JobDesk:
        """For operations on jobs, which are there only where jobs are taken."""
        assert self.jobs is not None
        return self.jobs


def context_of(request: Request) -> Context:
    """The context of the application that serves this request."""
    context: Context = request.app.state.context
    return context


ContextDep = Annotated[Context, Depends(context_of)]
