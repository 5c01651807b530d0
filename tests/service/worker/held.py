"""A worker that runs the real steps, held where the job's options say."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

from service.logs import configure_logs
from service.settings import Settings
from service.worker.steps import PIPELINE as REAL
from service.worker.steps import Pipeline, Step
from service.worker.work import Worker, stop_at_signals
from tests.service.worker.synthetic import say


@dataclass(frozen=True, kw_only=True)
class Held:
    """A real step that can be held."""

    real: Step
    program: str = "tests.service.worker.held_steps:step"
    limit_s: float | None = None

    @property
    def name(self) -> str:
        return self.real.name

    def skip(self, job: dict[str, Any]) -> str | None:
        return self.real.skip(job)


PIPELINE = Pipeline(steps=tuple(Held(real=step) for step in REAL.steps))


def main() -> None:
    """`python -m tests.service.worker.held SETTINGS_JSON SLOT VERSION`: a worker until SIGTERM."""
    settings = Settings(**json.loads(sys.argv[1]))
    configure_logs(settings.log_level)
    worker = Worker(settings=settings, pipeline=PIPELINE, queues=("cpu",), version=sys.argv[3])
    stop_at_signals(worker.stop)
    worker.run(number=int(sys.argv[2]), say=say)


if __name__ == "__main__":
    main()
