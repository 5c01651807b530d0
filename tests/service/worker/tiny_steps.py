"""Five tiny steps: stand in for training, so that the engine can be tried. Imports little, to start fast.

Every step makes a number from the one before, so that the last one shows whether each step ran once in its order.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from service.worker.trainer import Report, StepFailed

Json = dict[str, Any]
NAMES = ("prepare", "train", "prune", "export", "report")
SKIPPED = "prune"


def expected(*, skipped: bool = False) -> int:
    """What the last step gives, whatever happened meanwhile."""
    made = 1
    for number, name in enumerate(NAMES, 1):
        made = made if skipped and name == SKIPPED else made * 7 + number
    return made


def count(job: Json, report: Report) -> Json:
    """Wait, say so, write a file, and count on; misbehaves in the step that the options name."""
    folder, options, number = Path(job["work_folder"]), job["options"], job["number"]
    trace = {"step": job["step"], "attempt": job["attempt"], "pid": os.getpid(), "parent": os.getppid()}
    trace["at"] = time.time()
    with (folder / "trace.jsonl").open("a") as file:
        file.write(json.dumps(trace) + "\n")
    sys.stderr.write(f"{job['step']} runs\n")
    report.progress(0.5, loss=1.0 / number)
    if options.get("in") == job["step"]:
        _misbehave(options["do"], folder)
    time.sleep(options.get("step_s", 0.05))
    before = [one["count"] for one in job["results"].values() if one]
    made = folder / f"{job['step']}.txt"
    made.write_text(f"{job['step']} of {job.get('subject_name', job.get('design_name'))}\n")
    report.artifact(made, media_type="text/plain")
    return {"count": (before[-1] if before else 1) * 7 + number}


def _misbehave(how: str, folder: Path) -> None:
    first = not (folder / "misbehaved").exists()
    (folder / "misbehaved").touch()
    if how == "fail":
        raise StepFailed("The accuracy must be above chance, but got 0.1.", layer="conv1")
    if how == "fail once" and first:
        raise StepFailed("Not today.")
    if how == "kill the starter":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    if how in ("hang", "leave"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (folder / "part").write_text(str(child.pid))
        (folder / "part").rename(folder / "grandchild")
        time.sleep(600 if how == "hang" else 0)
    if how == "abort" or (how == "abort once" and first):
        os.abort()
    if how == "eat memory":
        bytearray(1 << 33)
    if how == "fill the disk":
        raise OSError(errno.ENOSPC, "No space left on device")
    if how == "raise":
        raise RuntimeError("not foreseen")
    if how == "wait":
        time.sleep(600)
    if how == "print":
        os.write(1, b"printed by a library\n")
        sys.stdout.write("{}\n")
    if how == "talk":
        sys.stderr.write("x" * 99 + "\n")


def say_too_much(job: Json, report: Report) -> Json:
    """One line of two megabytes."""
    del job
    report.say({"x": "x" * (1 << 21)})
    return {}


def environment(job: Json, report: Report) -> Json:
    """Names of the environment's variables."""
    del job, report
    return {"names": sorted(os.environ)}
