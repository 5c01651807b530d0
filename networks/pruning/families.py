"""Families: channels that are kept or removed together, and who reads them.

A channel group (`design.channels`) is one index set: all layers of a residual stream keep the same channels. A shortcut
that pads with zero channels (option A) ties two groups: channel c of the narrower stream is channel c + offset of the
wider one. Channels of tied groups are one choice, those that the padding adds are further ones. What grouped
convolutions read and write loses as many channels in each of its blocks: a choice then has a channel of every block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from design.architecture import Architecture
from design.channels import ChannelGroups, Segments, channel_groups
from design.layer import Layer, Op
from design.policies import full_precision
from design.pruning import PruningPlan
from networks.options import BuildOptions
from networks.order import steps
from networks.pruning.selection import Selection
from networks.pruning.shares import Piece

Atom = tuple[int, int]
"""A channel of a group: (group, index)."""
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Family:
    """Choices of one kind: each of `size` choices keeps or removes `blocks` channels of every group named.

    Attributes:
        name: Its first layer, behind it `+` where it begins after the first channel, and more where that is taken.
        members: Group -> its channels here; the same place in each group is the same channel, block for block.
        blocks: Equal parts of these places, of which every choice has one place each. Which places make up a choice is
            said by what they are worth (`networks.pruning.choices`).
        least: Choices that must stay.
    """

    name: str
    members: Mapping[int, IntArray]
    blocks: int = 1
    least: int = 1

    @property
    def width(self) -> int:
        """Channels of each group."""
        return len(next(iter(self.members.values())))

    @property
    def size(self) -> int:
        """Choices."""
        return self.width // self.blocks


@dataclass(frozen=True, kw_only=True)
class Families:
    """All that can be removed from an architecture.

    Attributes:
        groups: Its channel groups.
        families: In the order in which they are computed.
        readers: Layers with weights that read channels of families -> the pieces of what they read that are.
        unsigned: Layers that are known to read nothing negative.
        grouped: Readers that are grouped convolutions -> their groups, and how many channels a filter reads.
    """

    groups: ChannelGroups
    families: tuple[Family, ...]
    readers: Mapping[str, tuple[Piece, ...]]
    unsigned: frozenset[str] = frozenset()
    grouped: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def read_by(self, family: Family) -> tuple[str, ...]:
        """The layers that read a family."""
        return tuple(
            name for name, pieces in self.readers.items() if any(piece.group in family.members for piece in pieces)
        )

    def selection(self, kept: Mapping[str, IntArray]) -> Selection:
        """The filters that remain.

        Args:
            kept: Family -> its places kept; families that are not named keep all.
        """
        left = self.left(kept)
        return Selection(
            kept={
                name: tuple(left[group].tolist())
                for group, names in self.groups.owners.items()
                if len(left[group]) < self.groups.width[group]
                for name in names
            }
        )

    def left(self, kept: Mapping[str, IntArray]) -> dict[int, IntArray]:
        """Group -> channels that remain, ascending (see `selection`)."""
        stays = {group: np.ones(width, dtype=np.bool_) for group, width in self.groups.width.items()}
        for family in self.families:
            gone = np.ones(family.width, dtype=np.bool_)
            gone[kept.get(family.name, np.arange(family.width))] = False
            for group, channels in family.members.items():
                stays[group][channels[gone]] = False
        return {group: np.flatnonzero(own) for group, own in stays.items()}

    def plan(self, counts: Sequence[int]) -> PruningPlan:
        """Filters kept of each layer where each family keeps so many choices."""
        left = dict(self.groups.width)
        for family, count in zip(self.families, counts, strict=True):
            for group in family.members:
                left[group] -= (family.size - count) * family.blocks
        return PruningPlan(
            kept={
                name: left[group]
                for group, names in self.groups.owners.items()
                if left[group] < self.groups.width[group]
                for name in names
            }
        )


def families(
    architecture: Architecture,
    *,
    groups: ChannelGroups | None = None,
    sources: Mapping[str, Sequence[int]] | None = None,
    unsigned: frozenset[str] | None = None,
) -> Families:
    """Follow what can be removed.

    Args:
        architecture: Of the network as it is.
        groups: Of a network with ties of its own; None: those of the architecture.
        sources: Zero-padding shortcut -> for each of its channels the channel that it reads, -1 for zeros; where it is
            not named, the channels that it reads come first.
        unsigned: Layers that are known to read nothing negative; None: as the activations of the architecture say.
    """
    if groups is None:
        groups = channel_groups(architecture.layers, architecture.input_shape[0])
    readers = {layer.name: _pieces(groups, layer) for layer in architecture.layers if _reads(layer)}
    tied, locked = _tied(architecture, groups, sources or {})
    read = {piece.group for pieces in readers.values() for piece in pieces}
    kinds: dict[frozenset[int], list[tuple[Atom, ...]]] = {}
    for atoms in tied:
        own = frozenset(group for group, _ in atoms)
        free = own <= groups.owners.keys() and not own & locked and len(own) == len(atoms) and own & read
        if free:
            kinds.setdefault(own, []).append(atoms)
    found: list[Family] = []
    order = {name: index for index, name in enumerate(layer.name for layer in architecture.layers)}
    by_owner = sorted(kinds.items(), key=lambda kind: order[groups.owners[min(kind[0])][0]])
    taken: set[str] = set()
    for own, choices in by_owner:
        members = {group: np.array([dict(atoms)[group] for atoms in choices]) for group in sorted(own)}
        name = groups.owners[min(own)][0]
        begins = min(int(channels[0]) for channels in members.values())
        name += "+" if begins else ""
        while name in taken:  # a stream that was cut may fall into several parts
            name += "+"
        family = _in_blocks(groups, name, members)
        if family is not None:
            taken.add(name)
            found.append(family)
    free_groups = {group for family in found for group in family.members}
    wanted = {name: tuple(piece for piece in pieces if piece.group in free_groups) for name, pieces in readers.items()}
    return Families(
        groups=groups,
        families=tuple(found),
        readers={name: pieces for name, pieces in wanted.items() if pieces},
        unsigned=_unsigned(architecture) if unsigned is None else unsigned,
        grouped={
            layer.name: (layer.groups, layer.in_channels // layer.groups)
            for layer in architecture.layers
            if layer.grouped and any(piece.group in free_groups for piece in readers[layer.name])
        },
    )


def _in_blocks(groups: ChannelGroups, name: str, members: Mapping[int, IntArray]) -> Family | None:
    """A family with its places ordered by blocks; None where choices cannot take as much of each block, or none can go.

    A block is what lies in the same block of every group. All must be of one size, and blocks of a group must have
    equally many of them.
    """
    parts = [channels // (groups.width[group] // groups.blocks_of(group)) for group, channels in members.items()]
    if all(groups.least_of(group) == 1 for group in members):
        return Family(name=name, members=members)
    found, block, sizes = np.unique(np.stack(parts), axis=1, return_inverse=True, return_counts=True)
    blocks = found.shape[1]
    for group, own in zip(members, found, strict=True):
        in_each = np.bincount(own, minlength=groups.blocks_of(group))
        if in_each.min() != in_each.max():
            return None
    order = np.argsort(block.reshape(-1), kind="stable")
    least = max(-(-groups.least_of(group) // blocks) for group in members)
    if sizes.min() != sizes.max() or sizes[0] <= least:
        return None
    return Family(name=name, members={group: own[order] for group, own in members.items()}, blocks=blocks, least=least)


def _unsigned(architecture: Architecture) -> frozenset[str]:
    ordered = steps(architecture, full_precision(architecture), BuildOptions(shortcut_every_convolution=False))
    return frozenset(step.layer.name for step in ordered if step.unsigned and step.layer.weighted)


def _reads(layer: Layer) -> bool:
    """Whether it mixes the channels that it reads with weights of its own."""
    return (layer.op in (Op.CONV, Op.FC) and layer.groups == 1) or layer.grouped


def _pieces(groups: ChannelGroups, layer: Layer) -> tuple[Piece, ...]:
    found, start = [], 0
    segments: Segments = groups.tensors[layer.inputs[0]]
    for group, copies in segments:
        piece = Piece(group=group, start=start, width=groups.width[group], copies=copies)
        found.append(piece)
        start += piece.width * copies
    return tuple(found)


def _tied(
    architecture: Architecture, groups: ChannelGroups, sources: Mapping[str, Sequence[int]]
) -> tuple[list[tuple[Atom, ...]], set[int]]:
    """Channels that zero-padding makes one choice, in the order of their groups, and the groups that must stay."""
    locked = set(groups.fixed)
    for layer in architecture.layers:
        if layer.weighted and not _reads(layer) and not layer.depthwise:  # nobody can say what it needs
            locked.update(group for group, _ in groups.tensors[layer.inputs[0]])
    parent: dict[Atom, Atom] = {(g, c): (g, c) for g, width in groups.width.items() for c in range(width)}

    def root(atom: Atom) -> Atom:
        while parent[atom] != atom:
            atom = parent[atom]
        return atom

    for layer in architecture.layers:
        if layer.op is not Op.PAD:
            continue
        source, target = groups.group_of(layer.inputs[0]), groups.group_of(layer.name)
        if source is None or target is None:
            locked.update(group for name in (layer.inputs[0], layer.name) for group, _ in groups.tensors[name])
            continue
        read, wrote = groups.width[source], groups.width[target]
        usual = [channel if channel < read else -1 for channel in range(wrote)]
        for channel, come_from in enumerate(sources.get(layer.name, usual)):
            if come_from >= 0:
                first, second = sorted((root((source, come_from)), root((target, channel))))
                parent[second] = first
    together: dict[Atom, list[Atom]] = {}
    for atom in parent:
        together.setdefault(root(atom), []).append(atom)
    return [tuple(atoms) for atoms in together.values()], locked
