"""adopt: a user's model as a network with its weights, or the first layer that keeps it from being one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from design.design import Design
from design.errors import BespokeError
from design.policies import full_precision
from networks.adoption.fill import check_layers, fill_
from networks.adoption.source import Array, Constants, Source
from networks.build import build
from networks.errors import NotAdopted
from networks.network import Network
from networks.options import BuildOptions
from networks.tracing.trace import Traced, trace

TOLERANCE = 1e-4
PICTURES = 2
OPTIONS = BuildOptions(shortcut_every_convolution=False)
"""A user's model runs as it was written."""


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """A user's model, rebuilt.

    Attributes:
        network: With its weights, at 32 bits, in evaluation mode.
        design: Of the network.
        notes: What reading it had to say.
        shared: Layers that read the same weights in the user's model; in the network each has its own.
        error: Largest difference of an output from the user's model, relative to the largest output.
    """

    network: Network
    design: Design
    notes: tuple[str, ...]
    shared: tuple[tuple[str, ...], ...]
    error: float


def adopt(source: Source, *, seconds: float = 120.0, tolerance: float = TOLERANCE) -> Adopted:
    """Rebuild a model and compare what both compute.

    Args:
        source: Where it comes from.
        seconds: Time after which reading is given up.
        tolerance: Largest difference of a layer's output, relative to its largest value.

    Raises:
        UnsupportedModel: Operators that have no place in the vocabulary.
        NotAdopted: A layer that cannot be rebuilt with its weights, or computes something else when it is: it is named.
    """
    traced = trace(source.graph, seconds=seconds)
    architecture = traced.architecture
    if len(source.graph.outputs) != 1:
        raise NotAdopted("a model must have one output to be rebuilt", f"{len(source.graph.outputs)}")
    check_layers(architecture.layers, traced.origins)
    design = Design(architecture=architecture, policy=full_precision(architecture))
    try:
        network = build(design, options=OPTIONS).eval()
    except BespokeError as error:
        raise NotAdopted(error.must, error.got, error.way_out) from error
    constants = Constants(source)
    readers: dict[str, list[str]] = {}
    for unit in network.units():
        name = unit.step.layer.name
        readers.setdefault(fill_(unit, traced.origins.get(name, ()), constants), []).append(name)
    worst = _compared(source, traced, network, tolerance)
    shared = tuple(tuple(names) for stored, names in readers.items() if stored and len(names) > 1)
    return Adopted(network=network, design=design, notes=traced.notes, shared=shared, error=worst)


def _compared(source: Source, traced: Traced, network: Network, tolerance: float) -> float:
    """The error of the output; a layer beyond the tolerance is refused (views that no tensor holds aside)."""
    shape = source.graph.input_shape[1:]
    images = np.random.default_rng(0).normal(size=(PICTURES, *shape)).astype(np.float32)
    names = {layer.name: traced.tensors.get(layer.name, "") for layer in traced.architecture.layers}
    names = {layer: name for layer, name in names.items() if name}
    names[traced.architecture.layers[-1].name] = source.graph.outputs[0]
    wanted = source.tensors(images, list(names.values()))
    if source.graph.outputs[0] not in wanted:
        raise NotAdopted("the output of a model must be what its last operator computes", "a part of what it computes")
    found = layer_outputs(network, torch.from_numpy(images).reshape(PICTURES, *traced.architecture.input_shape))
    error = 0.0
    for layer in traced.architecture.layers:
        if names.get(layer.name) not in wanted:
            continue
        own, user = found[layer.name].numpy().reshape(PICTURES, -1), wanted[names[layer.name]].reshape(PICTURES, -1)
        error = difference(own, user)
        if error > tolerance:
            raise NotAdopted(
                f"layer {layer.name!r} ({layer.op.value}), rebuilt, must compute what the model computes, within "
                f"{tolerance:g}",
                f"a relative difference of {error:.3g}",
                "Its padding, resizing or activation is one that cannot be rebuilt here; docs/tracing.md has those "
                "that can.",
                layer=layer.name,
            )
    return error


def difference(found: Array, wanted: Array) -> float:
    """Largest difference relative to the largest value; infinite where shapes differ or values are no numbers."""
    if found.shape != wanted.shape:
        return float("inf")
    scale = max(float(np.abs(wanted).max()), float(np.finfo(np.float32).tiny))
    return float(np.nan_to_num(np.abs(found - wanted).max() / scale, nan=np.inf))


def layer_outputs(network: Network, images: Tensor) -> Mapping[str, Tensor]:
    """What every layer computes."""
    found: dict[str, Tensor] = {}
    handles = [
        unit.register_forward_hook(lambda own, _inputs, output: found.__setitem__(own.step.layer.name, output))
        for unit in network.units()
    ]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    return found
