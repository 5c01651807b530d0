"""The application: settings in, a FastAPI application out."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import torch
from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from optimizer.optimize import optimize
from service.artifacts.endpoints import router as artifacts_router
from service.auth import is_loopback
from service.context import Context, JobDesk, Optimize
from service.dashboard.job_pages import router as job_pages_router
from service.dashboard.pages import router as dashboard_router
from service.database import Database
from service.datasets.endpoints import UPLOADS
from service.datasets.endpoints import router as datasets_router
from service.designs.endpoints import router as designs_router
from service.devices.endpoints import router as devices_router
from service.errors import add_handlers
from service.gate import Gate
from service.health import metrics_router
from service.health import router as health_router
from service.idempotency import forget_expired
from service.jobs.endpoints import router as jobs_router
from service.jobs.engine import prepare
from service.keys.door import Door
from service.logs import configure_logs
from service.measurements.adaptations import Adaptations
from service.measurements.endpoints import router as measurements_router
from service.metrics import Metrics
from service.middleware import Accompany, Limits
from service.networks.endpoints import router as networks_router
from service.openapi import DESCRIPTION, describe_problems
from service.parameters import known_parameters
from service.predictions.endpoints import router as predictions_router
from service.proxies.endpoints import router as proxies_router
from service.release import RELEASE
from service.settings import Settings
from service.spaces.endpoints import router as spaces_router
from service.tasks.endpoints import router as tasks_router
from service.upgrade import upgrade
from service.warm_up import ENDS_S, warm_up

API_ROUTERS = (
    devices_router,
    measurements_router,
    proxies_router,
    tasks_router,
    spaces_router,
    networks_router,
    designs_router,
    predictions_router,
)
JOB_ROUTERS = (jobs_router, artifacts_router, datasets_router)


def create_app(settings: Settings | None = None, *, optimizer: Optimize = optimize) -> FastAPI:
    """The service with everything it needs.

    Args:
        settings: Default: from the environment (see Settings).
        optimizer: Answers design requests.
    """
    settings = settings or Settings()
    context = Context(
        settings=settings,
        database=Database(settings),
        adaptations=Adaptations(),
        optimize=optimizer,
        gate=Gate(running=settings.concurrent_designs, waiting=settings.waiting_designs),
        metrics=Metrics(),
        jobs=JobDesk.of(settings) if settings.jobs else None,
    )
    app = FastAPI(
        title="Bespoke",
        version=RELEASE,
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.context = context
    add_handlers(app)
    app.add_middleware(
        Limits,
        max_body_bytes=settings.max_body_bytes,
        max_table_bytes=settings.max_table_bytes,
        max_model_bytes=settings.max_model_bytes,
        allowed_hosts=settings.allowed_hosts,
        uploads={datasets_router.prefix: int(settings.dataset_mb * 1e6)} if settings.jobs else {},
        upload_types=UPLOADS,
    )
    app.add_middleware(
        Door,
        database=context.database,
        demand=settings.require_keys or not is_loopback(settings.host),
        per_minute=settings.key_requests_per_minute,
    )
    app.add_middleware(Accompany, metrics=context.metrics)
    for router in API_ROUTERS + (JOB_ROUTERS if settings.jobs else ()):
        app.include_router(router, dependencies=[Depends(known_parameters)])
    app.include_router(health_router)
    app.include_router(metrics_router)
    app.include_router(dashboard_router, include_in_schema=False)
    app.include_router(job_pages_router, include_in_schema=False)
    describe_problems(app)
    return app


def places(context: Context) -> int:
    """Threads that an application needs beside those of all others: one for each place at a gate, so that it refuses.

    Whoever waits at a gate holds a thread. With fewer of them the next request would wait for a thread, unseen by the
    gate, and so would everything else.
    """
    desk = context.jobs.gate.most if context.jobs is not None else 0
    return context.gate.most + desk


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    configure_logs(context.settings.log_level)
    limiter = current_default_thread_limiter()  # of the event loop, and so of every application on it
    limiter.total_tokens += places(context)
    torch.set_num_threads(1)  # predictions are small sums: waking further threads costs more than they do
    if context.settings.migrate:
        upgrade(context.database)
        if context.jobs is not None:
            prepare(context.settings)
        forget_expired(context)
    stop = threading.Event()
    warming = warm_up(context, stop)
    yield
    limiter.total_tokens -= places(context)
    stop.set()
    if warming is not None:
        warming.join(ENDS_S)
    if context.jobs is not None:
        context.jobs.queue.close()
    context.database.close()


def _operation_id(route: APIRoute) -> str:
    """`tag-name`: short, stable names for generated clients."""
    return f"{route.tags[0]}-{route.name}" if route.tags else route.name
