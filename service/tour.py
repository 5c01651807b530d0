"""The tour: one real design for a Raspberry Pi 4, made through the running service and shown in the terminal.

It ends with the commands that have a network trained: handwritten digits on a microcontroller, about a minute.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from rich.console import RenderableType
from rich.text import Text

from design.constraints import Constraints
from design.design import Design
from design.devices.catalogue import find_device
from design.errors import BespokeError
from design.prediction import Prediction
from optimizer.approaches import SEARCH_VERSION, VERSIONS
from optimizer.problem import Answer
from service.release import RELEASE
from service.serve import PORTS_TRIED, background, beside, bind, settings_for
from service.tables import answer_view
from service.verdicts import LIMITS as WORDED
from service.verdicts import bound

HOST = "127.0.0.1"
DEVICE = "raspberry-pi-4"
TASK = "cifar10"
SPACES = ("resnet",)
"""One familiar space, so that the design fits on a screen; a request without spaces searches all that fit the task."""
LIMITS = Constraints(latency_ms=8, energy_mj=15, model_kb=25, peak_memory_kb=300, risk=0.1)
"""Small enough that neither 8 bits everywhere nor all filters fit: the answer mixes precisions and prunes."""
FIRST_JOB: dict[str, Any] = {
    "device": "stm32f746",
    "task": "digits",
    "spaces": ["resnet"],
    "limits": {"latency_ms": 10, "model_kb": 6},
}
"""A design whose data set comes with scikit-learn, so that its job runs on a fresh machine."""
ANSWER_WAIT_S = 120.0
Show = Callable[[RenderableType], None]


class TourFailed(BespokeError):
    """The service did not answer the request of the tour with a design."""


def tour(*, port: int, database_url: str | None, once: bool, show: Show) -> None:
    """Start the service on loopback, post the Raspberry Pi 4 with limits, show the answer, and keep serving.

    A second run finds the same design under the same Idempotency-Key and shows it again.

    Args:
        port: Port asked for; the next free one is taken if it is in use.
        database_url: SQLAlchemy address; None = as configured.
        once: Return after showing.
        show: Prints.
    """
    opened = bind(HOST, port, tries=PORTS_TRIED)
    own_port = opened.getsockname()[1]
    if own_port != port:
        show(Text(f"Port {port} is in use; using {own_port}.", style="yellow"))
    settings = settings_for(HOST, own_port, database_url, log_level="warning")
    with background(settings, opened) as address:
        show(asked())
        stored, took = request_design(address.url)
        for part in report(stored, took, address.url):
            show(part)
        if settings.jobs:
            show(first_job(address.url))
        if not once:
            with beside(settings):  # only now: the design does not wait for a worker to start
                show(Text("Serving; Ctrl-C stops it."))
                wait_for_stop()
            show(Text("Stopped."))


def body() -> dict[str, Any]:
    """The request: the board's profile in full, as a user's own device would be posted."""
    profile = find_device(DEVICE).model_dump(mode="json", exclude_none=True)
    limits = LIMITS.model_dump(mode="json", exclude_none=True)
    return {"device": profile, "task": TASK, "limits": limits, "spaces": list(SPACES), "seed": 0}


def asked() -> Text:
    """What is asked for, in one paragraph."""
    limits = ", ".join(f"{WORDED[name].label.lower()} {bound(name, value)}" for name, value in LIMITS.limits().items())
    board, spaces = find_device(DEVICE).name, ", ".join(SPACES)
    return Text(f"POST /v1/designs: {board}, {TASK}, {limits}, risk {LIMITS.risk:g}, space {spaces}\n", style="dim")


def request_design(url: str) -> tuple[dict[str, Any], str]:
    """Post the request; the stored design, and how long the answer took, for people.

    Raises:
        TourFailed: The service did not answer with a design.
    """
    request = body()
    text = json.dumps([request, VERSIONS, SEARCH_VERSION, RELEASE], sort_keys=True)
    key = {"Idempotency-Key": f"tour-{hashlib.sha256(text.encode()).hexdigest()[:32]}"}
    with httpx.Client(base_url=url, timeout=ANSWER_WAIT_S, trust_env=False) as client:
        start = time.perf_counter()
        answer = client.post("/v1/designs", json=request, headers=key)
        took = f"{time.perf_counter() - start:.2f} s over HTTP"
        if "Idempotency-Replayed" in answer.headers:
            took = "an earlier run"
            if client.get(answer.headers["Location"]).status_code == httpx.codes.NOT_FOUND:  # deleted since
                start = time.perf_counter()
                answer = client.post("/v1/designs", json=request)
                took = f"{time.perf_counter() - start:.2f} s over HTTP"
    if answer.status_code != httpx.codes.CREATED:
        raise TourFailed("the service must answer with a design", f"{answer.status_code}: {answer.text:.400}")
    stored: dict[str, Any] = answer.json()
    return stored, took


def report(stored: dict[str, Any], took: str, url: str) -> Iterator[RenderableType]:
    """What the terminal shows of the stored design."""
    answer = Answer(
        design=Design.model_validate(stored["design"]),
        prediction=Prediction.model_validate(stored["prediction"]),
        feasible=stored["feasible"],
        approach=stored["approach"],
        why=stored.get("why"),
        optimizer_version=stored["versions"]["optimizer"],
        evaluations=stored["evaluations"],
        seed=stored["seed"],
    )
    yield answer_view(answer, stored["device"]["name"], stored["task"], LIMITS, took)
    yield Text(f"\nIts page: {url}{stored['links']['page']}", style="bold")


def first_job(url: str) -> Text:
    """The commands that design a network for a microcontroller, train it and follow the job."""
    own = Path(sys.argv[0])
    program = str(own) if own.name == "bespoke" and shutil.which("bespoke") is None else "bespoke"
    request = ",\n    ".join(json.dumps(FIRST_JOB).split(", ", 2))  # lines that no terminal breaks
    return Text(
        "\nTrain one: handwritten digits on a microcontroller, about a minute. In another terminal:\n\n"
        f"DESIGN=$(curl -s {url}/v1/designs \\\n"
        f"  -H 'Content-Type: application/json' -d '{request}' \\\n"
        "  | grep -o 'dsn_[0-9a-z]*' | head -1)\n"
        f"{program} jobs start $DESIGN --follow --url {url}\n\n"
        f"Then {url}/jobs has the report and the files.\n"
    )


def wait_for_stop() -> None:
    """Return at Ctrl-C or SIGTERM."""
    stop = threading.Event()

    def stopped(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = {number: signal.signal(number, stopped) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not stop.wait(0.5):
            pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
