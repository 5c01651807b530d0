"""Hybrid-precision networks on CIFAR-10: accuracy, packed size and energy of binary, hybrid and k-bit variants.

Finished runs are small files in `docs/results/hybrid`; a rerun computes only what is missing, and a killed run goes on
from the checkpoint of its last epoch. The whole study takes hours (see docs/log.md); `--quick` trains every variant
briefly on a part of the data, in a folder of its own, and says so.
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

from benchmarks.hybrid_figure import draw
from benchmarks.hybrid_recipe import Job
from benchmarks.hybrid_runs import Places, Result, hardware, machines, read_data, run, stored_results
from benchmarks.hybrid_table import ENERGY_MODEL, table, tell
from benchmarks.hybrid_throughput import throughput
from benchmarks.hybrid_variants import (
    CHOSEN,
    NETWORKS,
    PLAIN,
    PUBLISHED_BINARY,
    RESNET20,
    VARIANTS,
    Network,
    control_layers,
    design_of,
)
from benchmarks.report import Arguments, base_parser, checked, say, write
from benchmarks.training_device import add_device, check_device
from networks.significance import Rule, Significance, SignificanceOptions, judge

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "hybrid"
QUICK_EPOCHS = 4
QUICK_PICTURES = 3000
QUICK_TESTED = 2000
RULE = SignificanceOptions()
"""What the study trains by."""
RULE_999 = replace(RULE, share=0.999)
"""The other share that the paper's code has; reported beside it."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is computed.

    Attributes:
        networks: With their epochs and seeds.
        limit: Training pictures used; None = all.
        test_limit: Test pictures used; None = all.
        jobs: Processes, one thread each.
        device: Where networks are trained; they are tested on the CPU.
        stored: Compute nothing; report what is there.
    """

    networks: tuple[Network, ...]
    places: Places
    limit: int | None = None
    test_limit: int | None = None
    jobs: int = 1
    device: str = "cpu"
    stored: bool = False

    def job(self, network: Network, variant: str, seed: int, significant: Sequence[str] = ()) -> Job:
        """One training of the study."""
        return Job(
            network=network.name,
            variant=variant,
            seed=seed,
            epochs=network.epochs,
            significant=tuple(significant) if variant in CHOSEN else (),
            limit=self.limit,
            test_limit=self.test_limit,
            device=self.device,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, compute what is missing, write one JSON object."""
    given, found = _arguments(arguments)
    if not given.quick:
        write(_measured(_study(given, found, found.results, found.cache)), given.json)
        return
    with tempfile.TemporaryDirectory() as folder:
        write(_measured(_study(given, found, Path(folder) / "results", Path(folder) / "cache")), given.json)


def _arguments(arguments: Sequence[str] | None) -> tuple[Arguments, argparse.Namespace]:
    parser = base_parser("Binary, hybrid and k-bit networks on CIFAR-10.", seeds=RESNET20.seeds)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bespoke" / "hybrid"
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="finished runs")
    parser.add_argument("--cache", type=Path, default=cache, metavar="DIR", help="checkpoints and trained weights")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes, a thread each")
    add_device(parser)
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="of every training, in place of 15 and 10; 200 in papers"
    )
    parser.add_argument("--stored", action="store_true", help="train nothing, report the finished runs")
    found = parser.parse_args(arguments)
    for name in ("jobs", "epochs"):
        number = getattr(found, name)
        if number is not None and number < 1:
            parser.error(f"--{name} must be at least 1, but got {number}")
    check_device(parser, found.device)
    return checked(parser, found), found


def _study(given: Arguments, found: argparse.Namespace, results: Path, cache: Path) -> Study:
    places = Places(data=given.data, results=results, cache=cache)
    if given.quick:
        short = replace(RESNET20, epochs=found.epochs or QUICK_EPOCHS, seeds=1)
        return Study(
            networks=(short,),
            places=places,
            limit=QUICK_PICTURES,
            test_limit=QUICK_TESTED,
            jobs=found.jobs,
            device=found.device,
        )
    networks = (replace(RESNET20, seeds=given.seeds), *(own for name, own in NETWORKS.items() if name != RESNET20.name))
    if found.epochs is not None:
        networks = tuple(replace(own, epochs=found.epochs) for own in networks)
    return Study(networks=networks, places=places, jobs=found.jobs, device=found.device, stored=found.stored)


def _measured(study: Study) -> dict[str, Any]:
    """Train what is missing and put everything together."""
    torch.set_num_threads(1)
    if not study.stored:
        _train_all(study)
    judged = {network.name: _significance(study, network) for network in study.networks}
    chosen = {name: found.significant if found else () for name, found in judged.items()}
    results: dict[str, Any] = {
        "benchmark": "hybrid",
        "quick": study.limit is not None,
        "recipe": study.job(study.networks[0], "full_precision", 0).recipe,
        "energy_model": ENERGY_MODEL,
        "published_binary_resnet20": PUBLISHED_BINARY,
        "hardware": hardware(study.device),
    }
    stored = stored_results(study.places.results)
    for network in study.networks:
        found = judged[network.name]
        known = replace(network, variants=tuple(one for one in network.variants if found or one not in CHOSEN))
        runs = _runs(study, known, chosen[network.name], stored)
        rows = table(network.name, known.variants, runs, chosen[network.name])
        tell(network.name, rows)
        own: dict[str, Any] = dict(rows)
        own["gap_recovered"] = {variant: row.get("gap_recovered") for variant, row in rows.items()}
        own["trained_on"] = machines(runs)
        own["missing_runs"] = len(network.variants) * network.seeds - len(runs)
        if found is not None:
            own["significance"] = _described(study, network, found)
        if rows:
            title = f"{network.title} on CIFAR-10, {network.epochs} epochs"
            other = "" if network.epochs == NETWORKS[network.name].epochs else f"_{network.epochs}_epochs"
            draw(rows, title, study.places.results / f"{network.name}{other}.svg")
        if network.name == RESNET20.name:
            results |= own
        else:
            results[network.name] = own
    data = read_data(study.places.data, study.limit)
    results["throughput"] = {
        variant: throughput(data, network=RESNET20.name, variant=variant) for variant in ("full_precision", "binary")
    }
    results["throughput_ratio"] = results["throughput"]["full_precision"]["ratio"]
    return results


def _train_all(study: Study) -> None:
    """Everything that is missing: of each network what needs no plain one, the plain one, the rest; then more seeds."""
    chosen: dict[str, tuple[str, ...]] = {}
    for network in study.networks:
        first = [one for one in VARIANTS[:3] if one in network.variants]
        _train(study, [study.job(network, variant, 0) for variant in (*first, PLAIN)])
        found = _significance(study, network)
        assert found is not None
        chosen[network.name] = found.significant
        _train(study, [study.job(network, variant, 0, found.significant) for variant in network.variants])
    for network in study.networks:
        seeds = range(1, network.seeds)
        _train(
            study, [study.job(network, one, seed, chosen[network.name]) for seed in seeds for one in network.variants]
        )


def _train(study: Study, jobs: Sequence[Job]) -> None:
    """Run jobs, in processes where there are several; equal designs are trained once."""
    jobs = list({job.digest(design_of(job.network, job.variant, job.significant)): job for job in jobs[::-1]}.values())
    jobs.reverse()
    if study.jobs == 1 or len(jobs) < 2:
        for job in jobs:
            run(job, study.places)
        return
    with ProcessPoolExecutor(study.jobs, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(run, job, study.places) for job in jobs]:
            done.result()


def _runs(study: Study, network: Network, chosen: Sequence[str], stored: dict[str, Result]) -> list[Result]:
    """The finished runs of the study, each under the variant it is asked for as: equal designs share one."""
    found = []
    for variant in network.variants:
        for seed in range(network.seeds):
            job = study.job(network, variant, seed, chosen)
            result = stored.get(job.digest(design_of(job.network, job.variant, job.significant)))
            if result is not None:
                found.append(result | {"variant": variant})
    return found


def _curve(study: Study, network: Network, variant: str) -> dict[str, Any] | None:
    """The principal components of a variant at each share; None where it is not trained yet."""
    job = study.job(network, variant, 0)
    result = stored_results(study.places.results).get(job.digest(design_of(network.name, variant)))
    return None if result is None else result["components"]


def _judged(curve: dict[str, Any], options: SignificanceOptions) -> Significance:
    return judge(curve[f"{options.share:g}"], curve["channels"], curve["names"], options)


def _significance(study: Study, network: Network) -> Significance | None:
    """What the plain network shows; None where it is not trained yet."""
    curve = _curve(study, network, PLAIN)
    if curve is None:
        say(f"{network.name}: the plain binary network is not trained yet")
        return None
    return _judged(curve, RULE)


def _described(study: Study, network: Network, found: Significance) -> dict[str, Any]:
    """The curves, what each rule picks from them, the control, and the curves of the binary network with shortcuts."""
    curve, binary = _curve(study, network, PLAIN), _curve(study, network, "binary")
    assert curve is not None
    architecture = design_of(network.name, "binary").architecture
    control = control_layers(architecture, found.significant)
    normalised = _judged(curve, replace(RULE, rule=Rule.NORMALISED))
    share, share_999 = f"{RULE.share:g}", f"{RULE_999.share:g}"
    return {
        "layers": curve["names"],
        "channels": curve["channels"],
        "components": curve[share],
        "components_999": curve[share_999],
        "components_with_shortcuts": binary[share] if binary else None,
        "components_with_shortcuts_999": binary[share_999] if binary else None,
        "share": RULE.share,
        "delta": RULE.delta,
        "significant": list(found.significant),
        "significant_999": list(_judged(curve, RULE_999).significant),
        "significant_normalised": list(normalised.significant),
        "control": list(control),
        "control_is_same_set": set(control) == set(found.significant),
    }


if __name__ == "__main__":
    main()
