"""Predicted against measured: designs through the very step programs of jobs.

Accuracy, packed bytes and latency on this machine of designs made for devices of the catalogue, each trained, exported,
verified and measured as a job would. `--quick` trains small networks on 5,000 pictures for a few epochs, which is less
than any prediction assumes; digits are trained in full. Finished steps stay in `--cache` and are not done again; those
of another design, other options or another version of the steps are not used.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import base_parser, checked, say, write
from design.constraints import Constraints
from design.devices.catalogue import find_device
from design.task import find_task
from optimizer.optimize import optimize
from optimizer.problem import Answer, Problem
from service.jobs.engine import VERSION
from service.worker.steps import PIPELINE
from service.worker.trainer import Report, find

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A design to be made and trained."""

    task: str
    device: str
    space: str
    model_kb: float
    latency_ms: float

    @property
    def name(self) -> str:
        """Short and unique."""
        return f"{self.task}-{self.space}-{self.model_kb:g}kB"

    def answer(self) -> Answer:
        """What the optimizer says."""
        limits = Constraints(model_kb=self.model_kb, latency_ms=self.latency_ms)
        device, task = find_device(self.device), find_task(self.task)
        return optimize(Problem(device=device, task=task, constraints=limits, spaces=(self.space,)))


SMALL = (
    Case(task="digits", device="stm32f746", space="resnet", model_kb=6, latency_ms=10),
    Case(task="digits", device="stm32f746", space="vgg", model_kb=12, latency_ms=10),
    Case(task="fashion_mnist", device="stm32f746", space="resnet", model_kb=10, latency_ms=60),
    Case(task="fashion_mnist", device="stm32f746", space="vgg", model_kb=20, latency_ms=60),
    Case(task="fashion_mnist", device="stm32h743", space="resnet", model_kb=20, latency_ms=50),
    Case(task="fashion_mnist", device="stm32f746", space="vgg", model_kb=12, latency_ms=40),
    Case(task="fashion_mnist", device="stm32f746", space="resnet", model_kb=8, latency_ms=60),
)
"""What `--quick` trains, for QUICK_EPOCHS on a part of the pictures."""
CASES = (
    *SMALL,
    Case(task="fashion_mnist", device="stm32h743", space="resnet", model_kb=30, latency_ms=200),
    Case(task="fashion_mnist", device="raspberry-pi-4", space="resnet", model_kb=100, latency_ms=5),
    Case(task="fashion_mnist", device="raspberry-pi-4", space="vgg", model_kb=60, latency_ms=5),
    Case(task="cifar10", device="raspberry-pi-4", space="resnet", model_kb=25, latency_ms=8),
    Case(task="cifar10", device="jetson-nano", space="resnet", model_kb=200, latency_ms=20),
    Case(task="cifar10", device="pixel-3", space="vgg", model_kb=300, latency_ms=20),
)
QUICK_EPOCHS = 8


def run_case(case: Case, options: Json, data: Path, cache: Path) -> Json:
    """All steps of one design; those that the cache has are not done again."""
    answer = case.answer()
    design = answer.design
    identity = json.dumps([design.digest, options, VERSION], sort_keys=True)
    folder = cache / f"{case.name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    job: Json = {
        "job_id": f"benchmark-{case.name}",
        "design": design.model_dump(mode="json"),
        "design_name": design.architecture.name,
        "design_digest": design.digest,
        "device": find_device(case.device).model_dump(mode="json"),
        "prediction": answer.prediction.model_dump(mode="json"),
        "task": case.task,
        "dataset": {"name": case.task},
        "dataset_file": None,
        "pictures_folder": str(data.resolve()),
        "options": options,
        "results": {},
        "work_folder": str(folder.resolve()),
    }
    with open(os.devnull, "wb") as nothing:
        report = Report(nothing.fileno())
        for number, step in enumerate(PIPELINE.steps, 1):
            job["results"][step.name] = _kept(folder / f"{number:02d}.json", step.skip(job), step.program, job, report)
            say(f"{case.name}: {step.name}")
    results = job["results"]
    full_precision = [results[name] for name in ("train", "prune") if results[name] is not None]
    return {
        "design": design.architecture.name,
        "digest": design.digest,
        "bits": sorted({str(own) for own in design.policy.layers.values()}),
        "feasible": answer.feasible,
        "epochs": sum(len(one["epochs"]) for one in full_precision),
        "full_precision_validation": full_precision[-1]["validation_accuracy"] if full_precision else None,
        "figures": {one["name"]: _compared(one) for one in results["report"]["comparisons"]},
    }


def _kept(path: Path, skipped: str | None, program: str, job: Json, report: Report) -> Json | None:
    """The result of a step, from now or from before; None where it is skipped."""
    if skipped is not None:
        return None
    if not path.exists():
        text = json.dumps(find(program)(job, report), allow_nan=False)
        part = path.with_suffix(".part")
        part.write_text(text, "utf-8")
        part.replace(path)
    found: Json = json.loads(path.read_text("utf-8"))
    return found


def _compared(one: Json) -> Json:
    return {key: one[key] for key in ("predicted", "interval", "measured", "inside", "how")}


def summary(designs: dict[str, Json]) -> Json:
    """Over all designs: errors of medians, and how many measured figures lie in their 90 % intervals."""
    found: Json = {}
    for name in ("accuracy", "model size", "latency on the worker"):
        own = [one["figures"][name] for one in designs.values() if name in one["figures"]]
        pairs = [(one["predicted"], one["measured"]) for one in own if one["predicted"] is not None]
        if not pairs:
            continue
        predicted, measured = np.array(pairs).T
        inside = [one["inside"] for one in own if one["inside"] is not None]
        found[name] = {
            "designs": len(pairs),
            "mean_absolute_error": float(np.abs(predicted - measured).mean()),
            "median_ratio": float(np.median(measured / predicted)),
            "inside": None if not inside else sum(inside) / len(inside),
        }
    return found


def main() -> None:
    """`python -m benchmarks.pipeline --data DIR [--quick] [--cache DIR] --json -`."""
    parser = base_parser("Predicted against measured accuracy, bytes and host latency, through the steps of jobs.")
    parser.add_argument("--cache", type=Path, default=Path("bespoke-data/pipeline"), help="where finished steps stay")
    found = parser.parse_args()
    arguments = checked(parser, found)
    cases = SMALL if arguments.quick else CASES
    designs: dict[str, Json] = {}
    for seed in range(arguments.seeds):
        for case in cases:
            options: Json = {"preset": "standard", "seed": seed}
            if arguments.quick and case.task != "digits":
                options |= {"preset": "quick", "epochs": QUICK_EPOCHS}
            designs[f"{case.name}-{seed}"] = run_case(case, options, arguments.data, found.cache)
    cases_told = {case.name: asdict(case) for case in cases}
    write({"summary": summary(designs), "designs": designs, "cases": cases_told}, arguments.json)


if __name__ == "__main__":
    main()
