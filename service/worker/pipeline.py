"""Pipeline: the main path of a worker. A job's steps in order, each once for good, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from service.artifacts.store import DiskFull, Store
from service.jobs.engine import Durable
from service.settings import Settings
from service.worker.failures import failure
from service.worker.ledger import AWAY, Claim, Ledger, LostJob
from service.worker.logs import StepLog
from service.worker.process import Ending, Trainers, Why
from service.worker.steps import Pipeline, Step
from service.worker.trainer import FAILED, NO_MEMORY, NO_ROOM, PROGRESS_PAUSE_S

Json = dict[str, Any]
HOUR_S = 3_600.0


class OutOfTouch(Exception):
    """The database was away for so long that others may think us dead."""


class JobFailed(Exception):
    """The job ends here.

    Args:
        problem: What the user is told.
    """

    def __init__(self, problem: Json) -> None:
        self.problem = problem
        super().__init__(problem["detail"])


@dataclass(frozen=True, kw_only=True)
class Hand:
    """A job in hand.

    Attributes:
        trainers: Run its steps.
    """

    claim: Claim
    trainers: Trainers


@dataclass(kw_only=True)
class Runner:
    """Runs jobs for one worker.

    Attributes:
        stopping: Set when the worker is to stop: the present step may still end within the grace, then the job is
            handed over.
    """

    settings: Settings
    ledger: Ledger
    store: Store
    pipeline: Pipeline
    stopping: threading.Event = field(default_factory=threading.Event)
    in_hand: set[str] = field(default_factory=set)

    async def run(self, job_id: str, durable: Durable) -> None:
        """Do what is left of a job."""
        claim = await asyncio.to_thread(self.ledger.claim, job_id)
        if claim is None:
            return
        self.in_hand.add(job_id)
        log = structlog.get_logger().bind(job_id=job_id, attempt=claim.attempt)
        log.info("job taken up")
        programs = [step.program for step in self.pipeline.steps if step.program]
        hand = Hand(claim=claim, trainers=Trainers(memory_mb=self.settings.trainer_memory_mb, programs=programs))
        try:
            results: dict[str, Json] = {}
            for number, step in enumerate(self.pipeline.steps, 1):
                results[step.name] = await durable(step.name, partial(self._step, hand, number, step, dict(results)))
                if "failure" in results[step.name]:
                    return
            await self._succeed(claim, results)
            log.info("job done")
        except LostJob:
            log.info("job lost: cancelled or taken over")
        finally:
            await hand.trainers.end()
            self.in_hand.discard(job_id)

    async def _succeed(self, claim: Claim, results: dict[str, Json]) -> None:
        """End the job with what it measured; where that cannot be kept it has failed, and can be retried."""
        try:
            await asyncio.to_thread(self.ledger.succeed, claim, results)
        except LostJob:
            raise
        except Exception as error:
            structlog.get_logger().exception("feedback", job_id=claim.job_id)
            problem = failure("internal-error", f"{type(error).__name__}; the worker's log has more.", step=None)
            await asyncio.to_thread(self.ledger.fail, claim, problem)

    async def _step(self, hand: Hand, number: int, step: Step, results: dict[str, Json]) -> Json:
        """One step: `{"result": ...}`, `{"skipped": reason}`, or `{"failure": problem}`: the job has ended."""
        claim = hand.claim
        if self.stopping.is_set():
            await self._hand_over(hand)
        try:
            job = await asyncio.to_thread(self._job_file, claim, number, step, results)
            reason = step.skip(job)
            if reason is not None:
                await asyncio.to_thread(partial(self.ledger.end_step, claim, step.name, number, skipped=reason))
                return {"skipped": reason}
            await asyncio.to_thread(self.ledger.begin_step, claim, step.name, number, len(self.pipeline.steps))
            result = await self._tried(hand, number, step, job)
            await asyncio.to_thread(self.ledger.end_step, claim, step.name, number)
            return {"result": result}
        except JobFailed as failed:
            problem = failed.problem
        except LostJob:
            raise
        except Exception as error:
            structlog.get_logger().exception("step", job_id=claim.job_id, step=step.name)
            problem = failure("internal-error", f"{type(error).__name__}; the worker's log has more.", step=step.name)
        await asyncio.to_thread(self.ledger.fail, claim, problem)
        return {"failure": problem}

    async def _tried(self, hand: Hand, number: int, step: Step, job: Json) -> Json:
        """The result of a step, from the first trainer that lives to give one."""
        attempt, claim = 0, hand.claim
        while True:
            said: Json = {}
            try:
                ending = await self._trainer(hand, number, step, job, said)
            except OutOfTouch:
                await asyncio.to_thread(self.ledger.retry_step, claim, step.name, "The database was away")
                continue
            attempt += 1
            if ending.why is Why.STOPPED:
                await self._hand_over(hand)
            if ending.why is Why.TIME:
                detail = f"The job may take {self.settings.job_hours:g} hours, {step.name} its share of them."
                raise JobFailed(failure("out-of-time", detail, step=step.name))
            if "failure" in said:
                told = said["failure"]
                raise JobFailed(failure("step-failed", **{"detail": "no reason given"} | told, step=step.name))
            if ending.status == 0 and isinstance(said.get("result"), dict):
                result: Json = said["result"]
                return result
            slug, detail = _death(ending)
            if attempt == self.settings.step_tries:
                raise JobFailed(failure(slug, f"{detail}, {attempt} times; its log has more.", step=step.name))
            await asyncio.to_thread(self.ledger.retry_step, claim, step.name, detail)

    async def _trainer(self, hand: Hand, number: int, step: Step, job: Json, said: Json) -> Ending:
        """Run one trainer; what it says last of result and failure is left in `said`."""
        claim = hand.claim
        folder = self.settings.work_folder(claim.job_id)
        job_file = folder / f"{number:02d}-{claim.attempt}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            job_file.write_text(json.dumps(job, allow_nan=False), "utf-8")
        except OSError as error:
            raise JobFailed(failure("disk-full", f"{os.strerror(error.errno or 0)}.", step=step.name)) from error
        shown = 0.0

        async def listen(line: Json) -> None:
            nonlocal shown
            said.update({key: line[key] for key in ("result", "failure") if key in line})
            progress = line.get("progress")
            if isinstance(progress, dict) and time.monotonic() - shown >= PROGRESS_PAUSE_S:
                shown = time.monotonic()
                await asyncio.to_thread(self.ledger.progress, claim, step.name, progress)
            if isinstance(line.get("artifact"), dict):
                await asyncio.to_thread(self._keep, claim, step, folder, line["artifact"])

        left_s = self.settings.job_hours * HOUR_S - claim.spent_so_far_s
        return await hand.trainers.run(
            step.program,
            job_file.resolve(),
            limit_s=max(0.0, min(left_s, step.limit_s or left_s)),
            log=StepLog(self.settings.log_folder(claim.job_id), number, step.name),
            listen=listen,
            watch=partial(self._watch, claim),
        )

    async def _watch(self, claim: Claim) -> None:
        """Ends when the worker stops and its grace is over.

        Raises:
            LostJob: The job is not ours any more.
            OutOfTouch: We could not ask.
        """
        asked, told = time.monotonic(), None
        while True:
            await asyncio.sleep(self.settings.watch_s)
            now = time.monotonic()
            if self.stopping.is_set():
                told = told or now
                if now - told >= self.settings.grace_s:
                    return
            try:
                if not await asyncio.to_thread(self.ledger.holds, claim):
                    raise LostJob(claim.job_id)
                asked = time.monotonic()
            except AWAY as error:
                if now - asked >= self.settings.dead_after_s:
                    raise OutOfTouch from error

    async def _hand_over(self, hand: Hand) -> None:
        """Put the job down for another worker; the step does not end here."""
        await hand.trainers.end()
        await asyncio.to_thread(self.ledger.hand_over, hand.claim)
        self.in_hand.discard(hand.claim.job_id)
        await asyncio.Event().wait()  # until the engine ends this step with its loop

    def _keep(self, claim: Claim, step: Step, folder: Path, told: Json) -> None:
        """Store a file that the trainer made in its work folder."""
        path = (folder / str(told.get("path", ""))).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            detail = f"A file to keep must be in the work folder, but got {path.name!r}."
            raise JobFailed(failure("step-failed", detail, step=step.name))
        try:
            stored = self.store.put_file(path)
        except DiskFull as full:
            raise JobFailed(failure("disk-full", str(full), step=step.name)) from full
        media_type = str(told.get("media_type", "application/octet-stream"))
        self.ledger.artifact(claim, step.name, stored, name=path.name, media_type=media_type)

    def _job_file(self, claim: Claim, number: int, step: Step, results: dict[str, Json]) -> Json:
        """What a trainer is given."""
        digest = claim.subject["dataset"].get("digest")
        pictures = self.store.find(digest) if digest else None
        if digest and pictures is None:
            raise JobFailed(failure("step-failed", "The data set's pictures are not stored any more.", step=step.name))
        return claim.subject | {
            "job_id": claim.job_id,
            "attempt": claim.attempt,
            "step": step.name,
            "number": number,
            "options": claim.options,
            "results": {name: one.get("result") for name, one in results.items()},
            "accelerator": claim.queue,
            "pictures_folder": str(folder.resolve()) if (folder := self.settings.pictures_folder) else None,
            "work_folder": str(self.settings.work_folder(claim.job_id).resolve()),
            "dataset_file": str(pictures.resolve()) if pictures else None,
        }


def _death(ending: Ending) -> tuple[str, str]:
    """What to call the death of a trainer."""
    if ending.status == NO_MEMORY:
        return "out-of-memory", "The trainer asked for more memory than it may have"
    if ending.status == NO_ROOM:
        return "disk-full", "The trainer found no room left for what it writes"
    if ending.status == FAILED:
        return "step-failed", "The trainer failed and did not say why"
    if ending.status < 0:
        name = signal.Signals(-ending.status).name
        slug = "out-of-memory" if ending.status == -signal.SIGKILL else "trainer-died"
        hint = " (the system kills what takes too much memory)" if ending.status == -signal.SIGKILL else ""
        return slug, f"The trainer was ended by {name}{hint}"
    return "trainer-died", f"The trainer ended with status {ending.status} and without a result"
