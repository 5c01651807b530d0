"""Alone: the program of a worker that the service starts beside itself; imports little, to start fast.

`python -m service.worker.alone PARENT_PID QUEUE`, with settings in the environment.
"""

from __future__ import annotations

import signal
import sys

import structlog

from service.database import Database
from service.jobs.engine import prepare
from service.logs import configure_logs
from service.settings import Settings
from service.upgrade import upgrade
from service.worker.steps import PIPELINE, Pipeline
from service.worker.trainer import die_with
from service.worker.work import Worker, stop_at_signals


def bring_up(settings: Settings) -> None:
    """The tables of the service, and those of the engine where jobs are taken, as this version needs them."""
    database = Database(settings)
    upgrade(database)
    database.close()
    if settings.jobs:
        prepare(settings)


def main(pipeline: Pipeline = PIPELINE) -> None:
    """Work until told to stop, or until the parent ends."""
    die_with(int(sys.argv[1]), signal.SIGTERM)
    settings = Settings()
    configure_logs(settings.log_level)
    if settings.migrate:
        bring_up(settings)
    own = Worker(settings=settings, pipeline=pipeline, queues=(sys.argv[2],))
    stop_at_signals(own.stop)
    own.run(say=lambda text: structlog.get_logger().info("worker", said=text))


if __name__ == "__main__":
    main()
