"""One run of the hybrid study: train, test, look at principal components, and keep the result as a small file."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.epochs import EpochTeller
from benchmarks.hybrid_recipe import ALIKE, SIGNIFICANCE_PICTURES, Job
from benchmarks.hybrid_variants import PLAIN, TASK, design_of
from design.design import Design
from design.task import find_task
from networks.build import build
from networks.covariance import components_below
from networks.significance import body_convolutions, principal_variances
from networks.training.batches import Batches
from networks.training.data import TrainingData, prepare
from networks.training.evaluation import evaluate
from networks.training.fit import fit
from networks.training.half_precision import bf16_is_native
from networks.training.options import FitOptions
from networks.training.progress import Fitted
from networks.training.sources.read import read_task

FORMAT = 1
BATCH = 500
CURVE_BATCH = 100
SHARES = (0.99, 0.999)
WEIGHTS = "weights.safetensors"
Result = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where things are.

    Attributes:
        data: Folder of the pictures.
        results: One small file for each finished run.
        cache: Checkpoints and trained weights, outside the repository.
    """

    data: Path
    results: Path
    cache: Path


def stored_results(folder: Path) -> dict[str, Result]:
    """All finished runs of a folder by digest; files of another format are passed over."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text("utf-8"))
        if isinstance(content, dict) and content.get("format") == FORMAT and "digest" in content:
            found[content["digest"]] = content
    return found


def run(job: Job, places: Places) -> Result:
    """The result of a job: stored, or trained now on one thread (going on from a checkpoint) and stored.

    Where another process trains the same, this one waits for it.
    """
    torch.set_num_threads(1)
    design = design_of(job.network, job.variant, job.significant)
    digest = job.digest(design)
    folder = places.cache / digest[:16]
    with alone(folder):
        stored = stored_results(places.results).get(digest)
        return _trained(job, design, digest, folder, places) if stored is None else stored


def trained_weights(job: Job, places: Places) -> Path:
    """The file of a job's trained weights; trained now where it is not in the cache.

    Weights kept beside the results come first. A finished run whose weights are gone is trained again for them, its
    stored result stays as it is.
    """
    torch.set_num_threads(1)
    design = design_of(job.network, job.variant, job.significant)
    digest = job.digest(design)
    kept, path = _weights_of(digest, places)
    if kept.exists():
        return kept
    folder = path.parent
    with alone(folder):
        if not path.exists():
            if digest in stored_results(places.results):
                module, _ = _fitted(job, design, read_data(places.data, job.limit), folder)
                _keep_weights(module, folder)
            else:
                _trained(job, design, digest, folder, places)
    return path


def has_weights(job: Job, places: Places) -> bool:
    """Whether `trained_weights` trains nothing."""
    digest = job.digest(design_of(job.network, job.variant, job.significant))
    return any(path.exists() for path in _weights_of(digest, places))


def _weights_of(digest: str, places: Places) -> tuple[Path, Path]:
    """Where weights can be: kept beside the results, and in the cache."""
    return places.results / "weights" / f"{digest[:16]}.safetensors", places.cache / digest[:16] / WEIGHTS


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes; the lock goes with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _trained(job: Job, design: Design, digest: str, folder: Path, places: Places) -> Result:
    """Train, test and keep."""
    commit = commit_now()
    data = read_data(places.data, job.limit)
    module, fitted = _fitted(job, design, data, folder)
    tested = evaluate(module, tested_batches(data, job.test_limit))
    result: Result = {
        "format": FORMAT,
        "digest": digest,
        "network": job.network,
        "variant": job.variant,
        "seed": job.seed,
        "test_accuracy": tested.accuracy,
        "test_loss": tested.loss,
        "validation_accuracy": fitted.validation_accuracy,
        "best_epoch": fitted.best_epoch,
        "seconds": round(fitted.seconds, 1),
        "settings": job.settings,
        "design": design.digest,
        "precision": {name: str(own) for name, own in design.policy.layers.items()},
        "components": _components(module, design, data) if job.variant in (PLAIN, "binary") else None,
        "epochs": [asdict(epoch) for epoch in fitted.epochs],
        "data": data.digest(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "hardware": hardware(job.device),
    }
    keep(result, places.results / f"{job.network}-{job.variant}-{job.seed}-{digest[:8]}.json")
    _keep_weights(module, folder)
    return result


def _fitted(job: Job, design: Design, data: TrainingData, folder: Path) -> tuple[nn.Module, Fitted]:
    """Trained on the device of the job (going on from a checkpoint), and back on the CPU."""
    module = build(design, seed=job.seed, options=ALIKE)
    fitted = fitted_on(job.device, module, data, job.options, folder, job.title)
    return module, fitted


def fitted_on(
    device: str, module: nn.Module, data: TrainingData, options: FitOptions, folder: Path, title: str
) -> Fitted:
    """Train a module of the CPU on a device; each kind of device goes on from checkpoints of its own in the folder."""
    kind = torch.device(device).type
    path = folder / ("checkpoint.pt" if kind == "cpu" else f"checkpoint-{kind}.pt")
    told = EpochTeller(title)
    fitted = fit(module.to(device), data, options, checkpoint=path, progress=told, cuda_graphs=kind == "cuda")
    module.cpu()
    return fitted


def remove_checkpoints(folder: Path) -> None:
    """Those of every kind of device: what they led to is kept."""
    for path in folder.glob("checkpoint*.pt"):
        path.unlink()


def _keep_weights(module: nn.Module, folder: Path) -> None:
    """Under another name first; then the checkpoint is not needed any more."""
    beside = folder / "weights.part"
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, beside)
    os.replace(beside, folder / WEIGHTS)
    remove_checkpoints(folder)


@lru_cache(maxsize=1)
def read_data(folder: Path, limit: int | None) -> TrainingData:
    """CIFAR-10, made ready."""
    return prepare(read_task(find_task(TASK), folder), limit=limit)


def tested_batches(data: TrainingData, limit: int | None) -> Batches:
    """The test part, or its first pictures."""
    assert data.test is not None
    pictures = data.test if limit is None else data.test.chosen(torch.arange(min(limit, len(data.test))))
    return Batches(pictures, batch_size=BATCH, normalisation=data.normalisation)


def _components(module: nn.Module, design: Design, data: TrainingData) -> dict[str, Any]:
    """The curve: for each body convolution its channels and the components below each share of the variance."""
    names = body_convolutions(design.architecture)
    batches = Batches(data.validation, batch_size=CURVE_BATCH, normalisation=data.normalisation)
    pictures = islice(_pictures(batches), SIGNIFICANCE_PICTURES // CURVE_BATCH)
    variances = principal_variances(module, names, pictures)
    curve: dict[str, Any] = {"names": list(names), "channels": [len(variances[name]) for name in names]}
    for share in SHARES:
        curve[f"{share:g}"] = [components_below(variances[name], share) for name in names]
    return curve


def _pictures(batches: Batches) -> Iterator[Tensor]:
    return (images for images, _ in batches.in_order())


def machines(runs: Sequence[Result]) -> list[str]:
    """Where runs were trained: the accelerators, or the processors where there were none."""
    return sorted({str(run["hardware"].get("accelerator", run["hardware"]["processor"])) for run in runs})


def keep(result: Result, path: Path) -> None:
    """Write beside, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(result, allow_nan=False, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, path)


def commit_now() -> str | None:
    """The commit of the code, marked where tracked files differ from it; None outside a repository."""
    here = Path(__file__).parent
    try:
        head = _git(here, ["rev-parse", "HEAD"])
        changed = _git(here, ["status", "--porcelain", "--untracked-files=no"])
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + (" with changes" if changed else "")


def _git(folder: Path, arguments: Sequence[str]) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def hardware(device: str = "cpu") -> dict[str, Any]:
    """The processor and what runs on it; the accelerator, where networks are trained on one."""
    model = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    flags: set[str] = set()
    if facts.exists():
        for line in facts.read_text("utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                model = value.strip()
            elif name.strip() == "flags":
                flags = set(value.split())
    vectors = [one for one in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if one in flags]
    on = torch.device(device)
    accelerator = {"accelerator": torch.cuda.get_device_name(on)} if on.type == "cuda" else {}
    return accelerator | {
        "processor": model,
        "vectors": vectors,
        "bf16": bf16_is_native(on),
        "cores": os.cpu_count(),
        "threads": 1,
        "torch": torch.__version__,
    }
