"""Identity: whether a checkpoint belongs to a run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from torch import nn

from networks.training.data import TrainingData
from networks.training.options import FitOptions


def identity(module: nn.Module, data: TrainingData, options: FitOptions, teacher: nn.Module | None) -> dict[str, str]:
    """What a checkpoint must agree in: settings, data, teacher, and names and shapes of the network's state."""
    taught = hashlib.sha256()
    if teacher is not None and options.distillation:
        for value in teacher.state_dict().values():
            taught.update(value.cpu().contiguous().numpy().tobytes())
    shapes = sorted((name, tuple(value.shape)) for name, value in module.state_dict().items())
    return {
        "options": json.dumps(asdict(options), sort_keys=True),
        "data": data.digest(),
        "teacher": taught.hexdigest(),
        "network": hashlib.sha256(repr(shapes).encode()).hexdigest(),
    }
