"""What choosing filters costs, and what their removal saves: times on this machine, beside what was predicted."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.hybrid_variants import TASK
from design.design import Design
from design.encoding import encode_designs
from design.task import find_task
from networks.build import build
from networks.export.onnx_model import export_onnx
from networks.network import Network
from networks.pruning.decision import families_of
from networks.pruning.sensitivity import sensitivities
from networks.runtime.host import host_profile
from networks.runtime.measure import MeasureOptions, measure
from predictors.descriptor import describe
from predictors.predict import predict

REPEATS = 3


def sensitivity_cost(network: Network, batches: Sequence[Tensor], *, repeats: int = REPEATS) -> dict[str, Any]:
    """CPU time of the sensitivities of all filters over that of one forward pass of the same pictures, on one thread.

    Both in one run, by turns; the medians' ratio. A first, uncounted turn warms both up.
    """
    torch.set_num_threads(1)
    network.eval()
    found = families_of(network)
    passes, whole = [], []
    for _ in range(repeats + 1):
        begun = time.process_time()
        with torch.inference_mode():
            for images in batches:
                network(images)
        passes.append(time.process_time() - begun)
        begun = time.process_time()
        sensitivities(network, found, batches)
        whole.append(time.process_time() - begun)
    pictures = sum(len(images) for images in batches)
    return {
        "sensitivity_forward_passes": median(whole[1:]) / median(passes[1:]),
        "pictures": pictures,
        "ms_per_picture": 1e3 * median(whole[1:]) / pictures,
        "forward_ms_per_picture": 1e3 * median(passes[1:]) / pictures,
        "repeats": repeats,
    }


def speed_ups(designs: Mapping[str, Design], *, seconds: float = 5.0, repeats: int = REPEATS) -> dict[str, Any]:
    """Measured latency of designs in onnxruntime on one thread, beside the predicted one; the first is the whole one.

    Each is measured several times by turns; the fastest call counts. Times do not depend on the values of weights.
    """
    names = list(designs)
    options = MeasureOptions(seconds=seconds)
    times: dict[str, list[float]] = {name: [] for name in names}
    runtime = ""
    with tempfile.TemporaryDirectory() as folder:
        for name, design in designs.items():
            export_onnx(build(design).eval()).save(Path(folder) / f"{names.index(name)}.onnx")
        for _ in range(repeats):
            for name in names:
                told = measure(Path(folder) / f"{names.index(name)}.onnx", options)
                times[name].append(told.latency_ms)
                runtime = told.runtime
    profile = host_profile(runtime=runtime)
    predicted = predict(encode_designs(list(designs.values())), describe(profile), find_task(TASK)).latency_ms.median
    first = min(times[names[0]])
    return {
        name: {
            "measured_ms": min(times[name]),
            "measured_speed_up": first / min(times[name]),
            "predicted_ms": float(predicted[index]),
            "predicted_speed_up": float(predicted[0] / predicted[index]),
        }
        for index, name in enumerate(names)
    }
