"""Many requests at once, on one event loop as under uvicorn: who must wait, who is refused, and who is not held up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from optimizer.problem import Answer, Problem
from service.app import create_app
from service.context import Context, Optimize
from service.settings import Settings
from tests.service.conftest import BASE_URL

DESIGN = {"device": "raspberry-pi-4", "task": "cifar10"}
PROMPT_S = 2.0
PATIENCE_S = 60.0


class Held:
    """An optimizer that answers nobody before it is released."""

    def __init__(self, quick: Optimize) -> None:
        self.quick, self.released = quick, threading.Event()

    def __call__(self, problem: Problem) -> Answer:
        assert self.released.wait(PATIENCE_S)
        return self.quick(problem)


def among(app: FastAPI, held: Held, visit: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    """Run `visit` against the started application; whoever still waits at the end is released."""

    async def run() -> None:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=BASE_URL, timeout=PATIENCE_S) as client,
        ):
            try:
                await visit(client)
            finally:
                held.released.set()

    asyncio.run(run())


def application(folder: Path, held: Held, **settings: object) -> FastAPI:
    stated = {"database_url": f"sqlite:///{folder / 'test.sqlite3'}", "data_folder": folder, "log_level": "error"}
    return create_app(Settings(**{"jobs": False} | stated | settings), optimizer=held)  # type: ignore[arg-type]


async def until(holds: Callable[[], bool]) -> None:
    begun = time.perf_counter()
    while not holds():
        assert time.perf_counter() - begun < PATIENCE_S, "it did not come about in time"
        await asyncio.sleep(0.02)


def ended(tasks: list[asyncio.Task[httpx.Response]], status: int) -> int:
    return sum(task.done() and task.result().status_code == status for task in tasks)


@pytest.mark.parametrize(("running", "waiting", "asked"), [(2, 64, 80), (1, 2, 8)])
def test_the_surplus_is_refused_and_nothing_else_waits(
    tmp_path: Path, quick: Optimize, running: int, waiting: int, asked: int
) -> None:
    held = Held(quick)
    app = application(tmp_path, held, concurrent_designs=running, waiting_designs=waiting)
    surplus = asked - running - waiting

    async def visit(client: httpx.AsyncClient) -> None:
        designs = [asyncio.create_task(client.post("/v1/designs", json=DESIGN)) for _ in range(asked)]
        await until(lambda: sum(task.done() for task in designs) >= surplus)
        refused = [task.result() for task in designs if task.done()]
        assert [answer.status_code for answer in refused] == [503] * surplus
        assert all(answer.json()["type"] == "urn:bespoke:problem:busy" for answer in refused)
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        for path in ("/v1/health/live", "/v1/health/ready", "/v1/designs", "/v1/devices", "/metrics", "/"):
            answer = await asyncio.wait_for(client.get(path), PROMPT_S)
            assert answer.status_code == 200, path
        batch = {"devices": ["raspberry-pi-4"], "task": "digits", "spaces": ["vgg"]}
        for path, body in (
            ("/v1/designs/batch", batch),
            ("/v1/predictions", {"network": "resnet20", "devices": ["jetson-nano"]}),
        ):
            answer = await asyncio.wait_for(client.post(path, json=body), PROMPT_S)
            assert answer.status_code == 503, path
        held.released.set()
        answers = await asyncio.gather(*designs)
        assert [answer.status_code for answer in answers].count(201) == running + waiting

    among(app, held, visit)


def test_life_is_shown_while_every_thread_is_taken(tmp_path: Path, quick: Optimize) -> None:
    held = Held(quick)
    app = application(tmp_path, held, concurrent_designs=1, waiting_designs=0)
    taken = threading.Event()

    async def visit(client: httpx.AsyncClient) -> None:
        limiter = current_default_thread_limiter()
        tokens = int(limiter.available_tokens)
        holders = [object() for _ in range(tokens)]
        for holder in holders:
            limiter.acquire_on_behalf_of_nowait(holder)
        answer = await asyncio.wait_for(client.get("/v1/health/live"), PROMPT_S)
        assert answer.json() == {"status": "alive"}
        for holder in holders:
            limiter.release_on_behalf_of(holder)
        taken.set()

    among(app, held, visit)
    assert taken.is_set()


def test_applications_on_one_loop_have_threads_enough_for_all(tmp_path: Path, quick: Optimize) -> None:
    held = Held(quick)
    large = application(tmp_path / "large", held, concurrent_designs=2, waiting_designs=100)
    small = application(tmp_path / "small", held, concurrent_designs=1, waiting_designs=0)

    async def visit() -> None:
        limiter = current_default_thread_limiter()
        before = limiter.total_tokens
        async with large.router.lifespan_context(large):
            alone = limiter.total_tokens
            assert alone >= before + 102
            async with small.router.lifespan_context(small):
                assert limiter.total_tokens > alone
            assert limiter.total_tokens == alone
        assert limiter.total_tokens == before

    asyncio.run(visit())


def test_data_sets_wait_where_they_hold_nobody_up(tmp_path: Path, quick: Optimize) -> None:
    held = Held(quick)
    app = application(tmp_path, held, jobs=True)
    context: Context = app.state.context
    places = context.desk.gate.most - 1

    async def visit(client: httpx.AsyncClient) -> None:
        with context.desk.gate.enter():
            headers = {"Content-Type": "application/octet-stream"}
            sent = [
                asyncio.create_task(client.post(f"/v1/datasets?name=set{one}", content=b"no data set", headers=headers))
                for one in range(places + 3)
            ]
            await until(lambda: ended(sent, 503) == 3)
            await asyncio.wait_for(asyncio.to_thread(time.time), PROMPT_S)
            assert ended(sent, 422) == 0
        answers = await asyncio.gather(*sent)
        assert [answer.status_code for answer in answers].count(422) == places

    among(app, held, visit)
