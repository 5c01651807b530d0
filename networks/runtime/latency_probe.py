"""Latency probe: times one ONNX model in a process of its own. Started by `networks.runtime.measure`, not imported.

`python -m networks.runtime.latency_probe MODEL THREADS BATCH WARM_UPS REPEATS SECONDS` writes one JSON object: wall and
CPU milliseconds of every repeat, and the load before and after.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from networks.runtime.session import open_session

SEED = 0


def probe(model: Path, *, threads: int, batch: int, warm_ups: int, repeats: int, seconds: float) -> dict[str, Any]:
    """Time calls on normal noise, at least three and at most `repeats`, for about `seconds`."""
    session = open_session(model, threads=threads)
    given = session.get_inputs()[0]
    pictures = np.random.default_rng(SEED).normal(size=(batch, *given.shape[1:])).astype(np.float32)
    load_before = os.getloadavg()[0]
    for _ in range(warm_ups):
        session.run(None, {given.name: pictures})
    wall: list[float] = []
    cpu: list[float] = []
    end = time.perf_counter() + seconds
    while len(wall) < repeats and (len(wall) < 3 or time.perf_counter() < end):
        begun, begun_cpu = time.perf_counter(), time.process_time()
        session.run(None, {given.name: pictures})
        cpu.append(1e3 * (time.process_time() - begun_cpu))
        wall.append(1e3 * (time.perf_counter() - begun))
    return {
        "wall_ms": wall,
        "cpu_ms": cpu,
        "load_before": load_before,
        "load_after": os.getloadavg()[0],
        "runtime": f"onnxruntime {onnxruntime.__version__}",
    }


def main() -> None:
    """Read the arguments, write the figures."""
    model, threads, batch, warm_ups, repeats, seconds = sys.argv[1:]
    found = probe(
        Path(model),
        threads=int(threads),
        batch=int(batch),
        warm_ups=int(warm_ups),
        repeats=int(repeats),
        seconds=float(seconds),
    )
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
