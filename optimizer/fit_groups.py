"""Fit groups: the same fit for every space and tasks of one signature, several at a time, resumed where it was cut off.

Finished groups wait in a folder of their own inside the output folder and move out together: files that ship are never
partly old and partly new, and a fit begun anew goes on behind the last group that was finished.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path

import numpy as np

from design.errors import TaskTooSmall
from design.spaces.registry import SPACES
from design.task import TASKS, Task
from optimizer.gene_code import gene_code, signature
from predictors.storage import WEIGHTS

MOST_TASKS = 3
"""Tasks of one signature that are fitted on."""
UNFINISHED = ".unfinished"
LOOKS_AFTER_S = 1.0
Group = tuple[str, tuple[str, ...]]
"""Space, and tasks of one signature of its genes."""


def groups() -> list[Group]:
    """Each space with the built-in tasks of each signature, small pictures first."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, space in SPACES.items():
        for task in TASKS.values():
            try:
                found.setdefault((name, signature(space, task)), []).append(task.name)  # type: ignore[arg-type]
            except TaskTooSmall:
                continue
    return [(name, tuple(tasks)) for (name, _), tasks in found.items()]


def spread_out(tasks: Sequence[str]) -> list[Task]:
    """At most MOST_TASKS of them, of different picture sizes and classes where there are such."""
    known = sorted((TASKS[name] for name in tasks), key=lambda task: (task.input_height, task.classes))
    if len(known) <= MOST_TASKS:
        return known
    return [known[round(place)] for place in np.linspace(0, len(known) - 1, MOST_TASKS)]


def fit_groups(
    fit: Callable[[str, Sequence[str], Path], str],
    about: str,
    out: Path,
    progress: Callable[[str], None],
    *,
    only: str | None,
    processes: int,
) -> None:
    """Fit every group, what takes longest first.

    Args:
        fit: Given space, tasks and a folder to write to, in a process of its own; what to tell people.
        about: What is fitted, with all its options: a fit that was cut off goes on only if that is the same, and the
            weights of the predictors.
        out: Folder that the files end up in.
        progress: Told what is done.
        only: Name of one space.
        processes: How many at a time.
    """
    waiting = out / UNFINISHED
    chosen = sorted((group for group in groups() if only in (None, group[0])), key=_width, reverse=True)
    about += contents(sorted(WEIGHTS.glob("*.safetensors")))
    places = {group: waiting / f"{group[0]}-{_digest(about, group)}" for group in chosen}
    left = [group for group in chosen if not places[group].is_dir()]
    if len(left) < len(chosen):
        progress(f"{len(chosen) - len(left)} of {len(chosen)} were finished before")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=end_with, initargs=(os.getpid(),)) as pool:
        futures = [pool.submit(_fitted, fit, group, places[group]) for group in left]
        for number, future in enumerate(as_completed(futures), start=1):
            progress(f"{len(chosen) - len(left) + number} of {len(chosen)}: {future.result()}")
    for place in places.values():
        for path in sorted(place.iterdir()):
            os.replace(path, out / path.name)
    for place in places.values():  # other fits may wait beside these
        for own in (place, *waiting.glob(f"{place.name}.*")):
            shutil.rmtree(own, ignore_errors=True)
    with suppress(OSError):
        waiting.rmdir()


def end_with(parent: int) -> None:
    """End this process soon after its parent did, however that ended: nobody waits for what it computes."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOKS_AFTER_S)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def tell(who: str, text: str) -> None:
    """A line of progress."""
    sys.stderr.write(f"{who}: {text}\n")


def _fitted(fit: Callable[[str, Sequence[str], Path], str], group: Group, place: Path) -> str:
    """Fit one group; its folder has its name once it is whole."""
    begun = place.with_suffix(f".{os.getpid()}")
    shutil.rmtree(begun, ignore_errors=True)  # of a process long gone
    begun.mkdir(parents=True)
    said = fit(*group, begun)
    os.replace(begun, place)
    return said


def contents(paths: Iterable[Path]) -> str:
    """SHA-256 (hex) of files, one behind the other."""
    found = hashlib.sha256()
    for path in paths:
        found.update(path.read_bytes())
    return found.hexdigest()


def _digest(about: str, group: Group) -> str:
    """What tells one fit of a group from another."""
    return hashlib.sha256("\n".join((about, *group[1])).encode()).hexdigest()[:12]


def _width(group: Group) -> int:
    """Choices of a group: what takes longest is begun first."""
    return gene_code(SPACES[group[0]], TASKS[group[1][0]]).width  # type: ignore[arg-type]  # by identity
