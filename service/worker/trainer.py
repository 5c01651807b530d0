"""Trainer: runs one step in a process of its own; what a step can say from there. Imports the standard library only."""

from __future__ import annotations

import ctypes
import errno
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRESS_PAUSE_S = 0.5
"""Least time between two reports of progress; those in between are left out."""
FAILED = 3
"""Exit status of a step that said why it failed."""
NO_MEMORY = 4
"""Exit status of a step that ran out of the memory it may have."""
NO_ROOM = 5
"""Exit status of a step that found the disk full."""
_PR_SET_PDEATHSIG = 1
_MEGABYTE = 1_000_000
_KILL_ME_FIRST = "700"
"""Score added where the system must kill something for want of memory: the trainer, not the worker."""

Json = dict[str, Any]


class StepFailed(Exception):
    """Raised by a step that cannot succeed, however often it is tried; the text tells the user why.

    Args:
        detail: What must hold, what came and the way out.
        more: Further members of the problem document, JSON values.
    """

    def __init__(self, detail: str, **more: Any) -> None:
        self.detail, self.more = detail, more
        super().__init__(detail)


class Report:
    """What a step says while it runs: one JSON object a line on the standard output it was started with."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._last = 0.0

    def progress(self, fraction: float, **figures: Any) -> None:
        """How much of the step is done, in [0, 1], with figures to show (JSON values)."""
        if time.monotonic() - self._last >= PROGRESS_PAUSE_S:
            self._last = time.monotonic()
            self.say({"progress": {"fraction": fraction} | figures})

    def artifact(self, path: Path, *, media_type: str) -> None:
        """A file in the work folder to be kept under its own name."""
        self.say({"artifact": {"path": str(path), "media_type": media_type}})

    def say(self, line: Json) -> None:
        """Write one line, whole."""
        text = json.dumps(line, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        rest = memoryview(text.encode() + b"\n")
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


Step = Callable[[Json, Report], Json]
"""A step: the job file and a report in, its result (JSON values) out."""


def die_with(parent: int, number: int = signal.SIGKILL) -> None:
    """Have the system signal this process when the thread that started it ends; end now if it has ended already.

    Processes that a step starts must do the same with their parent (`die_with(os.getppid())` first of all).
    Linux alone can do this; elsewhere a trainer whose worker is killed runs on to its end, and what it says is lost.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(1)


def limit_memory(megabytes: int) -> None:
    """Bound what this process may allocate (0 = not at all); files it maps do not count."""
    if sys.platform == "linux":
        Path("/proc/self/oom_score_adj").write_text(_KILL_ME_FIRST)
    if megabytes:
        size = megabytes * _MEGABYTE
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def find(address: str) -> Step:
    """The step at `module:function`."""
    module, _, name = address.partition(":")
    found: Step = getattr(importlib.import_module(module), name)
    return found


def run(address: str, job_file: Path, report: Report) -> int:
    """Run one step in the folder of its job file.

    Returns:
        The exit status.
    """
    os.chdir(job_file.parent)
    try:
        step = find(address)
        report.say({"result": step(json.loads(job_file.read_text("utf-8")), report)})
    except StepFailed as failed:
        report.say({"failure": {"detail": failed.detail} | failed.more})
        return FAILED
    except MemoryError:
        return NO_MEMORY
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return NO_ROOM
        raise
    return 0
