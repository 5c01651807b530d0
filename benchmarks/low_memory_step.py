"""One training step of a binary network in a process of its own: what it holds, its peak, and how long it takes.

Memory is what the kernel counts: resident bytes before and behind the forward step, and the high-water mark of the
whole step (forward, backward, step of the weights), the mark being reset before it. Freed blocks go back to the kernel
at once (settings of glibc's allocator, given by `measured`). The step is the first with so many pictures, after one
with few that makes the momenta; gradients are made within it.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn, optim

from benchmarks.low_memory_runs import RECIPE
from benchmarks.low_memory_variants import BINARYNET, VARIANTS, make, named_design
from design.task import find_task
from networks.quantize import clip_latent_
from networks.training.options import FitOptions
from networks.training.stepping import make_optim

TASK = "cifar10"
FEW = 2
TIMED = 3
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0", "OMP_NUM_THREADS": "1"}
MIB = 2**20


def measured(variant: str, *, batch_size: int, width: float, time_it: bool, network: str = BINARYNET) -> dict[str, Any]:
    """Run this module in a fresh process.

    Args:
        variant: See `low_memory_variants`.
        batch_size: Pictures in the step.
        width: Of BinaryNet.
        time_it: Measure the time (with the usual allocator), else memory.
        network: BinaryNet, or a named network with a binary body (at its own width).
    """
    command = [sys.executable, "-m", "benchmarks.low_memory_step", variant, str(batch_size), str(width), network]
    environment = os.environ | ({"OMP_NUM_THREADS": "1"} if time_it else ALLOCATOR)
    if time_it:
        command.append("--time")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


class _Steps:
    """A network and what steps it, as `fit` does."""

    def __init__(self, variant: str, width: float, network: str) -> None:
        torch.manual_seed(0)
        self.module: nn.Module = make(named_design(network, TASK, width), variant, seed=0)
        self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optim: optim.Optimizer = make_optim(self.module, FitOptions(**RECIPE))

    def forward(self, batch_size: int) -> Tensor:
        """The loss of random pictures."""
        shape = find_task(TASK).input_shape
        images = torch.randn(batch_size, *shape).to(memory_format=torch.channels_last)
        return nn.functional.cross_entropy(self.module(images), torch.arange(batch_size) % 10)

    def backward(self, loss: Tensor) -> None:
        """Gradients, and a step."""
        loss.backward()  # type: ignore[no-untyped-call]
        self.optim.step()
        clip_latent_(self.module)
        self.optim.zero_grad()

    @property
    def state_bytes(self) -> int:
        """Weights, running statistics and momenta."""
        tensors = [*self.module.state_dict().values()]
        tensors += [value for own in self.optim.state.values() for value in own.values() if torch.is_tensor(value)]
        return sum(value.numel() * value.element_size() for value in tensors)


def _memory(variant: str, batch_size: int, width: float, network: str) -> dict[str, Any]:
    steps = _Steps(variant, width, network)
    steps.backward(steps.forward(FEW))
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the high-water mark
    loss = steps.forward(batch_size)
    held = _resident("VmRSS") - before
    steps.backward(loss)
    peak = _resident("VmHWM") - before
    return {"held_bytes": held, "peak_bytes": peak, "state_bytes": steps.state_bytes}


def _resident(name: str) -> int:
    """A figure of /proc/self/status, in bytes, once freed memory has gone back."""
    if name == "VmRSS":
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"/proc/self/status must have {name}")


def _time(variant: str, batch_size: int, width: float, network: str) -> dict[str, Any]:
    steps = _Steps(variant, width, network)
    steps.backward(steps.forward(batch_size))
    taken = []
    for _ in range(TIMED):
        begun = time.process_time()
        steps.backward(steps.forward(batch_size))
        taken.append(time.process_time() - begun)
    return {"seconds": median(taken), "all_seconds": taken}


def main() -> None:
    """Measure one step and print one JSON object."""
    parser = argparse.ArgumentParser(description="One training step.")
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("batch_size", type=int)
    parser.add_argument("width", type=float)
    parser.add_argument("network", nargs="?", default=BINARYNET)
    parser.add_argument("--time", action="store_true", help="time, else memory")
    found = parser.parse_args()
    torch.set_num_threads(1)
    measure = _time if found.time else _memory
    sys.stdout.write(json.dumps(measure(found.variant, found.batch_size, found.width, found.network)) + "\n")


if __name__ == "__main__":
    main()
