"""A worker that runs the tiny steps."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

from service.logs import configure_logs
from service.settings import Settings
from service.worker.steps import Pipeline
from service.worker.work import Worker, stop_at_signals
from tests.service.worker.tiny_steps import NAMES, SKIPPED


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """A tiny step; `prune` is left out where the options say so."""

    name: str
    program: str = "tests.service.worker.tiny_steps:count"
    limit_s: float | None = None

    def skip(self, job: dict[str, Any]) -> str | None:
        return "nothing to prune" if self.name == SKIPPED and job["options"].get("skip") else None


PIPELINE = Pipeline(steps=tuple(Tiny(name=name) for name in NAMES))


def say(text: str) -> None:
    """Into the log."""
    sys.stderr.write(text + "\n")


def main() -> None:
    """`python -m tests.service.worker.synthetic SETTINGS_JSON SLOT VERSION`: a worker until SIGTERM."""
    settings = Settings(**json.loads(sys.argv[1]))
    configure_logs(settings.log_level)
    worker = Worker(settings=settings, pipeline=PIPELINE, queues=("cpu",), version=sys.argv[3])
    stop_at_signals(worker.stop)
    worker.run(number=int(sys.argv[2]), say=say)


if __name__ == "__main__":
    main()
