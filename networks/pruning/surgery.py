"""cut: a smaller dense network from a network and the filters that remain. The main path of removing filters.

The small network is built from the smaller design, then filled: every tensor with a channel on an axis is indexed there
(weights on the filters and, where a filter reads all channels, on what it reads; biases, norms with their statistics,
learned steps per filter, shifts per channel). Pads are told where each of their channels now stands. What it computes
is what the network computes when the channels removed are zero wherever they are read, with these exceptions: scales
that follow from the weights of a filter (8 bits, fixed levels) are taken anew from those that remain, as `quantize_`
would, while binary filters keep their scale.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from design.design import Design
from design.pruning import PruningPlan
from networks.build import unfilled
from networks.errors import InvalidSelection
from networks.layers import Attention, Quantized
from networks.network import Network, Unit
from networks.operations import Sum
from networks.order import Step
from networks.pad import Pad
from networks.pruning.compensation import Means, compensate_
from networks.pruning.selection import Indexes, KeptChannels, Selection, kept_channels
from networks.pruning.ties import tied_groups
from networks.quantizers.binary import BinaryWeights, filter_scale
from networks.quantizers.quantizer import per_filter


def cut(
    network: Network, design: Design, selection: Selection, *, means: Means | None = None
) -> tuple[Network, Design]:
    """Remove filters.

    Args:
        network: Of the design, pruned before or not; not changed.
        design: The one it was built from.
        selection: Filters that remain, in the numbering of the network as it is.
        means: From `networks.pruning.compensation.channel_means`: what the removed channels carry on average goes on as
            a constant. None: they count as zero.

    Returns:
        The smaller network, in the same mode and place, and the design with the plan: counts, prices, `build` and
        files of the design are those of the network.

    Raises:
        InvalidSelection: A selection that does not fit, a network of another design or without latent weights, or
            numbers of filters for which a binary block would be built in another form.
    """
    if network.architecture.layers != design.pruned.layers or network.policy != design.policy:
        raise InvalidSelection("a network must be cut with the design it was built from", repr(design.digest[:12]))
    kept = kept_channels(network.architecture, selection, tied_groups(network))
    smaller = _planned(design, selection)
    small = unfilled(smaller, network.options)
    _check_form(network, small)
    with torch.no_grad():
        for unit in network.units():
            _fill(unit, small.unit(unit.step.layer.name), kept)
        if means is not None:
            compensate_(network, small, kept, means)
    device = next((one.device for one in network.parameters()), torch.device("cpu"))
    small.to(device).train(network.training)
    return small, smaller


def _planned(design: Design, selection: Selection) -> Design:
    """The design with what is left, in numbers."""
    kept = {**design.plan.kept, **selection.plan().kept}
    return Design(architecture=design.architecture, policy=design.policy, plan=PruningPlan(kept=kept))


def _check_form(network: Network, small: Network) -> None:
    """Both must run the same steps: that of a binary block depends on numbers of channels."""
    for unit in network.units():
        name = unit.step.layer.name
        if _form(unit.step) != _form(small.unit(name).step):
            raise InvalidSelection(
                f"the binary block of {name!r} must keep the form it was built in",
                "numbers of filters for which its shortcuts would run otherwise",
                "Keep as many of its inner filters as of its residual stream only where it has had as many before.",
            )


def _form(step: Step) -> tuple[object, ...]:
    norms = (bool(step.input_norm), bool(step.norm), step.norm_of, step.norm_last)
    return (step.inputs, step.beside, *norms, step.activation, step.unsigned, step.summed)


def _fill(old: Unit, new: Unit, kept: KeptChannels) -> None:
    """Copy what remains of one unit."""
    step = old.step
    name, read = step.layer.name, kept.of(step.inputs[0])
    wrote = kept.of(name)
    if isinstance(old.operation, Quantized):
        assert isinstance(new.operation, Quantized)
        _fill_weighted(old.operation, new.operation, None if step.layer.depthwise else read, wrote, name)
    elif isinstance(old.operation, Attention):
        new.operation.load_state_dict(old.operation.state_dict())
    elif isinstance(old.operation, Pad):
        assert isinstance(new.operation, Pad)
        new.operation.set_sources(sources_left(old.operation.channel_sources, read, wrote))
    for part, like, channels in (
        (old.input_norm, new.input_norm, read),
        (old.norm, new.norm, wrote),
        (old.operation if isinstance(old.operation, Sum) else None, new.operation, wrote),
        (old.sum, new.sum, wrote),
    ):
        if part is not None:
            assert like is not None
            _fill_state(part, like, channels)


def sources_left(sources: tuple[int, ...], read: Indexes, wrote: Indexes) -> list[int]:
    """Where the channels of a pad come from when some are removed on both sides.

    Args:
        sources: Channel read at each channel of the output, -1 for zeros.
        read: Channels kept of what it reads.
        wrote: Channels kept of its output.
    """
    place = {channel: new for new, channel in enumerate(read.tolist())}
    return [place.get(sources[channel], -1) for channel in wrote.tolist()]


def _fill_weighted(old: Quantized, new: Quantized, read: Indexes | None, wrote: Indexes, name: str) -> None:
    """Copy the filters `wrote`, of each what reads the channels `read` (None: depthwise filters, whole)."""
    if type(old.weight_quantizer) is not type(new.weight_quantizer):
        raise InvalidSelection(
            "a network that is cut must hold latent weights",
            f"weights of {name!r} as they are stored for inference",
            "Cut the network before it is packed, or load its trained weights.",
        )
    whole = old.filters_first(old.weight)
    weight = whole[_on(wrote, whole)]
    if read is not None:
        own = inputs_left(read, wrote, whole.shape[1], old.input_channels // whole.shape[1], len(whole))
        left = weight[torch.arange(len(weight), device=weight.device)[:, None], _on(own, weight)]
        if isinstance(old.weight_quantizer, BinaryWeights) and left.shape != weight.shape:
            left = left * per_filter(filter_scale(weight) / filter_scale(left).clamp(min=1e-12), left)
        weight = left
    new.weight.copy_(new.as_stored(weight))
    if isinstance(old.bias, Tensor):
        assert isinstance(new.bias, Tensor)
        new.bias.copy_(old.bias[_on(wrote, old.bias)])
    every = np.arange(old.input_channels) if read is None else read
    for part, like, channels in (
        (old.weight_quantizer, new.weight_quantizer, wrote),
        (old.activation_quantizer, new.activation_quantizer, wrote if _depthwise(old) else every),
    ):
        if part is not None and like is not None:
            _fill_state(part, like, channels)


def inputs_left(read: Indexes, wrote: Indexes, held: int, groups: int, filters: int) -> Indexes:
    """Of each filter that is left, the inputs that are left, by their place in what its group reads.

    Args:
        read: Channels kept of what a layer reads, as many of each group.
        wrote: Filters kept.
        held: Channels that a filter reads before any is removed.
        groups: Of the layer; 1 where every filter reads all channels.
        filters: Before any was removed.

    Returns:
        Filters kept x inputs kept of each.
    """
    return (read % held).reshape(groups, -1)[wrote * groups // filters]


def _depthwise(part: Quantized) -> bool:
    return isinstance(part, nn.Conv2d) and part.groups > 1 and part.groups == part.in_channels == part.out_channels


def _fill_state(old: nn.Module, new: nn.Module, channels: Indexes) -> None:
    """Copy parameters and statistics, indexed where they are per channel."""
    target = new.state_dict(keep_vars=True)
    for name, value in old.state_dict().items():
        own = target[name]
        own.copy_(value if value.shape == own.shape else value[_on(channels, value)])
    for part, like in zip(old.modules(), new.modules(), strict=True):
        if isinstance(part, nn.BatchNorm2d) and isinstance(like, nn.BatchNorm2d):
            like.eps, like.momentum = part.eps, part.momentum


def _on(channels: Indexes, like: Tensor) -> Tensor:
    return torch.from_numpy(channels).to(like.device)
