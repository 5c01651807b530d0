"""The real steps, each of which waits where its job's options say, so that it can be interrupted there."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from service.worker.programs import (
    exporting,
    inspection,
    measurement,
    prepare,
    pruning,
    reporting,
    training,
    verification,
)
from service.worker.steps import PIPELINE
from service.worker.trainer import Report, find

LOADED = (exporting, inspection, measurement, prepare, pruning, reporting, training, verification)
"""Imported here, so that the process which starts trainers has them."""
Json = dict[str, Any]


def step(job: Json, report: Report) -> Json:
    """Do the real step, then wait as often as `hold` says: all is done, and nothing of it is recorded."""
    folder = Path(job["work_folder"])
    trace = {"step": job["step"], "attempt": job["attempt"], "pid": os.getpid(), "parent": os.getppid()}
    real = next(one for one in PIPELINE.steps if one.name == job["step"])
    result = find(real.program)(job, report)
    with (folder / "trace.jsonl").open("a") as file:
        file.write(json.dumps(trace) + "\n")
    visits = sum(json.loads(line)["step"] == job["step"] for line in (folder / "trace.jsonl").read_text().splitlines())
    if visits <= job["options"].get("hold", {}).get(job["step"], 0):
        time.sleep(600)
    return result
