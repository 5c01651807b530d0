"""Warming up: one design per task, then proxies, before anybody asks: the first request finds filled caches."""

from __future__ import annotations

import threading
import time

import structlog

from design.devices.catalogue import find_device
from design.task import find_task
from optimizer.problem import Problem
from predictors.proxies import proxies
from service.context import Context

DEVICE = "raspberry-pi-4"


ENDS_S = 20.0
"""Longest that the end of the service waits for the piece of work in hand: a process that exits while another thread
computes may be aborted."""


def warm_up(context: Context, stop: threading.Event) -> threading.Thread | None:
    """Design for the tasks named in the settings, then rank the catalogue, in the background; nothing is stored.

    Args:
        context: Of the service.
        stop: Once set, nothing more is begun.

    Returns:
        The thread, or None where no task is named. It does not keep the process alive.
    """
    if not context.settings.warm_up:
        return None
    thread = threading.Thread(target=_warm, args=(context, stop), name="warm-up", daemon=True)
    thread.start()
    return thread


def _warm(context: Context, stop: threading.Event) -> None:
    log = structlog.get_logger()
    for name in context.settings.warm_up:
        if stop.is_set():
            return
        begun = time.perf_counter()
        try:
            context.optimize(Problem(device=find_device(DEVICE), task=find_task(name)))
        except Exception:
            log.exception("warming up failed; requests are answered all the same", task=name)
            return
        log.info("warmed up", task=name, seconds=round(time.perf_counter() - begun, 2))
    if stop.is_set():
        return
    begun = time.perf_counter()
    try:
        proxies(find_device(DEVICE))
    except Exception:
        log.exception("warming up failed; requests are answered all the same", task="proxies")
        return
    log.info("warmed up", task="proxies", seconds=round(time.perf_counter() - begun, 2))
