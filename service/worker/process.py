"""Process: the trainers of one job, each from its start to its certain end."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
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

WARM = sys.platform == "linux"
"""Whether a starter goes on with the next step; elsewhere what a trainer leaves behind could not be found."""
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


class Trainers:
    """Runs the steps of one job one after the other, each in a process of its own forked from one that stays warm.

    Args:
        memory_mb: Most megabytes that one may allocate; 0 = no limit.
        programs: Of all steps, which are loaded together.
    """

    def __init__(self, *, memory_mb: int, programs: Sequence[str] = ()) -> None:
        self.memory_mb, self.programs = memory_mb, tuple(programs)
        self._starter: Process | None = None

    async def run(
        self,
        program: str,
        job_file: Path,
        *,
        limit_s: float,
        log: StepLog,
        listen: Listen,
        watch: Callable[[], Awaitable[None]],
    ) -> Ending:
        """Run a step until it ends, its time is up, or the watch does.

        Whatever happens, nothing that the step started is left when this returns or raises.

        Args:
            program: `module:function`.
            job_file: What the step reads; its folder becomes the working directory.
            limit_s: Most seconds.
            log: Gets what it writes on standard error.
            listen: Called with each report; what it raises ends the trainer.
            watch: Ends when the trainer should; what it raises is raised here.
        """
        if self._starter is None or self._starter.returncode is not None:
            self._starter = await _started(self.memory_mb)
        mark = f"\0{secrets.token_hex(8)}"
        ends = asyncio.create_task(_heard(self._starter, mark.encode(), log, listen))
        watching = asyncio.ensure_future(watch())
        goes_on = False
        try:
            asked = {"program": program, "load": self.programs, "job_file": str(job_file), "mark": mark}
            await _ask(self._starter, asked)
            done, _ = await asyncio.wait({ends, watching}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            if ends in done:
                status = ends.result()
                goes_on = WARM
                return Ending(why=Why.ITSELF, status=status)
            if watching in done:
                watching.result()
            return Ending(why=Why.STOPPED if watching in done else Why.TIME, status=-signal.SIGKILL)
        finally:
            if not goes_on:
                _kill_group(self._starter)
            for task in (ends, watching):
                task.cancel()
            await asyncio.gather(ends, watching, return_exceptions=True)
            if not goes_on:
                await self.end()

    async def end(self) -> None:
        """Leave no process; the next step starts one anew."""
        starter, self._starter = self._starter, None
        if starter is not None:
            _kill_group(starter)
            await starter.wait()
            starter._transport.close()  # type: ignore[attr-defined]  # pipes that nobody has read to their end
            await asyncio.sleep(0)  # in which they are closed


async def _started(memory_mb: int) -> Process:
    """A starter in a group of its own, and all that it starts with it."""
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    module = [sys.executable, "-m", "service.worker.start", str(os.getpid()), str(memory_mb)]
    return await asyncio.create_subprocess_exec(
        *module, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True, limit=LONGEST_LINE
    )


async def _ask(starter: Process, request: Json) -> None:
    assert starter.stdin is not None
    with suppress(ConnectionError):  # its death is heard where its reports are
        starter.stdin.write(json.dumps(request).encode() + b"\n")
        await starter.stdin.drain()


async def _heard(starter: Process, mark: bytes, log: StepLog, listen: Listen) -> int:
    """Exit status of the trainer, or of a starter that died with it, after all that it said was listened to."""
    output, errors = starter.stdout, starter.stderr
    assert output is not None
    assert errors is not None

    async def reports() -> int | None:
        while line := await _line(output):
            with suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict):
                    if "ended" in said:
                        return int(said["ended"])
                    await listen(said)
        return None

    async def complaints() -> None:
        kept = b""
        while piece := await errors.read(1 << 16):
            before, found, _ = (kept + piece).partition(mark)
            kept = b"" if found else _begun(before, mark)
            log.write(before.removesuffix(kept))
            if found:
                return
        log.write(kept)

    readers = asyncio.gather(reports(), complaints())
    ended = asyncio.ensure_future(starter.wait())
    try:
        both: set[asyncio.Future[Any]] = {readers, ended}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if readers.done() and (status := readers.result()[0]) is not None:  # or a listener raised
            return status
        died = await ended
        _kill_group(starter)  # children of it that hold its pipes open
        told, _ = await readers
        return died if told is None else told
    finally:
        readers.cancel()
        ended.cancel()
        await asyncio.gather(readers, ended, return_exceptions=True)


def _begun(text: bytes, mark: bytes) -> bytes:
    """The longest end of a text that the mark may go on from."""
    return next((mark[:size] for size in range(len(mark) - 1, 0, -1) if text.endswith(mark[:size])), b"")


async def _line(output: asyncio.StreamReader) -> bytes:
    try:
        return await output.readline()
    except ValueError as error:
        raise TooLong(f"a report must have at most {LONGEST_LINE:,} bytes", "a longer one") from error


def _kill_group(starter: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(starter.pid, signal.SIGKILL)
