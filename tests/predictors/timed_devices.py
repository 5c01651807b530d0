"""Made-up timed devices for tests: cells on catalogue devices, timed by known prices."""

from __future__ import annotations

import numpy as np

from design.devices.catalogue import find_device
from predictors.descriptor import describe
from predictors.timed_tables import TimedDevice
from predictors.work_terms import priced_seconds
from tests.predictors.measured_cells import cells
from tests.predictors.test_price_model import model

ADDRESSES = (
    "raspberry-pi-4@tflite",
    "pixel-2",
    "pixel-3",
    "samsung-galaxy-s7",
    "samsung-galaxy-a50",
    "titan-rtx@batch_32",
    "gtx-1080-ti@batch_32",
    "v100@batch_32",
    "xeon-gold-6226",
    "xeon-silver-4114",
)


def timed_devices(count: int = 25, noise: float = 0.03, level: float = 0.2) -> list[TimedDevice]:
    """Each address with `count` cells; levels and noise are drawn with fixed seeds."""
    rng, truth = np.random.default_rng(0), model(1)
    found = []
    for number, address in enumerate(ADDRESSES):
        device, designs = describe(find_device(address)), cells(count, seed=number)
        seconds = designs.total(priced_seconds(designs.rows, device, truth.prices(device)))
        wrong = level * rng.normal() + noise * rng.normal(size=count)
        found.append(
            TimedDevice(
                group="made_up",
                row=address,
                family=address.split("@")[0],
                device=device,
                designs=designs,
                latency_ms=1e3 * seconds * np.exp(wrong),
            )
        )
    return found
