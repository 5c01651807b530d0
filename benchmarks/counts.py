"""Counts and energy ratios of the networks of the hybrid-network papers, against published and derived figures.

Reference: VGG-19 with full-precision 1x1 shortcuts, 21.8x (arXiv 1902.00460), and a table of binary and hybrid
ResNets and VGGs (arXiv 1906.01493; figures derived from the architectures). Counted as there: weights alone (no batch
norms, scales, biases), one read of inputs and weights per layer, element-wise work free, classifier for 100 classes
(ResNet-18: 1,000), first convolution and classifier at 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.report import Arguments, main, say
from design.counts import CountOptions, macs, model_bytes
from design.design import Design
from design.encoding import Column, EncodedDesigns, encode_designs
from design.layer import Layer
from design.policies import full_precision, hybrid_full_precision_shortcuts, policy_by_role
from design.precision import BINARY, FULL, Bits, Precision, precision
from design.spaces.resnet import ResNetSpace
from design.spaces.vgg import VggSpace
from design.task import find_task
from predictors.energy import energy_pj_per_row, find_energy_model

WEIGHTS_ALONE = CountOptions(batch_norm_floats=0, scales=False, biases=False, activation_steps=False)
WITH_STATISTICS = CountOptions(batch_norm_floats=4, scales=False, biases=False, activation_steps=False)
ENERGY_MODELS = {
    "energy_ratio_h32": "horowitz",
    "energy_ratio_h16": "horowitz_acc16",
    "energy_ratio_rec": "bit_dependent",
}
CLAIMED_COMPRESSION = 21.8
FIGURES = ("params", "mmac", "memory_compression", *ENERGY_MODELS)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the reference table.

    Attributes:
        network: Name of the full-precision network in `_networks`.
        convolutions: Their numbers (the first is 1) that have `bits`; the 1x1 shortcut of a stage goes with the
            stage's first convolution. The rest is binary.
        full_shortcuts: 1x1 shortcuts at 32 bits.
        shares: MACs in binary layers, in layers of `bits`, in layers of 32 bits.
        figures: Reference values in the order of FIGURES.
    """

    network: str
    convolutions: tuple[int, ...] = ()
    bits: Bits = 1
    full_shortcuts: bool = False
    shares: tuple[float, float, float]
    figures: tuple[float, ...]


def _case(
    network: str,
    totals: tuple[float, float],
    shares: tuple[float, float, float],
    ratios: tuple[float, float, float, float],
    convolutions: tuple[int, ...] = (),
    bits: Bits = 1,
    full_shortcuts: bool = False,
) -> Case:
    return Case(
        network=network,
        convolutions=convolutions,
        bits=bits,
        full_shortcuts=full_shortcuts,
        shares=shares,
        figures=(*totals, *ratios),
    )


_R20, _R32, _V15, _R18 = (276_656, 40.8), (470_192, 69.1), (15_337_152, 313.8), (11_678_912, 1814.0)
_PCA_20, _PCA_32, _PCA_15 = (8, 9, 14, 15), (12, 13, 22, 23, 24), (3, 5, 8, 11, 12)
_LAST_32, _LATE_18 = tuple(range(22, 32)), tuple(range(10, 18))
CASES: dict[str, Case] = {
    "resnet20_binary": _case("resnet20", _R20, (0.989, 0, 0.011), (18.1, 30.2, 44.1, 14.9)),
    "resnet20_pca_k2": _case("resnet20", _R20, (0.809, 0.180, 0.011), (15.8, 29.5, 42.7, 13.7), _PCA_20, 2),
    "resnet20_pca_k4": _case("resnet20", _R20, (0.809, 0.180, 0.011), (12.6, 28.0, 39.6, 11.7), _PCA_20, 4),
    "resnet20_fp_shortcuts": _case("resnet20", _R20, (0.983, 0, 0.017), (15.6, 24.6, 33.1, 11.9), full_shortcuts=True),
    "resnet32_binary": _case("resnet32", _R32, (0.994, 0, 0.006), (22.1, 34.9, 55.2, 16.1)),
    "resnet32_pca_k2": _case("resnet32", _R32, (0.853, 0.140, 0.006), (19.0, 34.2, 53.5, 14.9), _PCA_32, 2),
    "resnet32_pca_k4": _case("resnet32", _R32, (0.853, 0.140, 0.006), (14.9, 32.6, 49.6, 13.0), _PCA_32, 4),
    "resnet32_last_stage_k2": _case("resnet32", _R32, (0.667, 0.326, 0.006), (14.6, 33.4, 51.5, 13.6), _LAST_32, 2),
    "resnet32_fp_shortcuts": _case("resnet32", _R32, (0.990, 0, 0.010), (19.8, 30.2, 44.3, 13.8), full_shortcuts=True),
    "vgg15_binary": _case("vgg15", _V15, (0.994, 0, 0.006), (26.4, 34.8, 52.6, 19.6)),
    "vgg15_pca_k2": _case("vgg15", _V15, (0.754, 0.241, 0.006), (19.8, 32.7, 47.9, 16.3), _PCA_15, 2),
    "vgg15_pca_k4": _case("vgg15", _V15, (0.754, 0.241, 0.006), (13.1, 28.7, 39.8, 12.2), _PCA_15, 4),
    "resnet18_binary": _case("resnet18", _R18, (0.935, 0, 0.065), (13.4, 11.7, 13.2, 8.6)),
    "resnet18_fp_shortcuts": _case("resnet18", _R18, (0.924, 0, 0.076), (11.3, 10.4, 11.5, 7.7), full_shortcuts=True),
    "resnet18_late_stages_k2": _case("resnet18", _R18, (0.482, 0.453, 0.065), (9.8, 11.4, 12.9, 7.6), _LATE_18, 2),
    "resnet18_late_stages_k4": _case("resnet18", _R18, (0.482, 0.453, 0.065), (6.3, 10.9, 12.2, 6.2), _LATE_18, 4),
}


def _member(space: ResNetSpace | VggSpace, task_name: str, choices: Mapping[str, Any]) -> Design:
    """A member of a space at 32 bits with all filters."""
    task = find_task(task_name)
    values = [gene.choices.index(choices[gene.name]) if gene.name in choices else 0 for gene in space.genes(task)]
    return space.decode(task, values)


def _networks() -> dict[str, Callable[[], Design]]:
    resnet, vgg = ResNetSpace(), VggSpace()
    return {
        "resnet20": lambda: _member(resnet, "cifar100", {"depth": 20, "width": 1}),
        "resnet32": lambda: _member(resnet, "cifar100", {"depth": 32, "width": 1}),
        "resnet18": lambda: _member(resnet, "imagenet", {"depth": 18, "width": 1}),
        "vgg15": lambda: _member(vgg, "cifar100", {"depth": "16", "hidden": 1024}),
        "vgg19": lambda: _member(vgg, "cifar100", {"depth": "19", "hidden": 1024}),
        "vgg19_shortcuts": lambda: _member(vgg, "cifar100", {"depth": "19", "hidden": 1024, "shortcut": "projection"}),
    }


def _hybrid(full: Design, case: Case) -> Design:
    """The network at the precisions of the case."""
    convolutions = [layer for layer in full.architecture.weighted if layer.kernel_height > 1]
    own = precision(case.bits)
    chosen = {convolutions[number - 1].name for number in case.convolutions}
    overrides: dict[str, Precision] = dict.fromkeys(chosen, own)
    for shortcut in full.architecture.shortcuts:
        if _first_of_stage(full, shortcut).name in chosen:
            overrides[shortcut.name] = own
    policy = policy_by_role(
        full.architecture,
        body=BINARY,
        shortcut=FULL if case.full_shortcuts else None,
        overrides=overrides,
    )
    return Design(architecture=full.architecture, policy=policy)


def _first_of_stage(design: Design, shortcut: Layer) -> Layer:
    """The convolution that reads what the shortcut reads."""
    return next(
        layer for layer in design.architecture.weighted if layer.inputs == shortcut.inputs and layer.kernel_height > 1
    )


def _shares(designs: EncodedDesigns, bits: Bits) -> tuple[float, float, float]:
    """Shares of the first design's MACs at 1 bit, at `bits` and at 32 bits."""
    rows = designs.rows
    parts = [designs.total(rows[:, Column.MACS] * (rows[:, Column.WEIGHT_BITS] == own))[0] for own in (1, bits, 32)]
    one, some, all_bits = (float(part / macs(designs)[0]) for part in parts)
    return (one, some if bits > 1 else 0.0, all_bits)


def _figures(full: Design, hybrid: Design) -> tuple[float, ...]:
    """Values in the order of FIGURES."""
    pair = encode_designs([full, hybrid])
    size = model_bytes(pair, WEIGHTS_ALONE)
    ratios = []
    for name in ENERGY_MODELS.values():
        per_row = energy_pj_per_row(pair.rows, find_energy_model(name), charge_elementwise=False)
        energy = pair.total(per_row)
        ratios.append(float(energy[0] / energy[1]))
    weights = float(pair.total(pair.column(Column.WEIGHTS))[1])
    return (weights, float(macs(pair)[1] / 1e6), float(size[0] / size[1]), *ratios)


def vgg19_memory_compression() -> float:
    """Compression of VGG-19 with full-precision 1x1 shortcuts.

    The reference has no shortcuts; four floats per normalised channel count on both sides, scales do not.
    """
    networks = _networks()
    full, bypassed = networks["vgg19"](), networks["vgg19_shortcuts"]()
    hybrid = Design(architecture=bypassed.architecture, policy=hybrid_full_precision_shortcuts(bypassed.architecture))
    reference = Design(architecture=full.architecture, policy=full_precision(full.architecture))
    size = model_bytes(encode_designs([reference, hybrid]), WITH_STATISTICS)
    return float(size[0] / size[1])


def measure(arguments: Arguments | None = None) -> dict[str, Any]:
    """All figures with references and errors; everything is exact, so nothing depends on the arguments."""
    del arguments
    built = {name: build() for name, build in _networks().items()}
    rows: dict[str, Any] = {}
    for name, case in CASES.items():
        full = built[case.network]
        hybrid = _hybrid(full, case)
        found = _figures(full, hybrid)
        row: dict[str, Any] = {
            figure: {"value": value, "reference": reference, "relative_error": abs(value / reference - 1)}
            for figure, value, reference in zip(FIGURES, found, case.figures, strict=True)
        }
        shares = _shares(encode_designs([hybrid]), case.bits)
        row["mac_shares"] = {
            kind: {"value": value, "reference": reference, "absolute_error": abs(value - reference)}
            for kind, value, reference in zip(("binary", "k_bit", "full"), shares, case.shares, strict=True)
        }
        rows[name] = row
        say(f"{name:26}" + " ".join(f"{v:.5g} ({r:g})" for v, r in zip(found, case.figures, strict=True)))
    compression = vgg19_memory_compression()
    say(f"{'vgg19_fp_shortcuts':26}{compression:.2f} ({CLAIMED_COMPRESSION})")
    errors = [row[figure]["relative_error"] for row in rows.values() for figure in FIGURES]
    shares_off = [one["absolute_error"] for row in rows.values() for one in row["mac_shares"].values()]
    return {
        "benchmark": "counts",
        "energy_models": ENERGY_MODELS,
        "charge_elementwise": False,
        "count_bn": False,
        "vgg19_fp_shortcuts": {
            "memory_compression": compression,
            "reference": CLAIMED_COMPRESSION,
            "relative_error": abs(compression / CLAIMED_COMPRESSION - 1),
        },
        "rows": rows,
        "max_relative_error": float(np.max(errors)),
        "max_share_error": float(np.max(shares_off)),
    }


if __name__ == "__main__":
    main("Counts and energy ratios of hybrid networks against the literature.", measure)
