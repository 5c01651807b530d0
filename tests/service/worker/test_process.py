"""One trainer: how it can end, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from service.worker.logs import StepLog, read_logs
from service.worker.process import Ending, TooLong, Trainers, Why
from tests.service.worker.house import ROOT, alive

COUNT = "tests.service.worker.tiny_steps:count"


class Gone(Exception):
    """Raised by a watch."""


def job_file(folder: Path, do: str, **options: Any) -> Path:
    job = {"step": "train", "number": 2, "attempt": 1, "work_folder": str(folder), "results": {}, "subject_name": "x"}
    file = folder / "job.json"
    file.write_text(json.dumps(job | {"options": {"in": "train", "do": do, "step_s": 0.0} | options}))
    return file


async def forever() -> None:
    await asyncio.Event().wait()


def run(
    folder: Path, *, do: str = "", program: str = COUNT, limit_s: float = 60.0, watch: Any = None, **options: Any
) -> tuple[Ending, list[dict[str, Any]]]:
    """How a trainer ended, and all that it said."""
    file = job_file(folder, do, **options)
    said: list[dict[str, Any]] = []

    async def listen(line: dict[str, Any]) -> None:
        said.append(line)

    async def one() -> Ending:
        trainers = Trainers(memory_mb=1_000)
        try:
            return await trainers.run(
                program,
                file,
                limit_s=limit_s,
                log=StepLog(folder / "logs", 2, "train", most_bytes=1_000),
                listen=listen,
                watch=watch or forever,
            )
        finally:
            await trainers.end()

    return asyncio.run(one()), said


def test_what_a_step_says_is_heard(tmp_path: Path) -> None:
    ending, said = run(tmp_path, do="print")
    assert ending == Ending(why=Why.ITSELF, status=0)
    assert said[0] == {"progress": {"fraction": 0.5, "loss": 0.5}}
    assert said[1]["artifact"]["path"].endswith("train.txt")
    assert said[2] == {"result": {"count": 9}}
    assert len(said) == 3, "what libraries print is no report"
    log = (tmp_path / "logs" / "02-train.log").read_text()
    assert "printed by a library" in log


def test_the_reason_of_a_failure_is_heard(tmp_path: Path) -> None:
    ending, said = run(tmp_path, do="fail")
    assert (ending.why, ending.status) == (Why.ITSELF, 3)
    assert said[-1] == {"failure": {"detail": "The accuracy must be above chance, but got 0.1.", "layer": "conv1"}}


def test_a_step_that_takes_too_long_ends_with_its_children(tmp_path: Path) -> None:
    ending, _ = run(tmp_path, do="hang", limit_s=2.0)
    assert ending.why is Why.TIME
    if (tmp_path / "grandchild").exists():
        time.sleep(0.1)
        assert not alive(int((tmp_path / "grandchild").read_text()))
    (trace,) = map(json.loads, (tmp_path / "trace.jsonl").read_text().splitlines())
    assert not alive(trace["pid"])


def test_a_watch_that_ends_or_raises_ends_the_step(tmp_path: Path) -> None:
    async def ends() -> None:
        await asyncio.sleep(0.3)

    async def raises() -> None:
        await asyncio.sleep(0.3)
        raise Gone

    assert run(tmp_path, do="wait", watch=ends)[0].why is Why.STOPPED
    with pytest.raises(Gone):
        run(tmp_path, do="wait", watch=raises)


def test_too_long_a_line_is_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(TooLong):
        run(tmp_path, program="tests.service.worker.tiny_steps:say_too_much")


def test_a_step_that_is_not_there_says_so_in_its_log(tmp_path: Path) -> None:
    ending, _ = run(tmp_path, program="tests.service.worker.tiny_steps:nothing")
    assert (ending.why, ending.status) == (Why.ITSELF, 1)
    assert "AttributeError" in (tmp_path / "logs" / "02-train.log").read_text()


def test_a_trainer_does_not_see_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BESPOKE_DATABASE_URL", "postgresql://secret@nowhere/x")
    _, said = run(tmp_path, program="tests.service.worker.tiny_steps:environment")
    names = said[-1]["result"]["names"]
    assert "PYTHONPATH" in names
    assert "BESPOKE_DATABASE_URL" not in names


def test_a_trainer_dies_with_its_parent(tmp_path: Path) -> None:
    """Also with one that is killed, and without a word if it is gone before the trainer runs."""
    program = (
        "import subprocess, sys, time; "
        "child = subprocess.Popen([sys.executable, '-c', "
        "'import os, sys, time; from service.worker.trainer import die_with; "
        "die_with(os.getppid()); print(1, flush=True); time.sleep(60)'], stdout=subprocess.PIPE); "
        "child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.kill()
    begun = time.monotonic()
    while alive(child):
        assert time.monotonic() - begun < 5
        time.sleep(0.01)
    orphan = [sys.executable, "-m", "service.worker.start", "1", "0"]
    assert subprocess.run(orphan, cwd=ROOT, check=False).returncode == 1
    assert os.getpid() != 1


def test_logs_are_bounded_and_keep_the_newest(tmp_path: Path) -> None:
    log = StepLog(tmp_path, 3, "Prune & more", most_bytes=1_000)
    for number in range(500):
        log.write(f"line {number}\n".encode())
    StepLog(tmp_path, 1, "prepare").write(b"first\n")
    text = b"".join(read_logs(tmp_path)).decode()
    assert text.startswith("== 01-prepare\nfirst\n== 03-prune-more\n[older lines are gone]\nline ")
    assert text.endswith("line 499\n")
    assert len(text) < 1_100
    StepLog(Path("/dev/null/nowhere"), 1, "x").write(b"no room is no reason to stop")


def test_steps_are_forks_of_one_process_that_outlives_them(tmp_path: Path) -> None:
    """Children that a step leaves are gone when it ends; a dead trainer or starter does not hurt the next step."""
    ways = ("", "leave", "abort", "kill the starter", "")
    endings: list[Ending] = []
    heard: list[dict[str, Any]] = []

    async def listen(line: dict[str, Any]) -> None:
        heard.append(line)

    async def all_of_them() -> None:
        trainers = Trainers(memory_mb=0)
        for number, do in enumerate(ways):
            log = StepLog(tmp_path / "logs", number, "step")
            file = job_file(tmp_path, do)
            endings.append(await trainers.run(COUNT, file, limit_s=60.0, log=log, listen=listen, watch=forever))
            left = tmp_path / "grandchild"
            assert not (left.exists() and alive(int(left.read_text())))
        await trainers.end()

    asyncio.run(all_of_them())
    assert [ending.status for ending in endings] == [0, 0, -signal.SIGABRT, -signal.SIGKILL, 0]
    assert len([line for line in heard if "result" in line]) == 3
    traces = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    parents = [trace["parent"] for trace in traces]
    assert len(set(parents[:4])) == 1
    assert parents[4] != parents[0]
    assert not any(alive(trace[key]) for trace in traces for key in ("pid", "parent"))
    logs = [path.read_text() for path in sorted((tmp_path / "logs").glob("*.log"))]
    assert [text.startswith("train runs\n") for text in logs] == [True] * 5
    assert all(text.count("train runs") == 1 for text in logs)
    assert logs[0] == logs[4] == "train runs\n", "what a starter writes between the steps is no part of their logs"


def test_signals_have_names(tmp_path: Path) -> None:
    ending, _ = run(tmp_path, do="abort")
    assert ending == Ending(why=Why.ITSELF, status=-signal.SIGABRT)
