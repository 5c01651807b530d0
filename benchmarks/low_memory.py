"""Low-memory training of a binary network against standard training: memory, time and accuracy.

Memory and time are measured on one step of the full BinaryNet, 32 x 32 pictures, batch 100, Adam, every figure in a
process of its own (see `low_memory_step`). `--train` computes the accuracy study first: BinaryNet at a quarter of its
width on Fashion-MNIST. Finished runs are small files in `docs/results/low_memory`; a rerun computes only what is
missing, and a killed run goes on from the checkpoint of its last epoch. Without it, what is stored is reported.
`--quick` measures at a quarter of the width and trains both ways briefly on a part of the data, in a folder of its own.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from benchmarks.hybrid_runs import Places, Result, hardware, stored_results
from benchmarks.low_memory_measure import modelled, others, ratios
from benchmarks.low_memory_runs import RECIPE, Job, run
from benchmarks.low_memory_variants import COMPARED, VARIANTS, WIDTH
from benchmarks.report import Arguments, base_parser, checked, say, write

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "low_memory"
EPOCHS = 10
SEEDS = 3
QUICK_EPOCHS = 2
QUICK_PICTURES = 3000
QUICK_TESTED = 2000


@dataclass(frozen=True, kw_only=True)
class Study:
    """The trainings: both ways with every seed, then each approximation with one.

    Attributes:
        limit: Training pictures used; None = all.
        test_limit: Test pictures used; None = all.
        jobs: Processes, one thread each.
        ablation: Each approximation on its own, too.
    """

    places: Places
    seeds: int
    epochs: int = EPOCHS
    limit: int | None = None
    test_limit: int | None = None
    jobs: int = 1
    ablation: bool = True

    def wanted(self) -> list[Job]:
        """All trainings, the most important first."""
        both = [(variant, seed) for seed in range(self.seeds) for variant in COMPARED]
        alone = [(variant, 0) for variant in VARIANTS if variant not in COMPARED and self.ablation]
        return [
            Job(variant=variant, seed=seed, epochs=self.epochs, limit=self.limit, test_limit=self.test_limit)
            for variant, seed in (*both, *alone)
        ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, train what is missing if asked to, write one JSON object."""
    given, found = _arguments(arguments)
    study = Study(
        places=Places(data=given.data, results=found.results, cache=found.cache), seeds=given.seeds, jobs=found.jobs
    )
    if given.quick:
        with tempfile.TemporaryDirectory() as folder:
            places = Places(data=given.data, results=Path(folder) / "results", cache=Path(folder) / "cache")
            short = replace(study, places=places, seeds=1, epochs=QUICK_EPOCHS, ablation=False)
            short = replace(short, limit=QUICK_PICTURES, test_limit=QUICK_TESTED)
            _train(short)
            write(_reported(short) | _measured(WIDTH) | {"quick": True}, given.json)
        return
    if found.train:
        _train(study)
    write(_reported(study) | _measured(1.0) | {"others": others(), "quick": False}, given.json)


def _measured(width: float) -> dict[str, Any]:
    """Memory and time of a step, and what the memory model says."""
    model = modelled()
    return {"modelled_ratio": model["binarynet"]["adam"]["published_ratio"], "modelled": model} | ratios(width=width)


def _arguments(arguments: Sequence[str] | None) -> tuple[Arguments, argparse.Namespace]:
    parser = base_parser("Low-memory training of a binary network.", seeds=SEEDS)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bespoke" / "low_memory"
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="finished runs")
    parser.add_argument("--cache", type=Path, default=cache, metavar="DIR", help="checkpoints")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes, a thread each")
    parser.add_argument("--train", action="store_true", help="train what is missing (hours)")
    found = parser.parse_args(arguments)
    if found.jobs < 1:
        parser.error(f"--jobs must be at least 1, but got {found.jobs}")
    return checked(parser, found), found


def _train(study: Study) -> None:
    """Everything that is missing."""
    jobs = study.wanted()
    if study.jobs == 1:
        for job in jobs:
            run(job, study.places)
        return
    with ProcessPoolExecutor(study.jobs, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(run, job, study.places) for job in jobs]:
            done.result()


def _reported(study: Study) -> dict[str, Any]:
    """Accuracies of the finished runs."""
    stored = stored_results(study.places.results)
    runs = [stored[job.digest] for job in study.wanted() if job.digest in stored]
    rows = {variant: _row([one for one in runs if one["variant"] == variant]) for variant in VARIANTS}
    rows = {variant: row for variant, row in rows.items() if row["runs"]}
    for variant, row in rows.items():
        say(f"{variant:32s} {100 * row['accuracy']:6.2f} %  {row['runs']} runs")
    result: dict[str, Any] = {
        "benchmark": "low_memory",
        "recipe": RECIPE,
        "hardware": hardware(),
        "variants": rows,
        "missing_runs": len(study.wanted()) - len(runs),
    }
    if all(variant in rows for variant in COMPARED):
        standard, low = (rows[variant]["accuracy"] for variant in COMPARED)
        result["accuracy_change"] = low - standard
        result["accuracy_within_a_point"] = low - standard >= -0.01
    return result


def _row(runs: Sequence[Result]) -> dict[str, Any]:
    """What the runs of a variant have in common."""
    accuracies = [one["test_accuracy"] for one in runs]
    return {
        "runs": len(runs),
        "accuracy": fmean(accuracies) if runs else None,
        "accuracy_sd": stdev(accuracies) if len(runs) > 1 else None,
        "validation_accuracy": fmean(one["validation_accuracy"] for one in runs) if runs else None,
        "seconds": fmean(one["seconds"] for one in runs) if runs else None,
    }


if __name__ == "__main__":
    main()
