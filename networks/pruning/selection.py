"""Selection: which filters remain, by index. A PruningPlan says how many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from design.architecture import Architecture
from design.channels import ChannelGroups, channel_groups
from design.pruning import PruningPlan
from networks.errors import InvalidSelection

Indexes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which filters remain: layer name -> indexes of its output channels kept (ascending, unpruned numbering).

    Layers of one channel group name the same channels: those that meet in an addition, and depthwise convolutions
    with what they read (these may be left out). The two sides of a zero-padded shortcut are groups of their own, each
    in its own numbering: a channel that either side lacks reads as zero on the other (`networks.operations.Pad`).
    A layer that is not named keeps all its filters.
    """

    kept: Mapping[str, tuple[int, ...]]

    def plan(self) -> PruningPlan:
        """The same in numbers."""
        return PruningPlan(kept={name: len(channels) for name, channels in self.kept.items()})


@dataclass(frozen=True, kw_only=True)
class KeptChannels:
    """A selection that fits an architecture, by channel group.

    Attributes:
        groups: Of the architecture.
        by_group: Group -> channels kept, ascending.
    """

    groups: ChannelGroups
    by_group: Mapping[int, Indexes]

    def of(self, tensor: str) -> Indexes:
        """Channels kept of what a layer writes (or of `input`), in the unpruned numbering of that tensor, ascending."""
        found, first = [], 0
        for group, copies in self.groups.tensors[tensor]:
            own = self.by_group[group][:, None] * copies + np.arange(copies)
            found.append(first + own.reshape(-1))
            first += self.groups.width[group] * copies
        return np.concatenate(found)

    def changes(self, tensor: str) -> bool:
        """Whether some channel of a tensor is removed."""
        return any(len(self.by_group[g]) < self.groups.width[g] for g, _ in self.groups.tensors[tensor])


def kept_channels(
    architecture: Architecture, selection: Selection, groups: ChannelGroups | None = None
) -> KeptChannels:
    """Check a selection against the architecture that it is chosen from.

    Args:
        architecture: Before anything of the selection is removed.
        selection: What is to be kept.
        groups: Of a network with ties of its own (`networks.pruning.ties`); None: those of the architecture.

    Raises:
        InvalidSelection: Names without filters of their own, indexes that are not ascending or do not exist, a layer
            that must keep all, other numbers in the groups of a grouped convolution, layers of one group that disagree
            or are missing.
    """
    groups = groups or channel_groups(architecture.layers, architecture.input_shape[0])
    by_group = {group: np.arange(width) for group, width in groups.width.items()}
    first_of: dict[int, str] = {}
    for name, channels in selection.kept.items():
        group = groups.group_of(name) if name in groups.tensors else None
        if group is None:
            raise InvalidSelection("a selection must name layers with filters of their own", repr(name))
        own = _ascending(name, channels, groups.width[group])
        if len(own) < groups.width[group] and group in groups.fixed:
            raise InvalidSelection(
                f"{name!r} must keep all its {groups.width[group]} filters", f"{len(own)}", "Leave it out."
            )
        _check_blocks(name, own, groups, group)
        other = first_of.setdefault(group, name)
        if other != name and not np.array_equal(own, by_group[group]):
            raise InvalidSelection(
                f"{name!r} must keep the same filters as {other!r}, whose channels are the same ones",
                f"{_short(own)} and {_short(by_group[group])}",
            )
        by_group[group] = own
    for group, name in first_of.items():
        missing = [owner for owner in groups.owners.get(group, ()) if owner not in selection.kept]
        if missing and len(by_group[group]) < groups.width[group]:
            raise InvalidSelection(
                f"a selection that names {name!r} must name every layer that writes the same channels",
                f"nothing for {', '.join(missing)}",
            )
    return KeptChannels(groups=groups, by_group=by_group)


def _ascending(name: str, channels: tuple[int, ...], width: int) -> Indexes:
    own = np.asarray(channels, dtype=np.int64)
    if not len(own) or own[0] < 0 or own[-1] >= width or np.any(np.diff(own) <= 0):
        raise InvalidSelection(
            f"filters kept of {name!r} must be ascending indexes from 0 to {width - 1}, at least one", _short(own)
        )
    return own


def _check_blocks(name: str, own: Indexes, groups: ChannelGroups, group: int) -> None:
    """Each block of what grouped convolutions read or write must keep as many channels as the others."""
    blocks, width = groups.blocks_of(group), groups.width[group]
    numbers = np.bincount(own * blocks // width, minlength=blocks)
    least = groups.least_of(group) // blocks
    if len(own) < width and (numbers.min() != numbers.max() or numbers[0] < least):
        raise InvalidSelection(
            f"each of the {blocks} blocks of {width // blocks} channels of {name!r} must keep equally many, at least "
            f"{least}, for a grouped convolution",
            _short(numbers),
        )


def _short(channels: Indexes) -> str:
    listed = ", ".join(str(one) for one in channels[:8].tolist())
    return f"[{listed}{', …' if len(channels) > 8 else ''}]"
