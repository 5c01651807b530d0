"""The low-memory benchmark: which trainings, which figures, and that the report says what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import benchmarks.low_memory_measure
from benchmarks.hybrid_runs import Places
from benchmarks.low_memory import Study, main
from benchmarks.low_memory_measure import modelled, ratios
from benchmarks.low_memory_runs import Job
from benchmarks.low_memory_step import measured
from benchmarks.low_memory_variants import COMPARED, VARIANTS


def _study(folder: Path, seeds: int = 2) -> Study:
    return Study(places=Places(data=folder, results=folder, cache=folder), seeds=seeds)


def test_both_ways_come_first_with_every_seed(tmp_path: Path) -> None:
    jobs = _study(tmp_path).wanted()
    assert [(job.variant, job.seed) for job in jobs[:4]] == [(one, seed) for seed in (0, 1) for one in COMPARED]
    assert {job.variant for job in jobs} == set(VARIANTS)
    assert len({job.digest for job in jobs}) == len(jobs)


def test_modelled_ratio_is_the_published_one() -> None:
    found = modelled()
    assert found["binarynet"]["adam"]["published_ratio"] == pytest.approx(3.71, abs=0.005)
    assert found["mlp"]["adam"]["published_ratio"] == pytest.approx(2.78, abs=0.005)


def test_a_step_is_measured_in_a_process_of_its_own() -> None:
    found = measured("low_memory", batch_size=16, width=1 / 32, time_it=False)
    assert 0 < found["held_bytes"] < 100e6
    assert found["peak_bytes"] > 0
    weights = 128 * 128 * 9 / 32**2
    assert found["state_bytes"] > 2 * 2 * weights


def test_ratios_are_standard_over_low_and_bars_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {
        "standard": {"held_bytes": 90, "peak_bytes": 100, "state_bytes": 40, "seconds": 1.0},
        "low_memory": {"held_bytes": 2, "peak_bytes": 20, "state_bytes": 15, "seconds": 1.5},
    }

    def fake(variant: str, **_: Any) -> dict[str, Any]:
        return figures[variant]

    monkeypatch.setattr(benchmarks.low_memory_measure, "measured", fake)
    found = ratios()
    assert (found["held_ratio"], found["measured_ratio"], found["with_state_ratio"]) == (45, 5, 4)
    assert found["bars_kept"] == {
        "held_ratio": True,
        "measured_ratio": True,
        "with_state_ratio": True,
        "step_time_ratio": False,
    }


def test_stored_runs_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.low_memory.ratios", lambda **_: {})
    monkeypatch.setattr("benchmarks.low_memory.others", lambda: {})
    for variant, accuracy in (("standard", 0.9), ("low_memory", 0.895)):
        job = Job(variant=variant, seed=0, epochs=10)
        own = {
            "format": 1,
            "digest": job.digest,
            "variant": variant,
            "test_accuracy": accuracy,
            "validation_accuracy": accuracy,
            "seconds": 1.0,
        }
        (tmp_path / f"{variant}.json").write_text(json.dumps(own), encoding="utf-8")
    main(["--data", str(tmp_path), "--results", str(tmp_path), "--cache", str(tmp_path)])
    found = json.loads(capsys.readouterr().out)
    assert found["accuracy_change"] == pytest.approx(-0.005)
    assert found["accuracy_within_a_point"]
    assert found["missing_runs"] == 2 * 2 + 6
    assert found["variants"]["standard"]["runs"] == 1
