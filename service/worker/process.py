"""Process: one trainer from its start to its certain end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from design.errors import BespokeError
from service.worker.logs import StepLog

LONGEST_LINE = 1 << 20
"""Most bytes of one report."""
_SECRETS = ("BESPOKE_DATABASE_URL", "PGPASSWORD")
"""Left out of the trainer's environment: it has no business with the database."""

Json = dict[str, Any]
Listen = Callable[[Json], Awaitable[None]]


class TooLong(BespokeError):
    """A trainer said too much at once."""


class Why(Enum):
    """Why a trainer ended."""

    ITSELF = "it ended"
    TIME = "its time was up"
    STOPPED = "the watch ended"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a trainer ended.

    Attributes:
        status: Exit status; negative = the signal that killed it.
    """

    why: Why
    status: int


async def run_trainer(
    program: str,
    job_file: Path,
    *,
    memory_mb: int,
    limit_s: float,
    log: StepLog,
    listen: Listen,
    watch: Callable[[], Awaitable[None]],
) -> Ending:
    """Run a step in a process of its own until it ends, its time is up, or the watch does.

    Whatever happens, no process of its group is left when this returns or raises.

    Args:
        program: `module:function`.
        job_file: What the step reads; its folder becomes the working directory.
        memory_mb: Most megabytes it may allocate; 0 = no limit.
        limit_s: Most seconds.
        log: Gets what it writes on standard error.
        listen: Called with each report; what it raises ends the trainer.
        watch: Ends when the trainer should; what it raises is raised here.
    """
    module = [sys.executable, "-m", "service.worker.start", program, str(job_file), str(os.getpid()), str(memory_mb)]
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    trainer = await asyncio.create_subprocess_exec(
        *module,
        cwd=job_file.parent,
        env=environment,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
        limit=LONGEST_LINE,
    )
    ends = asyncio.create_task(_heard(trainer, log, listen))
    watching = asyncio.ensure_future(watch())
    try:
        done, _ = await asyncio.wait({ends, watching}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if ends in done:
            return Ending(why=Why.ITSELF, status=ends.result())
        if watching in done:
            watching.result()
        return Ending(why=Why.STOPPED if watching in done else Why.TIME, status=-signal.SIGKILL)
    finally:
        _kill_group(trainer)
        for task in (ends, watching):
            task.cancel()
        await asyncio.gather(ends, watching, return_exceptions=True)
        await trainer.wait()


async def _heard(trainer: Process, log: StepLog, listen: Listen) -> int:
    """Exit status, after all it said was listened to."""
    output, errors = trainer.stdout, trainer.stderr
    assert output is not None
    assert errors is not None

    async def reports() -> None:
        while line := await _line(output):
            with suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict):
                    await listen(said)

    async def complaints() -> None:
        while piece := await errors.read(1 << 16):
            log.write(piece)

    readers = asyncio.gather(reports(), complaints())
    ended = asyncio.ensure_future(trainer.wait())
    try:
        both: set[asyncio.Future[Any]] = {readers, ended}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if readers.done():
            readers.result()  # a listener that raised
        status = await ended
        _kill_group(trainer)  # children of it that hold its pipes open
        await readers
        return status
    finally:
        readers.cancel()
        ended.cancel()
        await asyncio.gather(readers, ended, return_exceptions=True)


async def _line(output: asyncio.StreamReader) -> bytes:
    try:
        return await output.readline()
    except ValueError as error:
        raise TooLong(f"a report must have at most {LONGEST_LINE:,} bytes", "a longer one") from error


def _kill_group(trainer: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(trainer.pid, signal.SIGKILL)
