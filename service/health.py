"""Health and metrics: is the process alive, can it serve, and what did it do."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import SQLAlchemyError

from predictors.accuracy import accuracy_predictor
from service.context import Context, ContextDep
from service.jobs import repository
from service.jobs.operations import desk_state
from service.problems import Refusal, responses
from service.upgrade import current, newest

router = APIRouter(prefix="/v1/health", tags=["health"])
metrics_router = APIRouter()


class Alive(BaseModel):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "alive"}})

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """The service can do its work; each check says `ok`."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"status": "ready", "checks": {"database": "ok", "weights": "ok"}}}
    )

    status: Literal["ready"] = "ready"
    checks: dict[str, str]


@router.get("/live", summary="Is the process alive?")
async def live() -> Alive:
    """Answers as long as the process does; looks at nothing else, and waits for no thread."""
    return Alive()


@router.get("/ready", summary="Can the service do its work?", responses=responses(503))
def ready(context: ContextDep) -> Ready:
    """Checks the database (reachable, newest migration), the weights of the predictors (they load), the engine."""
    checks = {"database": database_state(context), "weights": weights_state()}
    if context.jobs is not None:
        checks["engine"] = desk_state(context.jobs)
    if any(state != "ok" for state in checks.values()):
        detail = "; ".join(f"{name}: {state}" for name, state in checks.items() if state != "ok")
        raise Refusal("not-ready", 503, detail, headers={"Retry-After": "5"}, more={"checks": checks})
    return Ready(checks=checks)


@metrics_router.get("/metrics", include_in_schema=False)
def metrics(context: ContextDep) -> Response:
    """For Prometheus."""
    if context.jobs is not None:
        with context.database.reading() as session:
            context.metrics.count_jobs(repository.by_state(session))
    return Response(context.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def database_state(context: Context) -> str:
    """`ok`, or what is wrong."""
    try:
        at = current(context.database)
    except SQLAlchemyError as error:
        return f"unreachable ({type(error).__name__})"
    wanted = newest()
    return "ok" if at == wanted else f"at revision {at}, needs {wanted}"


def weights_state() -> str:
    """`ok`, or what is wrong."""
    try:
        accuracy_predictor()
    except (OSError, ValueError, KeyError) as error:
        return f"cannot be loaded ({type(error).__name__})"
    return "ok"
