"""Together: a training by several processes of one machine, each on its share of every batch."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

from design.errors import BespokeError
from networks.training.errors import RankFailed
from networks.training.launch import launch
from networks.training.ranks import Ranks
from service.worker.programs.subject import Subject
from service.worker.programs.trained import Told, train_at_bits, train_in_full_precision, train_what_was_cut
from service.worker.trainer import Report, StepFailed, die_with

TRAININGS: dict[str, Callable[[Subject, Ranks, Told], dict[str, Any]]] = {
    "train": train_in_full_precision,
    "prune": train_what_was_cut,
    "quantize": train_at_bits,
}
REASON = "rank-failure.json"
"""In the work folder: what a process says is wrong before it ends the others."""
Json = dict[str, Any]


def train(name: str, job: Json, report: Report) -> Json:
    """One of TRAININGS, by as many processes as the options say.

    Raises:
        StepFailed: What one of several processes said.
    """
    processes = int(job["options"].get("processes") or 1)
    if processes == 1:
        return TRAININGS[name](Subject(job), Ranks(), lambda fraction, figures: report.progress(fraction, **figures))
    reason = Subject(job).folder / REASON
    reason.unlink(missing_ok=True)
    heard, said = multiprocessing.get_context("spawn").Pipe(duplex=False)
    listener = threading.Thread(target=_pass_on, args=(heard, report), name="ranks", daemon=True)
    listener.start()
    try:
        found: Json = launch(rank, name, job, said, processes=processes)
    except RankFailed as failed:
        if reason.exists():
            raise StepFailed(json.loads(reason.read_text("utf-8"))) from failed
        raise
    finally:
        said.close()
        listener.join()
    return found


def rank(name: str, job: Json, said: Connection) -> Json:
    """What each of the processes does; the first one tells of progress."""
    die_with(os.getppid())
    subject = Subject(job)
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // int(job["options"]["processes"])))
    try:
        ranks = Ranks.joined(job.get("accelerator", "cpu"))
        return TRAININGS[name](subject, ranks, lambda fraction, figures: said.send((fraction, figures)))
    except BespokeError as error:
        part = subject.folder / f"{REASON}.{os.getpid()}.part"
        part.write_text(json.dumps(str(error)), "utf-8")
        part.replace(subject.folder / REASON)
        raise


def _pass_on(heard: Connection, report: Report) -> None:
    """Until nobody is left who could say something."""
    try:
        while True:
            fraction, figures = heard.recv()
            report.progress(fraction, **figures)
    except (EOFError, OSError):
        return
