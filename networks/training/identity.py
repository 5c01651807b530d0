"""Identity: whether a checkpoint belongs to a run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from torch import nn

from networks.layers import Quantized
from networks.network import Network
from networks.training.data import TrainingData
from networks.training.low_memory.network import LowMemoryNetwork
from networks.training.options import FitOptions

LATER = frozenset({"quantizers"})
"""What the first checkpoints do not say; they are not refused for it."""


def identity(module: nn.Module, data: TrainingData, options: FitOptions, teacher: nn.Module | None) -> dict[str, str]:
    """What a checkpoint must agree in: settings, data, teacher, names and shapes of the network's state, quantizers."""
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
        "quantizers": hashlib.sha256(repr(_quantizers(module)).encode()).hexdigest(),
    }


def _quantizers(module: nn.Module) -> list[tuple[str, object]]:
    """Bits, quantizers and order of operations, which need not show in names and shapes."""
    found: list[tuple[str, object]] = []
    for name, part in module.named_modules():
        if isinstance(part, Network):
            found.append((name, (part.options, part.policy.residual_bits)))
        elif isinstance(part, LowMemoryNetwork):
            found.append((name, part.options))
        elif isinstance(part, Quantized):
            found.append((name, part.setting))
    return found
