"""Pruning a model that a file holds: the way from the file to a smaller one and what there is to say of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from design.design import Design
from design.encoding import FloatArray, encode_designs
from design.errors import BespokeError
from design.task import find_task
from networks.adoption.adopt import adopt
from networks.adoption.onnx_source import OnnxSource
from networks.errors import OutOfReach
from networks.export.exported import Exported
from networks.export.onnx_model import export_onnx
from networks.export.renamed import renamed
from networks.export.trained import load_trained
from networks.network import Network
from networks.pruning.budget import AMOUNTS, Amount
from networks.pruning.compensation import channel_means
from networks.pruning.decision import Decision, Method, decide, families_of
from networks.pruning.kept_whole import kept_whole
from networks.pruning.sample_size import delta_of
from networks.pruning.scores import L1Norm, Sensitivity
from networks.pruning.surgery import cut
from networks.runtime.verify import verify
from predictors.costs import costs_of
from predictors.descriptor import Descriptor
from predictors.predictor import Estimates
from service.documents import load_design, read_model, sides_of
from service.pruning.pictures import BATCH, Samples
from service.units import significant

FIGURES = {
    "latency_ms": ("predicted latency", " ms"),
    "energy_mj": ("predicted energy", " mJ"),
    "macs": ("multiply-accumulates", ""),
    "parameters": ("parameters", ""),
    "bytes": ("weights", " bytes"),
}
"""Figure of a limit -> what it is called, unit."""
CHECKED = 4
"""Pictures that the file is compared with the network on, where none are given."""


class InvalidPruning(BespokeError):
    """A request to prune that cannot be met as it stands."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network to prune.

    Attributes:
        file_bytes: Size of the file that it came from.
        input_name: Of the file it came from; empty where it has none.
        output_name: As `input_name`.
        metadata: Text that travels with the file.
    """

    name: str
    network: Network
    design: Design
    file_bytes: int
    notes: tuple[str, ...] = ()
    input_name: str = ""
    output_name: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What must be kept.

    Attributes:
        figure: One of AMOUNTS, `latency_ms` or `energy_mj`.
        target: In its unit.
        risk: Chance of breaking it that is accepted, of a predicted figure.
    """

    figure: str
    target: float
    risk: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Pruned:
    """A smaller model.

    Attributes:
        left_whole: Layers of which no filter can be removed -> why.
        multiple: What numbers of filters are multiples of.
        multiple_asked: What they should have been multiples of; larger where the limit cannot be kept so.
        pictures_delta: What the number of pictures stands for (`networks.pruning.sample_size`); None without pictures.
    """

    network: Network
    design: Design
    exported: Exported
    decision: Decision
    left_whole: Mapping[str, str]
    score: str
    multiple: int
    multiple_asked: int
    pictures_delta: float | None


def load_model(address: str, weights: Path | None, input_shape: str | None, task: str) -> Model:
    """The network of an ONNX file, or of a design with trained weights.

    Args:
        address: File or name.
        weights: Trained weights (.safetensors) of a design.
        input_shape: One picture as CxHxW, where an ONNX model leaves its sides open.
        task: Of a named network.

    Raises:
        BespokeError: Not there, damaged, or with layers that cannot be rebuilt or that share weights.
    """
    if not address.lower().endswith(".onnx"):
        if weights is None:
            raise InvalidPruning(
                "a design must come with its trained weights", repr(address), "Give them: --weights FILE.safetensors."
            )
        design = load_design(address, find_task(task))
        network, note = load_trained(weights, design)
        size, own = weights.stat().st_size, {"task": note.task}
        return Model(name=Path(address).stem, network=network, design=design, file_bytes=size, metadata=own)
    if weights is not None:
        raise InvalidPruning("an ONNX model has its weights in the file", f"--weights {weights}", "Leave it out.")
    path = Path(address)
    content = read_model(path)
    source = OnnxSource(content, path.stem, None if input_shape is None else sides_of(input_shape))
    found = adopt(source)
    if found.shared:
        raise InvalidPruning(
            "every layer of a model to prune must have weights of its own",
            "; ".join(f"the same ones in {', '.join(map(repr, names[:8]))}" for names in found.shared[:8]),
            "A smaller file would hold them once for each layer: store a copy for each, or prune the part of the model "
            "around them.",
        )
    return Model(
        name=path.stem,
        network=found.network,
        design=found.design,
        file_bytes=len(content),
        notes=found.notes,
        input_name=source.graph.input_name,
        output_name=source.graph.outputs[0],
        metadata=source.metadata,
    )


def amount_of(limit: Limit, device: Descriptor | None, energy_model: str) -> Amount:
    """What a limit is compared with: a count, or a predicted figure at the quantile of its risk.

    Raises:
        InvalidPruning: A predicted figure without a device.
    """
    if limit.figure in AMOUNTS:
        return AMOUNTS[limit.figure]
    if device is None:
        raise InvalidPruning(f"a limit on {limit.figure} must come with a device", "none", "Name one: --device ID.")
    return _predicted(limit, device, energy_model)


def _predicted(limit: Limit, device: Descriptor, energy_model: str) -> Amount:
    def amount(designs: Sequence[Design]) -> FloatArray:
        found = estimates(designs, device, energy_model)[limit.figure]
        return found.limit_quantile(1 - limit.risk)

    return amount


def estimates(designs: Sequence[Design], device: Descriptor, energy_model: str) -> dict[str, Estimates]:
    """Predicted latency and energy of a call."""
    costs = costs_of(encode_designs(designs), device, energy_model)
    return {"latency_ms": costs.latency_ms, "energy_mj": costs.energy_mj(costs.latency_ms)}


def prune(model: Model, limit: Limit, amount: Amount, samples: Samples | None, multiple: int = 1) -> Pruned:
    """Choose filters, cut, export and compare the file with the network.

    With pictures: by sensitivity, with what each layer loses at most; removed channels go on as their mean. Without: by
    the sum of absolute weights, the same share of every layer.

    Args:
        model: What is pruned; not changed.
        limit: What must be kept.
        amount: Of the limit.
        samples: Pictures; None without.
        multiple: Numbers of filters are multiples of it where the limit can be kept so, else of its half, and so on.

    Raises:
        InvalidPruning: The limit cannot be reached.
        InvalidSelection: No filter of the model can be removed.
        UnsupportedLayer, ExportDisagrees: See `export_onnx` and `verify`.
    """
    network, design = model.network, model.design
    method = Method(score=L1Norm())
    if samples is not None:
        method = Method(score=Sensitivity(batches=samples.batches))
    found = families_of(network)
    scores = method.score(network, found)
    asked = multiple
    while True:
        own = replace(method, multiple=multiple)
        try:
            decision = decide(network, design, own, amount, limit.target, found=found, scores=scores)
            break
        except OutOfReach as error:
            if multiple == 1:
                raise _out_of_reach(limit, error) from error
            multiple //= 2
    means = None if samples is None else channel_means(network, samples.batches())
    small, smaller = cut(network, design, decision.selection, means=means)
    exported = export_onnx(small, metadata=model.metadata)
    checked = torch.randn(CHECKED, *design.architecture.input_shape, generator=torch.Generator().manual_seed(0))
    verify(exported, small, [checked if samples is None else samples.images[:BATCH]])
    if model.input_name:
        exported = renamed(exported, input_name=model.input_name, output_name=model.output_name)
    return Pruned(
        network=small,
        design=smaller,
        exported=exported,
        decision=decision,
        left_whole=kept_whole(network.architecture, found),
        score="l1" if samples is None else "sensitivity",
        multiple=multiple,
        multiple_asked=asked,
        pictures_delta=None if samples is None else delta_of(found, len(samples.images)),
    )


def _out_of_reach(limit: Limit, error: OutOfReach) -> InvalidPruning:
    name, unit = FIGURES[limit.figure]
    risk = f" at risk {limit.risk:g}" if limit.figure not in AMOUNTS else ""
    target, least = (
        f"{value:,.0f}{unit}" if limit.figure in AMOUNTS else f"{significant(value)}{unit}"
        for value in (error.target, error.least)
    )
    must = f"pruning must be able to bring {name}{risk} to {target}"
    return InvalidPruning(must, f"{least} with {error.left}", error.way_out)
