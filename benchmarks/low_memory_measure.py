"""Ratios of standard to low-memory training: by the memory model, and measured on one step of the full BinaryNet."""

from __future__ import annotations

from typing import Any

from benchmarks.low_memory_step import MIB, measured
from benchmarks.report import say
from design.binarynet import binarynet, perceptron, published_policy
from design.design import Design
from design.encoding import encode_designs
from design.task import find_task
from design.training_memory import LOW_MEMORY, PUBLISHED, STANDARD, TrainingOptim, training_bytes

BATCH = 100
OTHERS = ("vgg_small", "resnet20")
NETWORKS = {"binarynet": (binarynet, "cifar10"), "mlp": (perceptron, "mnist")}
BARS = {"held_ratio": 30.0, "measured_ratio": 4.0, "with_state_ratio": 2.3, "step_time_ratio": 1.3}
"""Least ratios, but of time the largest."""


def modelled() -> dict[str, Any]:
    """MiB of a step by the memory model: standard, as the paper counts, and as networks train here."""
    found: dict[str, Any] = {}
    for name, (build, task) in NETWORKS.items():
        architecture = build(find_task(task), binary_edges=True)
        encoded = encode_designs([Design(architecture=architecture, policy=published_policy(architecture))])
        for optim in TrainingOptim:
            sizes = {
                key: float(training_bytes(encoded, batch_size=BATCH, method=method, optim=optim)[0]) / MIB
                for key, method in (("standard", STANDARD), ("published", PUBLISHED), ("low_memory", LOW_MEMORY))
            }
            row = {f"{key}_mib": round(size, 3) for key, size in sizes.items()}
            row["published_ratio"] = sizes["standard"] / sizes["published"]
            row["low_memory_ratio"] = sizes["standard"] / sizes["low_memory"]
            found.setdefault(name, {})[optim.value] = row
    return found


def _memory_ratios(standard: dict[str, Any], low: dict[str, Any]) -> dict[str, Any]:
    whole = [one["peak_bytes"] + one["state_bytes"] for one in (standard, low)]
    return {
        "held_ratio": standard["held_bytes"] / low["held_bytes"],
        "measured_ratio": standard["peak_bytes"] / low["peak_bytes"],
        "with_state_ratio": whole[0] / whole[1],
    }


def others(networks: tuple[str, ...] = OTHERS) -> dict[str, Any]:
    """The memory ratios of other networks, which have a binary body between edges of 8 bits."""
    found = {}
    for network in networks:
        standard, low = (
            measured(variant, batch_size=BATCH, width=1.0, time_it=False, network=network)
            for variant in ("standard", "low_memory")
        )
        found[network] = _memory_ratios(standard, low)
        say(f"{network}: " + ", ".join(f"{name} {value:.1f}" for name, value in found[network].items()))
    return found


def ratios(*, width: float = 1.0, variants: tuple[str, ...] = ("low_memory",)) -> dict[str, Any]:
    """Measured on a step of `BATCH` pictures, each figure in a fresh process of one thread, standard and low-memory.

    Returns:
        The ratios of `BARS` (of the first variant), and the figures they come from.
    """
    rows: dict[str, Any] = {}
    for variant in ("standard", *variants):
        memory = measured(variant, batch_size=BATCH, width=width, time_it=False)
        taken = measured(variant, batch_size=BATCH, width=width, time_it=True)
        rows[variant] = memory | taken
        say(
            f"{variant}: held {memory['held_bytes'] / MIB:.1f} MiB, peak {memory['peak_bytes'] / MIB:.1f} MiB, state "
            f"{memory['state_bytes'] / MIB:.1f} MiB, {taken['seconds']:.2f} s a step"
        )
    standard, low = rows["standard"], rows[variants[0]]
    found = _memory_ratios(standard, low) | {"step_time_ratio": low["seconds"] / standard["seconds"]}
    found["bars_kept"] = {
        name: found[name] <= bar if name == "step_time_ratio" else found[name] >= bar for name, bar in BARS.items()
    }
    return found | {"measured": rows, "batch_size": BATCH, "width": width}
