"""The optimizer: python -m benchmarks.optimizer --data DIR [--quick] [--seeds N] --json -.

Designs for devices never seen against the truth (NAS-Bench-201), against long searches with the same predictors
(hybrid-precision spaces), and for a fleet; networks fitted to answers beside those fitted without labels. One process,
one thread.
"""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.optimizer_cells import measure_cells
from benchmarks.optimizer_fleet import DEVICES, measure_fleet
from benchmarks.optimizer_hybrid import measure_hybrid
from benchmarks.optimizer_supervised import SUPERVISED, measure_supervised
from benchmarks.report import Arguments, main, say

SEEDS = 12
"""Sets of random measurements."""
QUICK_SEEDS = 2
REQUESTS, QUICK_REQUESTS = 40, 8
"""Of each space."""


def measure(arguments: Arguments) -> dict[str, Any]:
    """All parts."""
    torch.set_num_threads(1)
    seeds = min(arguments.seeds, QUICK_SEEDS) if arguments.quick else arguments.seeds
    fleet = measure_fleet(DEVICES, seed=0)
    say("fleet: " + ", ".join(f"{key} {value:.3g}" for key, value in fleet.items() if isinstance(value, float)))
    hybrid = measure_hybrid(QUICK_REQUESTS if arguments.quick else REQUESTS, seed=0)
    supervised = {name: measure_supervised(name, quick=arguments.quick, seed=0) for name in SUPERVISED}
    return {"fleet": fleet, "hybrid": hybrid, "supervised": supervised} | measure_cells(arguments.data, seeds)


if __name__ == "__main__":
    main(__doc__, measure, seeds=SEEDS)
