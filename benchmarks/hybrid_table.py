"""The figures of the hybrid study, from its finished runs and from the designs themselves."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

import torch

from benchmarks.hybrid_variants import design_of
from benchmarks.report import say
from design.counts import count
from design.design import Design
from design.encoding import encode_designs
from networks.build import build
from networks.packing import pack
from predictors.energy import energy_pj_per_row, find_energy_model

ENERGY_MODEL = "horowitz"
FULL = "full_precision"
Result = dict[str, Any]


def packed_bytes(design: Design) -> int:
    """Bytes of the network as it is shipped; they do not depend on the values of its weights.

    One batch of noise starts its learned steps.
    """
    module = build(design).eval()
    with torch.no_grad():
        module(torch.randn(2, *design.architecture.input_shape, generator=torch.Generator().manual_seed(0)))
    return len(pack(module, design))


def energy_pj(design: Design, *, elementwise: bool) -> float:
    """Energy of one picture; without the element-wise work as in the papers, or with it."""
    encoded = encode_designs([design])
    per_row = energy_pj_per_row(encoded.rows, find_energy_model(ENERGY_MODEL), charge_elementwise=elementwise)
    return float(encoded.total(per_row)[0])


def table(
    network: str, variants: Sequence[str], runs: Sequence[Result], significant: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """For each variant that has runs: accuracy over seeds, packed size, compression and energy against 32 bits.

    Args:
        network: Of `hybrid_variants.NETWORKS`.
        variants: In order.
        runs: Finished ones; those of other networks are passed over.
        significant: Layers that principal components chose.
    """
    full = design_of(network, FULL)
    full_bytes, full_counted = packed_bytes(full), count(full).model_bytes
    rows: dict[str, dict[str, Any]] = {}
    for variant in variants:
        own = [run for run in runs if run["network"] == network and run["variant"] == variant]
        if not own:
            continue
        design = design_of(network, variant, significant)
        accuracies = [run["test_accuracy"] for run in own]
        size, counted = packed_bytes(design), count(design).model_bytes
        rows[variant] = {
            "accuracy": mean(accuracies),
            "accuracy_sd": stdev(accuracies) if len(accuracies) > 1 else None,
            "validation_accuracy": mean(run["validation_accuracy"] for run in own),
            "seeds": sorted(run["seed"] for run in own),
            "packed_bytes": size,
            "counted_bytes": counted,
            "memory_compression": full_bytes / size,
            "memory_compression_counted": full_counted / counted,
            "energy_ratio": energy_pj(full, elementwise=True) / energy_pj(design, elementwise=True),
            "energy_ratio_macs_alone": energy_pj(full, elementwise=False) / energy_pj(design, elementwise=False),
            "training_seconds": mean(run["seconds"] for run in own),
        }
    _add_gap(rows)
    return rows


def _add_gap(rows: dict[str, dict[str, Any]]) -> None:
    """Which part of the accuracy that the binary network lacks a variant recovers."""
    if FULL not in rows or "binary" not in rows:
        return
    low, high = rows["binary"]["accuracy"], rows[FULL]["accuracy"]
    for row in rows.values():
        row["gap_recovered"] = (row["accuracy"] - low) / (high - low) if high != low else None


def tell(network: str, rows: dict[str, dict[str, Any]]) -> None:
    """A table for people."""
    say(f"{network:16} accuracy        kB   smaller  energy  gap recovered")
    for variant, row in rows.items():
        spread = f" ± {row['accuracy_sd']:.4f}" if row["accuracy_sd"] is not None else ""
        gap = row.get("gap_recovered")
        say(
            f"{variant:16} {row['accuracy']:.4f}{spread:9} {row['packed_bytes'] / 1000:7.1f} "
            f"{row['memory_compression']:7.2f}x {row['energy_ratio']:6.2f}x" + ("" if gap is None else f" {gap:8.2f}")
        )
