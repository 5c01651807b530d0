"""Provable filter pruning of ResNet-20 on CIFAR-10 against uniform, L1 and random at equal remaining parameters.

Parents are the full-precision networks of the hybrid study (`benchmarks.hybrid`), trained here where its cache lacks
them. Finished runs are small files in `docs/results/pruning`; a rerun computes only what is missing, and a killed run
goes on from the checkpoint of its last epoch. `--quick` does everything briefly on a part of the data, in a folder of
its own, and says so. Keys of shares are percents of the parameters kept: `provable.60.accuracy`.
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
from typing import Any

import torch

from benchmarks.hybrid import RESULTS as PARENT_RESULTS
from benchmarks.hybrid_runs import Places, Result, hardware, has_weights, read_data, stored_results
from benchmarks.hybrid_variants import NETWORKS, RESNET20, VGG_SMALL, design_of
from benchmarks.pruning_bound import DRAWS, bound_study
from benchmarks.pruning_costs import sensitivity_cost, speed_ups
from benchmarks.pruning_dead import surgery_errors
from benchmarks.pruning_recipe import CHOSEN_ON, FINE_TUNING, KEPT, METHODS, PARENT, PICTURES, RATES, VARIANT, Job
from benchmarks.pruning_runs import Stations, held_out, parent_of, run
from benchmarks.pruning_table import floors, leads, percent, table, tell
from benchmarks.report import Arguments, base_parser, checked, say, write
from benchmarks.training_device import add_device, check_device
from design.design import Design
from design.pruning import PruningPlan
from networks.pruning.budget import AMOUNTS
from networks.pruning.decision import Method, decide
from networks.pruning.prune import carried_out
from networks.pruning.scores import Sensitivity

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "pruning"
SEEDS = 3
EPOCHS = MOST_EPOCHS = 8
RATE_EPOCHS = 2
"""After which the learning rate is chosen."""
BLOCK = 8
"""Channels that runtimes compute at once."""
MOST_REMOVED = 0.15
"""Share of the parameters of VGG that may remain: 85 % removed."""
QUICK_PICTURES = 6000
QUICK_TESTED = 1000
QUICK_PARENT_EPOCHS = 3


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is computed.

    Attributes:
        seeds: Parents.
        epochs: Further ones.
        rate_epochs: Further ones of the runs that choose the rate.
        kept: Shares of the parameters.
        rates: To choose from.
        vgg: Also train VGG with 85 % removed; what is finished of it is told anyway.
        parent_epochs: Of the parents; None: those of the hybrid study.
        device: Where networks are trained; they are pruned and tested on the CPU.
        jobs: Processes, one thread each.
        stored: Compute nothing that has to be trained; report what is there.
        measured: Take times and hold the theorem's bound against draws.
    """

    stations: Stations
    seeds: int = SEEDS
    epochs: int = EPOCHS
    rate_epochs: int = RATE_EPOCHS
    kept: tuple[float, ...] = KEPT
    rates: tuple[float, ...] = RATES
    vgg: bool = False
    limit: int | None = None
    test_limit: int | None = None
    parent_epochs: int | None = None
    device: str = "cpu"
    jobs: int = 1
    stored: bool = False
    measured: bool = True

    def job(self, method: str, keep: float, seed: int, rate: float, network: str = RESNET20.name) -> Job:
        """One run of the study."""
        return Job(
            network=network,
            method=method,
            keep=keep,
            seed=seed,
            learning_rate=rate,
            epochs=self.epochs,
            limit=self.limit,
            test_limit=self.test_limit,
            parent_epochs=self.parent_epochs,
            device=self.device,
        )

    def wanted(self, rate: float) -> list[Job]:
        """All runs at a rate: the middle share of every seed before other shares, a parent before what it is for."""
        found = []
        for keep in sorted(self.kept, key=lambda keep: abs(keep - CHOSEN_ON[1])):
            for seed in range(self.seeds):
                pairs = [(PARENT, 1.0), *((method, keep) for method in METHODS)]
                found += [self.job(method, share, seed, rate) for method, share in pairs]
        return list(dict.fromkeys(found))

    def wanted_of_vgg(self, rate: float) -> list[Job]:
        """The runs of VGG, one seed."""
        pairs = [(PARENT, 1.0), *((method, MOST_REMOVED) for method in METHODS)]
        return [self.job(method, keep, 0, rate, VGG_SMALL.name) for method, keep in pairs]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, compute what is missing, write one JSON object."""
    given, found = _arguments(arguments)
    if not given.quick:
        write(_measured(_study(given, found, found.results, found.cache, found.parents)), given.json)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        study = _study(given, found, place / "results", place, place / "parents")
        short = replace(
            study,
            seeds=1,
            epochs=1,
            rate_epochs=1,
            rates=RATES[:1],
            kept=KEPT[1:2],
            limit=QUICK_PICTURES,
            test_limit=QUICK_TESTED,
            parent_epochs=study.parent_epochs or QUICK_PARENT_EPOCHS,
        )
        write(_measured(short), given.json)


def _arguments(arguments: Sequence[str] | None) -> tuple[Arguments, argparse.Namespace]:
    parser = base_parser("Provable filter pruning against uniform, L1 and random.", seeds=SEEDS)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bespoke"
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="finished runs")
    parser.add_argument("--parents", type=Path, default=PARENT_RESULTS, metavar="DIR", help="runs of benchmarks.hybrid")
    parser.add_argument("--cache", type=Path, default=cache, metavar="DIR", help="with folders pruning and hybrid")
    parser.add_argument("--epochs", type=int, default=EPOCHS, metavar="N", help="further ones of each network")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes, a thread each")
    parser.add_argument("--parent-epochs", type=int, metavar="N", help="of the parents, in place of 15 and 10")
    add_device(parser)
    parser.add_argument("--vgg", action="store_true", help="also train VGG with 85 %% of its parameters removed")
    parser.add_argument("--stored", action="store_true", help="train nothing, report the finished runs")
    parser.add_argument("--runs-only", action="store_true", help="take no times and draw nothing")
    found = parser.parse_args(arguments)
    for name in ("jobs", "parent_epochs"):
        number = getattr(found, name)
        if number is not None and number < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, but got {number}")
    check_device(parser, found.device)
    if not 1 <= found.epochs <= MOST_EPOCHS:
        parser.error(f"--epochs must be from 1 to {MOST_EPOCHS}, but got {found.epochs}")
    return checked(parser, found), found


def _study(given: Arguments, found: argparse.Namespace, results: Path, cache: Path, parents: Path) -> Study:
    stations = Stations(
        Places(data=given.data, results=parents, cache=cache / "hybrid"),
        Places(data=given.data, results=results, cache=cache / "pruning"),
    )
    return Study(
        stations=stations,
        seeds=given.seeds,
        epochs=found.epochs,
        vgg=found.vgg,
        parent_epochs=found.parent_epochs,
        device=found.device,
        jobs=found.jobs,
        stored=found.stored,
        measured=not found.runs_only,
    )


def _measured(study: Study) -> dict[str, Any]:
    """Compute what is missing and put everything together."""
    torch.set_num_threads(1)
    rate = _rate(study)
    results: dict[str, Any] = {
        "benchmark": "pruning",
        "quick": study.limit is not None,
        "recipe": FINE_TUNING | {"learning_rate": rate, "epochs": study.epochs, "sensitivity_pictures": PICTURES},
        "hardware": hardware(study.device),
        "parent_epochs": {name: study.parent_epochs or own.epochs for name, own in NETWORKS.items()},
    }
    wanted = study.wanted(rate) if rate is not None else []
    if not study.stored:
        _train(study, wanted)
    runs = _finished(study, wanted)
    found = table(runs, study.kept)
    tell(RESNET20.name, found)
    results |= found | {
        "missing_runs": len(wanted) - len(runs),
        "floors": floors(found, study.kept),
        "ahead": leads(runs, study.kept),
    }
    wanted = study.wanted_of_vgg(rate) if rate is not None else []
    if study.vgg and not study.stored:
        _train(study, wanted)
    if found_of_vgg := _finished(study, wanted):
        results[VGG_SMALL.name] = table(found_of_vgg, (MOST_REMOVED,))
        tell(VGG_SMALL.name, results[VGG_SMALL.name])
    results |= surgery_errors()
    if study.measured and study.stored and not has_weights(study.job(PARENT, 1, 0, 1).parent, study.stations.parents):
        say("no times and no draws: the first parent's weights are not there")
    elif study.measured:
        results |= _looked_at(study, rate, runs)
    return results


def _rate(study: Study) -> float | None:
    """The peak learning rate that validates best for the method and share that decide; None: unknown."""
    method, keep = CHOSEN_ON
    tried = [replace(study.job(method, keep, 0, rate), epochs=study.rate_epochs) for rate in study.rates]
    if not study.stored:
        _train(study, tried)
    found = _finished(study, tried)
    if len(found) < len(tried):
        say("the learning rate is not chosen yet")
        return None
    best = max(found, key=lambda one: one["validation_accuracy"])
    return float(best["settings"]["learning_rate"])


def _train(study: Study, jobs: Sequence[Job]) -> None:
    """Run jobs, in processes where there are several; none that is finished."""
    done = stored_results(study.stations.own.results)
    left = [job for job in jobs if job.digest not in done]
    if study.jobs == 1 or len(left) < 2:
        for job in left:
            run(job, study.stations)
        return
    with ProcessPoolExecutor(study.jobs, mp_context=get_context("spawn")) as pool:
        for one in [pool.submit(run, job, study.stations) for job in left]:
            one.result()


def _finished(study: Study, jobs: Sequence[Job]) -> list[Result]:
    stored = stored_results(study.stations.own.results)
    return [stored[job.digest] for job in jobs if job.digest in stored]


def _looked_at(study: Study, rate: float | None, runs: Sequence[Result]) -> dict[str, Any]:
    """Times, and the theorem against draws, on the first parent."""
    network, whole = parent_of(study.job(PARENT, 1, 0, rate or study.rates[0]), study.stations)
    data = read_data(study.stations.own.data, study.limit)
    looked_at = list(held_out(data))
    held = list(held_out(data, DRAWS, behind=PICTURES))
    designs = {"whole": whole}
    for one in runs:
        if one["method"] == "provable" and one["seed"] == 0:
            designs[percent(one["keep"])] = _design(one)
    method, weights = Method(score=Sensitivity(batches=lambda: looked_at), multiple=BLOCK), AMOUNTS["parameters"]
    for keep in study.kept:  # the same budget in whole blocks of channels, not trained: times do not depend on weights
        decision = decide(network, whole, method, weights, keep * float(weights([whole])[0]))
        designs[f"{percent(keep)}_in_blocks"] = carried_out(network, whole, decision, lambda: looked_at)[1]
    return {
        **(cost := sensitivity_cost(network, looked_at)),
        "sensitivity": cost,
        "bound": bound_study(network, looked_at, held),
        "speed_up": speed_ups(designs),
    }


def _design(run: Result) -> Design:
    whole = design_of(run["network"], VARIANT)
    return Design(architecture=whole.architecture, policy=whole.policy, plan=PruningPlan(kept=run["kept"]))


if __name__ == "__main__":
    main()
