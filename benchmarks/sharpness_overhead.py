"""Checks of the sharpness benchmark: agreement with a whole Hessian, and the cost of watching a training."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.func import functional_call, grad, jacrev

from benchmarks.sharpness_descent import CLASSES, SIDE, half_square
from design.precision import PrecisionPolicy, precision
from design.task import find_task
from networks.quantize import quantize_
from networks.training.data import prepare
from networks.training.fit import fit
from networks.training.monitor.monitor import Monitor
from networks.training.options import FitOptions
from networks.training.sharpness.exact import measure_sharpness
from networks.training.sharpness.preconditioner import preconditioner
from networks.training.sharpness.probe import Probe
from networks.training.sources.read import read_task

SMALL = 8
"""Hidden units of the network whose Hessian is written out."""


def agreement(inputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Largest relative error of eigenvalues against numpy's of the whole matrix, for each way they are found."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Linear(SIDE * SIDE, SMALL), nn.Tanh(), nn.Linear(SMALL, SMALL), nn.Tanh(), nn.Linear(SMALL, CLASSES)
        ).double()
    stepper = optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(20):
        stepper.zero_grad()
        half_square(module(inputs), targets).backward()  # type: ignore[no-untyped-call]
        stepper.step()
    whole = _whole_hessian(module, inputs, targets)
    scale = torch.cat([one.reshape(-1) for one in preconditioner(stepper, list(module.parameters()))]).numpy() ** -0.5
    three = np.linalg.eigvalsh(whole)[::-1][:3]
    adam = float(np.linalg.eigvalsh(scale[:, None] * whole * scale)[-1])
    probe = Probe(chunks=tuple(zip(torch.split(inputs, 250), torch.split(targets, 250), strict=True)), loss=half_square)
    lanczos = measure_sharpness(module, probe, count=3, tolerance=1e-6)
    start = np.random.default_rng(1).standard_normal((len(whole), 1))
    lobpcg = measure_sharpness(module, probe, start=start, tolerance=1e-4)
    preconditioned = measure_sharpness(module, probe, stepper=stepper, tolerance=1e-6)
    single = Probe(chunks=((inputs.float(), targets.float()),), loss=half_square)
    in_32_bits = measure_sharpness(module.float(), single, tolerance=1e-4)
    return {
        "lanczos": float(np.max(np.abs(np.array(lanczos.values) / three - 1))),
        "lobpcg": float(abs(lobpcg.value / three[0] - 1)),
        "preconditioned": float(abs(preconditioned.value / adam - 1)),
        "float32": float(abs(in_32_bits.value / three[0] - 1)),
        "parameters": len(whole),
    }


def _whole_hessian(module: nn.Module, inputs: Tensor, targets: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    names, values = zip(*((name, one.detach()) for name, one in module.named_parameters()), strict=True)
    sizes = [one.numel() for one in values]

    def loss(flat: Tensor) -> Tensor:
        parts = [part.reshape(one.shape) for part, one in zip(torch.split(flat, sizes), values, strict=True)]
        return half_square(functional_call(module, dict(zip(names, parts, strict=True)), (inputs,)), targets)

    found: np.ndarray[Any, np.dtype[np.float64]] = jacrev(grad(loss))(
        torch.cat([v.reshape(-1) for v in values])
    ).numpy()
    return found


def overhead(data: Path, *, pictures: int, epochs: int, repeats: int, binary: bool = True) -> dict[str, Any]:
    """A training of Fashion-MNIST with and without its monitor, in turns; processor seconds, medians.

    Args:
        data: Folder of the pictures.
        pictures: How many; short runs cannot afford an eigenvalue within the share of time for watching.
        epochs: Of each training.
        repeats: Of each pair.
        binary: Also a network with binary layers, whose eigenvalues are not taken.
    """
    ready = prepare(read_task(find_task("fashion_mnist"), data), limit=pictures)
    options = FitOptions(epochs=epochs, batch_size=64, bf16=False)
    found: dict[str, Any] = {}
    for name, bits in (("float", None), ("binary", 1))[: 2 if binary else 1]:
        alone: list[float] = []
        watched: list[float] = []
        own: list[float] = []
        weights: list[dict[str, Tensor]] = []
        for _ in range(repeats):
            for monitor in (None, Monitor()):
                module = _convolutions(bits)
                begun = time.process_time()
                fit(module, ready, options, watcher=monitor)
                (alone if monitor is None else watched).append(time.process_time() - begun)
                weights.append(module.state_dict())
                if monitor is not None:
                    record = monitor.record()
                    own.append(record.overhead)
        found[name] = {
            "measured": statistics.median(watched) / statistics.median(alone) - 1,
            "accounted": statistics.median(own),
            "readings": len(record.readings),
            "steps": record.steps,
            "with_eigenvalue": sum(one.sharpness is not None for one in record.readings),
            "same_weights": all(
                torch.equal(value, other[key]) for other in weights[1:] for key, value in weights[0].items()
            ),
            "verdict": record.verdicts[-1].words,
        }
    return found


def _convolutions(bits: int | None) -> nn.Module:
    """Three convolutions with batch norm; the middle ones at these bits."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts: list[nn.Module] = []
        for before, after in ((1, 16), (16, 32), (32, 32)):
            stride = 1 if before == 1 else 2
            parts += [
                nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        module = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    if bits is not None:
        own = precision(1)
        quantize_(module, PrecisionPolicy(layers={"3": own, "6": own}))
    return module
