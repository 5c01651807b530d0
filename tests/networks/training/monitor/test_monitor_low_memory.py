"""Built binary networks, trained the usual way and with little memory, under the monitor."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from networks.training.fit import fit
from networks.training.low_memory.network import to_low_memory
from networks.training.monitor.monitor import Monitor
from networks.training.monitor.options import MonitorOptions
from networks.training.options import FitOptions
from tests.networks.training.low_memory.small import small_network
from tests.networks.training.tiny import digits

SHORT = FitOptions(epochs=2, batch_size=30, optim="adamw", learning_rate=3e-3, bf16=False)
OFTEN = MonitorOptions(every=2, pictures=30, chunk=30)


def trained(watcher: Monitor | None, *, low_memory: bool) -> nn.Module:
    network = small_network()
    module = to_low_memory(network) if low_memory else network
    fit(module, digits(120), SHORT, watcher=watcher)
    return module


@pytest.mark.parametrize("low_memory", [False, True])
def test_weights_are_the_same_and_signs_are_counted(low_memory: bool) -> None:
    monitor = Monitor(OFTEN)
    watched, alone = trained(monitor, low_memory=low_memory), trained(None, low_memory=low_memory)
    for own, other in zip(watched.state_dict().values(), alone.state_dict().values(), strict=True):
        assert torch.equal(own, other)
    record = monitor.record()
    assert record.readings
    assert record.readings[-1].flip_ratio is not None
    assert record.readings[-1].critical_outcome in ("found", "rises at once", "never rises")
    assert record.measures == ""
    assert record.failed is None
    if not low_memory:
        assert record.readings[-1].dead_channels is not None
