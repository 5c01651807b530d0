"""What the benchmark of jobs says of finished designs, and that it does no step twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.pipeline import CASES, SMALL, Json, run_case, summary
from service.worker.steps import PIPELINE
from tests.service.worker.digits import DEVICE, answer


def _figure(predicted: float, measured: float, inside: bool | None) -> Json:
    return {"predicted": predicted, "measured": measured, "inside": inside, "interval": None, "how": ""}


def test_the_summary_is_over_all_designs() -> None:
    designs: dict[str, Json] = {
        "a": {"figures": {"accuracy": _figure(0.9, 0.8, False), "model size": _figure(100, 110, None)}},
        "b": {"figures": {"accuracy": _figure(0.9, 0.9, True), "model size": _figure(100, 130, None)}},
    }
    found = summary(designs)
    assert found["accuracy"]["mean_absolute_error"] == pytest.approx(0.05)
    assert found["accuracy"]["inside"] == 0.5
    assert found["model size"]["median_ratio"] == pytest.approx(1.2)
    assert "latency on the worker" not in found


def test_cases_differ_and_are_enough() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 5
    assert len([case for case in SMALL if case.task == "fashion_mnist"]) >= 5


def test_finished_steps_are_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.pipeline.optimize", answer)
    done: list[str] = []

    def step(job: Json, report: Any) -> Json:
        del report
        done.append(job["work_folder"])
        figure = {"name": "accuracy"} | _figure(0.9, 0.8, False)
        return {"comparisons": [figure], "epochs": [1], "validation_accuracy": 0.5}

    monkeypatch.setattr("benchmarks.pipeline.find", lambda program: step)
    case = next(one for one in CASES if one.device == DEVICE)
    first = run_case(case, {"seed": 0}, tmp_path, tmp_path)
    ran = len(done)
    assert ran == len(PIPELINE.steps) - 1, "all but pruning"
    assert run_case(case, {"seed": 0}, tmp_path, tmp_path) == first
    assert len(done) == ran
    run_case(case, {"seed": 1}, tmp_path, tmp_path)
    assert len(done) == 2 * ran, "other options are another run"
    assert first["figures"]["accuracy"]["measured"] == 0.8
