"""Which filters must be kept or removed together, and the network that is left when some are removed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from design.architecture import INPUT
from design.errors import InvalidDesign
from design.layer import Layer, Op

Segments = tuple[tuple[int, int], ...]
"""Channels of a tensor as ((group, copies), ...): `copies` neighbouring channels for each channel of the group."""
MOST_PIECES = 4096
"""Concatenations of concatenations double their pieces each time: this bounds memory on untrusted designs."""


@dataclass(frozen=True, kw_only=True)
class ChannelGroups:
    """The channel groups of a network.

    Attributes:
        tensors: Layer name (or `input`) -> segments of its output channels.
        width: Group -> channels in it.
        owners: Group -> the layers whose filters produce it (depthwise convolutions follow, they own nothing).
        fixed: Groups that cannot be pruned: the picture, the classes, what attention reads and the like.
        blocks: Group that grouped convolutions read or write -> equal blocks of neighbouring channels, of which each
            must keep as many channels as the others; 1 where it is not named.
        least: Group that grouped convolutions read -> channels that must stay at least: with fewer than two channels
            for each filter they would be depthwise.
    """

    tensors: Mapping[str, Segments]
    width: Mapping[int, int]
    owners: Mapping[int, tuple[str, ...]]
    fixed: frozenset[int]
    blocks: Mapping[int, int] = field(default_factory=dict)
    least: Mapping[int, int] = field(default_factory=dict)

    def group_of(self, layer: str) -> int | None:
        """The one group that a layer's filters belong to; None where channels are put together from several."""
        segments = self.tensors[layer]
        return segments[0][0] if len(segments) == 1 and segments[0][1] == 1 else None

    def blocks_of(self, group: int) -> int:
        """Blocks of neighbouring channels of a group that must keep equally many."""
        return self.blocks.get(group, 1)

    def least_of(self, group: int) -> int:
        """Channels of a group that must stay, in whole blocks: one of each at least."""
        blocks = self.blocks_of(group)
        return blocks * math.ceil(max(blocks, self.least.get(group, 1)) / blocks)


class _Union:
    """Disjoint sets of channel groups; the smaller number represents a set."""

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.width: list[int] = []
        self.fixed: set[int] = set()
        self.blocks: list[tuple[int, int]] = []
        self.least: list[tuple[int, int]] = []

    def new(self, width: int) -> int:
        self.parent.append(len(self.parent))
        self.width.append(width)
        return len(self.parent) - 1

    def find(self, group: int) -> int:
        while self.parent[group] != group:
            group = self.parent[group]
        return group

    def join(self, left: Segments, right: Segments) -> None:
        if [(self.width[g], n) for g, n in left] != [(self.width[g], n) for g, n in right]:
            self.fixed.update(g for g, _ in (*left, *right))  # cannot be matched one to one
            return
        for (a, _), (b, _) in zip(left, right, strict=True):
            low, high = sorted((self.find(a), self.find(b)))
            self.parent[high] = low

    def divide(self, segments: Segments, layer: Layer) -> None:
        """What a grouped convolution reads: as many channels of each of its blocks."""
        blocks = blocks_read([(self.width[g], n) for g, n in segments], layer.groups)
        if blocks is None:
            self.fixed.update(g for g, _ in segments)
            return
        for group, copies in segments:
            self.join(segments[:1], ((group, copies),))
            self.blocks.append((group, blocks))
            self.least.append((group, blocks * math.ceil(2 / copies)))

    def told(self, numbers: Sequence[tuple[int, int]]) -> Iterator[tuple[int, list[int]]]:
        """Group and all numbers that are told of it."""
        found: dict[int, list[int]] = {}
        for group, number in numbers:
            found.setdefault(self.find(group), []).append(number)
        yield from found.items()


def blocks_read(segments: Sequence[tuple[int, int]], groups: int) -> int | None:
    """Blocks of each segment so that a grouped convolution reads whole blocks.

    Several segments (a concatenation) must be alike: then their channels are kept together and every block of the
    convolution loses as many as the others.

    Args:
        segments: (channels, copies) of what it reads.
        groups: Of the convolution.

    Returns:
        None where blocks of the convolution do not begin where segments or channels do, or segments are not alike.
    """
    width, copies = segments[0]
    if any(one != (width, copies) for one in segments) or groups % len(segments):
        return None
    blocks = groups // len(segments)
    return None if width % blocks else blocks


def channel_groups(layers: Sequence[Layer], input_channels: int, *, output_fixed: bool = True) -> ChannelGroups:
    """Follow channels through a network.

    Args:
        layers: In execution order.
        input_channels: Channels of what the first layer reads.
        output_fixed: The last layer's channels mean something to the caller (classes) and cannot be pruned.
    """
    union = _Union()
    tensors: dict[str, Segments] = {INPUT: ((union.new(input_channels), 1),)}
    union.fixed.add(0)
    owners: list[tuple[int, str]] = []
    for layer in layers:
        read = [tensors[name] for name in layer.inputs]
        op = layer.op
        if (layer.depthwise and layer.out_channels == layer.in_channels) or (op is Op.PAD and _pads_positions(layer)):
            tensors[layer.name] = read[0]
        elif layer.weighted or op in (Op.PAD, Op.OTHER, Op.MATMUL) or (op is Op.FLATTEN and _mixes(layer)):
            group = union.new(layer.out_channels)
            tensors[layer.name] = ((group, 1),)
            if layer.weighted:
                owners.append((group, layer.name))
            if layer.grouped:
                union.divide(read[0], layer)
                union.blocks.append((group, layer.groups))
            elif layer.groups > 1 or op in (Op.ATTENTION, Op.OTHER, Op.MATMUL, Op.FLATTEN):
                union.fixed.update(g for segments in read for g, _ in segments)
                union.fixed.add(group)
        elif op is Op.CONCAT:
            pieces = sum(len(segments) for segments in read)
            if pieces > MOST_PIECES:
                raise InvalidDesign(
                    f"layer {layer.name!r} must be put together of at most {MOST_PIECES} tensors", str(pieces)
                )
            tensors[layer.name] = tuple(segment for segments in read for segment in segments)
        elif op is Op.FLATTEN and layer.out_channels != layer.in_channels:
            area = layer.in_height * layer.in_width
            tensors[layer.name] = tuple((group, copies * area) for group, copies in read[0])
        else:
            for other in read[1:]:
                union.join(read[0], other)
            tensors[layer.name] = read[0]
        if layer.constants or op is Op.SOFTMAX:  # the ones do not shrink, the other shares out among all channels
            union.fixed.update(group for group, _ in tensors[layer.name])
    if output_fixed and layers:
        union.fixed.update(group for group, _ in tensors[layers[-1].name])
    sets = [union.find(group) for group in range(len(union.parent))]
    owned: dict[int, list[str]] = {}
    for group, name in owners:
        owned.setdefault(sets[group], []).append(name)
    return ChannelGroups(
        tensors={name: tuple([(sets[g], n) for g, n in segments]) for name, segments in tensors.items()},
        width=dict(zip(sets, union.width, strict=True)),
        owners={group: tuple(names) for group, names in owned.items()},
        fixed=frozenset([sets[g] for g in union.fixed]),
        blocks={group: math.lcm(*numbers) for group, numbers in union.told(union.blocks)},
        least={group: max(numbers) for group, numbers in union.told(union.least)},
    )


def _pads_positions(layer: Layer) -> bool:
    """Whether a pad adds positions and leaves channels as they are."""
    grown = layer.out_height * layer.stride > layer.in_height + layer.stride - 1
    return layer.out_channels == layer.in_channels and grown


def _mixes(layer: Layer) -> bool:
    """Whether the channels of a view are neither kept nor flattened with their positions."""
    flat = layer.in_channels * layer.in_height * layer.in_width
    return layer.out_channels not in (layer.in_channels, flat)


def kept_by_group(groups: ChannelGroups, kept: Mapping[str, int]) -> dict[int, int]:
    """Group -> channels kept, from a plan's layer -> filters kept.

    Raises:
        InvalidDesign: An unknown layer, more filters than there are, a group that cannot be pruned, numbers that the
            blocks of a grouped convolution cannot share, or layers of one residual group that keep different numbers.
    """
    left = dict(groups.width)
    named: dict[int, int] = {}
    for name, number in kept.items():
        group = groups.group_of(name) if name in groups.tensors else None
        if group is None:
            raise InvalidDesign(
                "a pruning plan must name layers with filters of their own", repr(name), pointer=f"/plan/kept/{name}"
            )
        width = groups.width[group]
        if not 1 <= number <= width:
            raise InvalidDesign(f"filters kept of {name!r} must be from 1 to {width}", str(number))
        if number < width and group in groups.fixed:
            raise InvalidDesign(f"{name!r} must keep all its {width} filters", str(number))
        blocks, least = groups.blocks_of(group), groups.least_of(group)
        if number < width and (number % blocks or number < least):
            lower = max(number // blocks * blocks, least)
            higher = max(min((number // blocks + 1) * blocks, width), least)
            raise InvalidDesign(
                f"filters kept of {name!r} must be a multiple of {blocks}, at least {least}: a grouped convolution has "
                "as many channels in each of its groups, and reads at least two in each",
                str(number),
                f"Keep {lower}." if lower == higher else f"Keep {lower} or {higher}.",
                pointer=f"/plan/kept/{name}",
            )
        if named.setdefault(group, number) != number:
            raise InvalidDesign(
                f"{name!r} must keep as many filters as the layers it is added to, or put beside for a grouped "
                f"convolution ({named[group]})",
                str(number),
            )
        left[group] = number
    for group, number in named.items():
        missing = [owner for owner in groups.owners.get(group, ()) if owner not in kept]
        if number < groups.width[group] and missing:
            raise InvalidDesign(
                f"a plan that keeps {number} filters of a residual group must name all its layers",
                f"nothing for {', '.join(missing)}",
            )
    return left


def prune(layers: Sequence[Layer], groups: ChannelGroups, left: Mapping[int, int]) -> tuple[Layer, ...]:
    """The layers that remain when each group keeps `left` of its channels (shapes and groups adjusted)."""

    def channels(name: str) -> int:
        return sum(left[group] * copies for group, copies in groups.tensors[name])

    smaller = []
    for layer in layers:
        sources = layer.inputs if layer.op is Op.CONCAT else layer.inputs[:1]
        read = sum(channels(name) for name in sources)
        wrote = channels(layer.name)
        smaller.append(resized(layer, read, wrote))
    return tuple(smaller)


def resized(layer: Layer, read: int, wrote: int) -> Layer:
    """The layer with other numbers of input and output channels."""
    if (read, wrote) == (layer.in_channels, layer.out_channels):
        return layer
    change: dict[str, int] = {"in_channels": read, "out_channels": wrote}
    if layer.depthwise:
        change["groups"] = read
    return layer.model_copy(update=change)
