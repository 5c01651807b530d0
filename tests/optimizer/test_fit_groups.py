"""Fitting many groups: nothing half new, resumed behind what was finished, no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from optimizer.fit_groups import UNFINISHED, fit_groups, groups

PARENT = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from optimizer.fit_groups import end_with
if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=end_with, initargs=(os.getpid(),)) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


def written(name: str, tasks: Sequence[str], out: Path) -> str:
    """Writes what it was asked, and how often."""
    times = out.parents[1] / f"{name}-{tasks[0]}.times"
    times.write_text(times.read_text() + "x" if times.exists() else "x")
    (out / f"{name}-{tasks[0]}.txt").write_text(" ".join(tasks))
    return f"{name} written"


def failing(name: str, tasks: Sequence[str], out: Path) -> str:
    """Cannot fit what comes last."""
    if (name, tuple(tasks)) == min(groups()):
        raise OSError("the disk is full")
    return written(name, tasks, out)


def fitted(fit: object, out: Path, about: str = "text") -> list[str]:
    said: list[str] = []
    fit_groups(fit, about, out, said.append, only=None, processes=1)  # type: ignore[arg-type]
    return said


def test_a_fit_that_failed_goes_on_and_ships_nothing_before_all_is_there(tmp_path: Path) -> None:
    (tmp_path / "vgg-digits.txt").write_text("old")
    with pytest.raises(OSError, match="the disk is full"):
        fitted(failing, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.txt")) == ["vgg-digits.txt"]
    assert (tmp_path / "vgg-digits.txt").read_text() == "old"
    said = fitted(written, tmp_path)
    assert said[0] == f"{len(groups()) - 1} of {len(groups())} were finished before"
    assert len(said) == 2
    names = {f"{name}-{tasks[0]}.txt" for name, tasks in groups()}
    assert names <= {path.name for path in tmp_path.glob("*.txt")}
    assert not (tmp_path / UNFINISHED).exists()
    assert {path.read_text() for path in tmp_path.glob("*.times")} == {"x"}


def test_another_fit_begins_anew_and_leaves_what_waits_alone(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="the disk is full"):
        fitted(failing, tmp_path, "one")
    assert len(fitted(written, tmp_path, "another")) == len(groups())
    assert fitted(written, tmp_path, "one")[0] == f"{len(groups()) - 1} of {len(groups())} were finished before"
    assert not (tmp_path / UNFINISHED).exists()


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while _lives(worker) and time.monotonic() < end:
        time.sleep(0.1)
    assert not _lives(worker)


def _lives(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process_id}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
