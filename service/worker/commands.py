"""`bespoke worker` and `bespoke migrate`: the parts of the service beside the API."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from design.errors import BespokeError
from service.jobs.engine import QUEUES
from service.logs import configure_logs
from service.serve import check_database
from service.settings import Settings
from service.terminal import show
from service.upgrade import newest
from service.worker.alone import bring_up
from service.worker.steps import PIPELINE
from service.worker.work import Worker, stop_at_signals

Url = Annotated[str | None, typer.Option(help="SQLAlchemy address; as configured if none.")]


class JobsOff(BespokeError):
    """The settings say that no jobs are taken."""


class UnknownQueue(BespokeError):
    """Not the name of a queue."""


def _settings(url: str | None) -> Settings:
    settings = Settings(database_url=url) if url else Settings()
    check_database(settings)
    return settings


def worker(
    queue: Annotated[list[str], typer.Option(help=f"Queue to serve; may be repeated: {', '.join(QUEUES)}.")],
    slot: Annotated[
        int | None, typer.Option(min=0, help="Number of this worker on its host; any free one if none.")
    ] = None,
    database_url: Url = None,
) -> None:
    """Take jobs until Ctrl-C or SIGTERM; then let the present step end, or hand its job over."""
    settings = _settings(database_url)
    if not settings.jobs:
        raise JobsOff("jobs must be on", "BESPOKE_JOBS=false", "Set BESPOKE_JOBS=true for the API and the workers.")
    for name in queue:
        if name not in QUEUES:
            raise UnknownQueue(f"a queue must be one of {', '.join(QUEUES)}", repr(name))
    configure_logs(settings.log_level)
    if settings.migrate:
        bring_up(settings)
    own = Worker(settings=settings, pipeline=PIPELINE, queues=tuple(dict.fromkeys(queue)))
    stop_at_signals(own.stop)
    own.run(number=slot, say=lambda text: show(Text(text)))


def migrate(database_url: Url = None) -> None:
    """Bring the database to the newest migration, the job engine's tables included, and end."""
    bring_up(_settings(database_url))
    show(Text(f"The database is at {newest()}."))
