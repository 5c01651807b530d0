"""POST /v1/designs over HTTP, as a ratio to an empty endpoint of the same server in the same run.

The server is a process of its own on loopback with an embedded database; `rss_mb` is that process. The batch endpoint
is not asked here, `batch_ms_per_device` is null: see `fleet` of `benchmarks.optimizer`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.report import Arguments, main, say
from design.encoding import FloatArray

EMPTY = "/v1/health/live"
DESIGNS = "/v1/designs"
DEVICES = ("raspberry-pi-4", "jetson-nano", "stm32f746", "pixel-3")
SPACES: tuple[tuple[str, ...], ...] = (("nasbench201",), ("resnet",), ())
WORKERS = 4
START_S = 60.0


def measure(arguments: Arguments) -> dict[str, Any]:
    """All figures of the `service` benchmark."""
    rounds = (6 if arguments.quick else 30) * arguments.seeds
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (client, process_id):
        for spaces in SPACES:  # the first request of a kind fills caches
            design(client, DEVICES[0], spaces, seed=0)
        idle_mb = resident_mb(process_id)
        empty = times(lambda index: answered(client.get(EMPTY)), 20 * rounds)
        by_space = {"+".join(spaces) or "all": design_times(client, spaces, rounds) for spaces in SPACES}
        one = stored_design(client)
        predictions = times(lambda index: predict(client, one), rounds)
        throughput = per_second(client, rounds)
        empty_throughput = per_second_empty(client, 20 * rounds)
        rss_mb = resident_mb(process_id)
    asked = by_space["all"]
    base = float(np.median(empty))
    for name, taken in by_space.items():
        say(f"designs of {name}: p50 {1e3 * np.median(taken):.0f} ms, empty endpoint {1e3 * base:.2f} ms")
    return {
        "design_p50_ratio": float(np.median(asked)) / base,
        "design_p99_ratio": float(np.quantile(asked, 0.99)) / base,
        "design_p50_ms": 1e3 * float(np.median(asked)),
        "design_p99_ms": 1e3 * float(np.quantile(asked, 0.99)),
        "empty_p50_ms": 1e3 * base,
        "spaces": {name: {"design_p50_ratio": float(np.median(taken)) / base} for name, taken in by_space.items()},
        "prediction_p50_ratio": float(np.median(predictions)) / base,
        "designs_per_second": throughput,
        "empty_per_second": empty_throughput,
        "designs_per_second_ratio": throughput / empty_throughput,
        "batch_ms_per_device": None,
        "rss_mb": rss_mb,
        "rss_idle_mb": idle_mb,
        "requests": rounds,
    }


def times(call: Callable[[int], object], count: int) -> FloatArray:
    """Seconds of each of `count` calls, one after the other."""
    taken = []
    for index in range(count):
        begun = time.perf_counter()
        call(index)
        taken.append(time.perf_counter() - begun)
    return np.array(taken)


def design_times(client: httpx.Client, spaces: tuple[str, ...], count: int) -> FloatArray:
    """Seconds of each of `count` designs, the devices in turn, each with a seed of its own."""
    return times(lambda index: design(client, DEVICES[index % len(DEVICES)], spaces, seed=index), count)


def answered(response: httpx.Response) -> httpx.Response:
    """The response, if it is a good one."""
    response.raise_for_status()
    return response


def design(client: httpx.Client, device: str, spaces: tuple[str, ...], seed: int) -> httpx.Response:
    """One design with a limit that leaves room on every device."""
    request = {
        "device": device,
        "task": "cifar10",
        "limits": {"model_kb": 400},
        "spaces": spaces,
        "seed": seed,
    }
    return answered(client.post(DESIGNS, json=request))


def stored_design(client: httpx.Client) -> str:
    """The id of any stored design."""
    found: str = answered(client.get(DESIGNS, params={"limit": 1})).json()["items"][0]["id"]
    return found


def predict(client: httpx.Client, design_id: str) -> httpx.Response:
    """One stored design on one device."""
    return answered(client.post("/v1/predictions", json={"design_id": design_id, "devices": [DEVICES[0]]}))


def per_second(client: httpx.Client, count: int) -> float:
    """Designs of the smallest space per second, `WORKERS` clients at once."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda index: design(client, DEVICES[index % len(DEVICES)], SPACES[0], index), range(count)))
    return count / (time.perf_counter() - begun)


def per_second_empty(client: httpx.Client, count: int) -> float:
    """Empty answers per second, `WORKERS` clients at once."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda index: answered(client.get(EMPTY)), range(count)))
    return count / (time.perf_counter() - begun)


def resident_mb(process_id: int) -> float | None:
    """Resident memory of a process, 10^6 bytes; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{process_id}/status").read_text("utf-8").splitlines()
    except OSError:
        return None
    kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return kibibytes * 1024 / 1e6


@contextmanager
def served(folder: Path) -> Iterator[tuple[httpx.Client, int]]:
    """A server process with a database in `folder`, and a client of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "service.app:create_app", "--port", str(port)]
    environment = os.environ | {"BESPOKE_DATA_FOLDER": str(folder), "BESPOKE_LOG_LEVEL": "error"}
    environment.pop("BESPOKE_DATABASE_URL", None)
    process = subprocess.Popen([*command, "--no-access-log", "--log-level", "error"], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            wait_for(client, process)
            yield client, process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    """Return once the server answers.

    Raises:
        RuntimeError: It ended, or did not answer in time.
    """
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        try:
            if client.get(EMPTY).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"the server must answer within {START_S:g} s")


if __name__ == "__main__":
    main(__doc__ or "", measure)
