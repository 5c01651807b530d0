"""Runs the steps of a job one after the other in this process."""

from __future__ import annotations

import json
import os
from typing import Any

from service.worker.steps import PIPELINE
from service.worker.trainer import Report, find

Json = dict[str, Any]


class Steps:
    """Runs steps as a worker would, without its processes."""

    def __init__(self, job: Json) -> None:
        self.job = job
        self._report = Report(os.open(os.devnull, os.O_WRONLY))

    def run(self, *, until: str) -> Json:
        """All steps up to one of them, which is done again if it was; its result."""
        for step in PIPELINE.steps:
            if step.name not in self.job["results"] or step.name == until:
                told = None if step.skip(self.job) else find(step.program)(self.job, self._report)
                self.job["results"][step.name] = json.loads(json.dumps(told, allow_nan=False))
            if step.name == until:
                break
        found: Json = self.job["results"][until]
        return found

    @property
    def skipped(self) -> list[str]:
        return [name for name, result in self.job["results"].items() if result is None]
