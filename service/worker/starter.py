"""Starter: keeps libraries loaded and starts trainers as forks of itself, so that steps do not wait for imports.

It computes nothing and starts no thread: every trainer begins in the same state, whatever ran before it. It lives as
long as its worker has the job in hand. Imports the standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from service.worker.trainer import Report, die_with, find, limit_memory, run

DIED = 1
"""Exit status of a trainer that raised what it did not foresee."""


def main() -> None:
    """`python -m service.worker.start PARENT_PID MEMORY_MB`: requests on standard input, one JSON object a line.

    A request has `program` (`module:function`), `job_file`, `load`: all programs of the job, and `mark`: what is
    written on standard error behind all that the trainer wrote there. Reports go to standard output, last of each
    trainer `{"ended": STATUS}`.
    """
    die_with(int(sys.argv[1]))
    limit_memory(int(sys.argv[2]))
    requests, reports = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)  # what libraries print is no report
    own = Report(reports)
    with os.fdopen(requests) as lines:
        for line in lines:
            asked = json.loads(line)
            status = _ended(asked, own, requests)
            os.write(2, asked["mark"].encode())
            own.say({"ended": status})


def _ended(asked: dict[str, Any], report: Report, requests: int) -> int:
    """Exit status of a trainer; negative = the signal that killed it. Nothing that it started is left."""
    for program in (asked["program"], *asked["load"]):  # at once: new code that is put in place meanwhile does not mix
        with suppress(Exception):  # the trainer will say what is wrong with it
            find(program)
    starter = os.getpid()
    trainer = os.fork()
    if trainer == 0:
        status = DIED
        try:
            os.close(requests)
            die_with(starter)
            status = run(asked["program"], Path(asked["job_file"]), report)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    _, how = os.waitpid(trainer, 0)
    while left := _others():
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(how)


def _others() -> list[int]:
    """Live processes of this group beside this one: what a trainer started and left (found on Linux alone)."""
    own, group, found = os.getpid(), os.getpgid(0), []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, of = path.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and int(path.parent.name) != own and state != "Z":
                found.append(int(path.parent.name))
    return found
