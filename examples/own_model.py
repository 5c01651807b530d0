"""A PyTorch model of one's own, exported to ONNX and predicted on three boards."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from design.counts import count
from design.devices.catalogue import find_device
from networks.tracing.module import trace_module
from networks.tracing.onnx_model import trace_onnx
from predictors.descriptor import describe
from predictors.predict import explain


def block(read: int, wrote: int, stride: int = 1) -> nn.Sequential:
    """A convolution with batch norm and activation."""
    return nn.Sequential(nn.Conv2d(read, wrote, 3, stride, 1, bias=False), nn.BatchNorm2d(wrote), nn.SiLU())


def main() -> None:
    """Trace the module, trace its export, and print what it will cost at 32 and at 8 bits."""
    model = nn.Sequential(
        *(block(3, 16, 2), block(16, 32, 2), block(32, 64, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    ).eval()
    traced = trace_module(model, (3, 96, 96), name="own model")
    with TemporaryDirectory() as folder:
        file = Path(folder) / "own.onnx"
        torch.onnx.export(model, (torch.zeros(1, 3, 96, 96),), file, dynamo=False, opset_version=17)
        again = trace_onnx(file.read_bytes(), name="own model")
    counts = count(traced.design)
    assert counts.macs == count(again.design).macs
    sys.stdout.write(f"{counts.macs / 1e6:.2f} million multiply-accumulates, {counts.parameters:,} parameters\n")
    for address in ("raspberry-pi-4", "stm32f746", "jetson-nano"):
        device = describe(find_device(address))
        for bits in (32, 8):
            made = explain(traced.at_bits(bits).design, device, None)
            low, high = made.latency_ms.interval.low, made.latency_ms.interval.high
            sys.stdout.write(
                f"{device.profile.name}, {bits} bits: {made.latency_ms.value:.3g} ms ({low:.3g} to {high:.3g}), "
                f"{made.model_bytes / 1e3:.0f} kB\n"
            )


if __name__ == "__main__":
    main()
