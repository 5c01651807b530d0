"""Made-up measurements: what the closed form says of random networks, times a factor that depends on their layers."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np

from design.device import DeviceProfile
from design.devices.catalogue import find_device
from design.spaces.registry import find_space
from design.task import find_task
from predictors.descriptor import describe
from predictors.predict import predict

CSV = {"Content-Type": "text/csv"}
DEVICE = "raspberry-pi-4"


def rows(
    count: int,
    *,
    space: str = "nasbench201",
    factor: float = 1.8,
    noise: float = 0.03,
    energy: bool = False,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Rows as JSON, of random members of a space on a Raspberry Pi 4 that is slower than its profile says."""
    return rows_on(find_device(DEVICE), count, space=space, factor=factor, noise=noise, energy=energy, seed=seed)


def rows_on(
    profile: DeviceProfile, count: int, *, space: str, factor: float, noise: float, energy: bool, seed: int
) -> list[dict[str, Any]]:
    task, rng = find_task("cifar10"), np.random.default_rng(seed)
    vectors = find_space(space).sample(task, count, rng)
    found = predict(find_space(space).rows(task, vectors), describe(profile), task)
    spread = factor * np.exp(noise * rng.normal(size=(2, count)))
    made = []
    for place, values in enumerate(vectors.tolist()):
        row: dict[str, Any] = {"design": {"space": space, "task": "cifar10", "values": values}}
        row["latency_ms"] = float(found.latency_ms.median[place] * spread[0, place])
        if energy:
            row["energy_mj"] = float(found.energy_mj.median[place] * spread[1, place])
        made.append(row)
    return made


def table(made: list[dict[str, Any]]) -> bytes:
    """The same rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["space", "genotype", "task", "latency_ms", "energy_mj"])
    for row in made:
        own = row["design"]
        values = " ".join(str(value) for value in own["values"])
        writer.writerow([own["space"], values, own["task"], row.get("latency_ms", ""), row.get("energy_mj", "")])
    return text.getvalue().encode()
