"""The edge of stability, measured: python -m benchmarks.sharpness --data DIR [--quick] --json -.

Full-batch descent of a network of two hidden layers of tanh on 1,000 CIFAR-10 pictures at 8 x 8 (grey), squared error,
with step sizes whose thresholds are 20, 30 and 40, for descent, Polyak's and Nesterov's momentum. The plateau of a run
is every reading from the first on at which the sharpness is .95 of its threshold or more; a run that never gets there
is counted in `never_crossed` and has no plateau. Beside it: agreement of eigenvalues with a whole Hessian, and what
watching costs a usual training. The curves go to `docs/results/sharpness.png` (full runs only).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.figures import save
from benchmarks.hybrid_runs import hardware
from benchmarks.report import Arguments, main, say
from benchmarks.sharpness_descent import CROSSED, HIDDEN, RULES, Course, Descent, descend, images_of
from benchmarks.sharpness_figure import draw
from benchmarks.sharpness_overhead import agreement, overhead

PICTURE = Path(__file__).parents[1] / "docs" / "results" / "sharpness.png"
THRESHOLDS = (20.0, 30.0, 40.0)
STEPS = {"gd": {20.0: 4000, 30.0: 6000, 40.0: 9000}}
MOMENTUM_STEPS = 2500
"""With momentum .9 a step goes about ten times as far as its size says."""
READINGS = 120
BAR = (0.95, 1.15)


def measured(arguments: Arguments) -> dict[str, Any]:
    """All figures; quick: the lowest threshold, fewer repeats."""
    torch.set_num_threads(1)
    begun = time.process_time()
    inputs, targets = images_of(arguments.data)
    courses = []
    for seed in range(arguments.seeds):
        for rule in RULES:
            for threshold in THRESHOLDS[:1] if arguments.quick else THRESHOLDS:
                steps = STEPS.get(rule, {}).get(threshold, MOMENTUM_STEPS)
                run = Descent(rule=rule, threshold=threshold, steps=steps, every=steps // READINGS, seed=seed)
                courses.append(descend(run, inputs, targets))
                say(_line(courses[-1]))
    watching = overhead(
        arguments.data, pictures=1500 if arguments.quick else 4000, epochs=8, repeats=1 if arguments.quick else 3
    )
    long = None if arguments.quick else overhead(arguments.data, pictures=54_000, epochs=10, repeats=1, binary=False)
    result: dict[str, Any] = {
        "benchmark": "sharpness",
        "quick": arguments.quick,
        "network": f"64-{HIDDEN}-{HIDDEN}-10 tanh, squared error, 1,000 CIFAR-10 pictures at 8 x 8 grey, float64",
        "hardware": hardware(),
        **summary(courses),
        **{rule: summary([course for course in courses if course.run.rule == rule]) for rule in RULES},
        "runs": [_told(course) for course in courses],
        "eigenvalue_agreement": agreement(inputs, targets),
        "monitor_overhead": max(one["measured"] for one in watching.values()),
        "monitor": watching,
        "monitor_long": long,
    }
    result["bar_met"] = all(_within(result[rule]["plateau_ratio"]) for rule in RULES)
    if not arguments.quick:
        save(draw([course for course in courses if course.run.seed == 0]), PICTURE)
    result["core_seconds"] = round(time.process_time() - begun, 1)
    return result


def summary(courses: Sequence[Course]) -> dict[str, Any]:
    """Median over the readings of all plateaus, each run weighing the same; extremes; runs without a plateau."""
    plateaus = [course.plateau for course in courses if course.plateau]
    return {
        "plateau_ratio": median(median(one) for one in plateaus) if plateaus else None,
        "plateau_min": min(min(one) for one in plateaus) if plateaus else None,
        "plateau_max": max(max(one) for one in plateaus) if plateaus else None,
        "never_crossed": sum(course.crossing is None for course in courses),
    }


def _within(ratio: float | None) -> bool:
    return ratio is not None and BAR[0] <= ratio <= BAR[1]


def _told(course: Course) -> dict[str, Any]:
    own = summary([course])
    return {
        "rule": course.run.rule,
        "threshold": course.run.threshold,
        "rate": course.run.rate,
        "steps": course.run.steps,
        "seed": course.run.seed,
        "crossed_at_step": None if course.crossing is None else course.at[course.crossing],
        "plateau_ratio": own["plateau_ratio"],
        "plateau_min": own["plateau_min"],
        "plateau_max": own["plateau_max"],
        "highest": max(course.ratios),
        "readings": len(course.ratios),
        "first_loss": course.losses[0],
        "last_loss": course.losses[-1],
        "rising_steps_before": course.rises[0],
        "rising_steps_after": course.rises[1],
        "ended_early": course.end,
    }


def _line(course: Course) -> str:
    own = _told(course)
    if course.crossing is None:
        return f"{course.run.rule} {course.run.threshold:g}: never at {CROSSED}, highest {own['highest']:.3f}"
    return (
        f"{course.run.rule} {course.run.threshold:g}: crossed at step {own['crossed_at_step']}, plateau median "
        f"{own['plateau_ratio']:.3f}, {own['plateau_min']:.3f} to {own['plateau_max']:.3f}, loss {own['last_loss']:.4f}"
    )


if __name__ == "__main__":
    main("The edge of stability, measured.", measured)
